"""The background job that tells plugins of a form that was sent, and what it carries."""

from dataclasses import dataclass
from typing import Any, Final

from kernel.job_kind import JobKind


@dataclass(frozen=True, slots=True)
class SubmittedForm:
    """What plugins may know of a form that was sent: `values` by the names of its elements, no passwords among them."""

    form_id: str
    values: dict[str, Any]


RUN_FORM_TAPS: Final = JobKind(
    "run_form_taps", SubmittedForm, "background", 60, 3, "plugins may see a tap again after a crash"
)
