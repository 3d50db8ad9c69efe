"""Payloads of the jobs that change how the site works, or note what happened at its doors."""

from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from kernel.job_kind import JobKind


@dataclass(frozen=True, slots=True)
class SetRateLimits:
    """`limits` is JSON as kernel/rate_limit/model.py reads it; the worker checks it again."""

    limits: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SetMaintenance:
    is_on: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class NoteLoginFailure:
    """`user_id` where the name belongs to somebody; the name itself is not told, since people type their password
    there. `locked`: too many failures before, so that this attempt was not looked at."""

    reason: Literal["refused", "locked"]
    user_id: UUID | None = None


SET_RATE_LIMITS: Final = JobKind(
    "set_rate_limits", SetRateLimits, "interactive", 10, 5, "sets the same limits again"
)
SET_MAINTENANCE: Final = JobKind(
    "set_maintenance", SetMaintenance, "interactive", 10, 5, "a site that is closed or open stays so"
)
NOTE_LOGIN_FAILURE: Final = JobKind(
    "note_login_failure",
    NoteLoginFailure,
    "background",
    10,
    3,
    "the row and the end of the job are one transaction",
)
