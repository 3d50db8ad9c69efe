"""What a kind of background job is: what it carries, who waits for it, and how often it is tried."""

from dataclasses import dataclass, field
from typing import Literal

# Interactive work is waited for by a person; it has slots of its own, so that a batch never delays a save.
Lane = Literal["interactive", "background"]


@dataclass(frozen=True, slots=True)
class JobKind:
    """`timeout_s` is one attempt as a whole. `max_attempts` counts tries that failed since the job last got
    further; the last one leaves the job dead.

    Each step of `priority` lets a job be taken as if it had come ten minutes earlier, so that nothing waits for
    ever. `at_once` is how many jobs of the kind, and of one group, may run at the same time in the whole site.
    """

    name: str
    payload: type
    lane: Lane
    timeout_s: float
    max_attempts: int
    idempotence: str = field(compare=False)
    priority: int = field(default=0, kw_only=True)
    at_once: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.lane == "interactive" and self.timeout_s > 60:
            raise ValueError(
                f"Job kind {self.name}: interactive work may take 60 s at most, people wait for it."
            )
