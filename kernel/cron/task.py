"""A task of cron: what it is called, when it is due, how long it may take, and the function that does it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from kernel.cron.model import TaskPast
from kernel.cron.schedule import Schedule
from kernel.cron.turn import Turn
from kernel.jobs import RUN_CRON
from kernel.runtime import Runtime

Work: TypeAlias = Callable[[Runtime, Turn], Awaitable[None]]

# What becomes of slots in which nothing ran. once: one run makes good for all of them, as soon as cron is back.
# skip: they are gone, and a run that would come later than `tolerance_s` does not happen either.
Missed: TypeAlias = Literal["once", "skip"]

NAME_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class Task:
    """`work` ends with a step that it declares to be its last one."""

    name: str
    label: str
    schedule: Schedule
    missed: Missed
    limit_s: float
    work: Work = field(repr=False, compare=False)
    tolerance_s: float = 300.0

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= NAME_MAX:
            raise ValueError(f"Cron task {self.name!r}: a name has 1 to {NAME_MAX} characters.")
        if self.limit_s > RUN_CRON.timeout_s / 4:
            raise ValueError(
                f"Cron task {self.name}: it may take {RUN_CRON.timeout_s / 4:.0f} s at most, since a run does all"
                " that is due within the time of its job."
            )

    def find_missed(self, slot: datetime, past: TaskPast) -> int:
        """How many slots before this one passed without a run; none before the very first run."""
        return self.schedule.count_between(past.previous_slot, slot) if past.previous_slot else 0

    def is_too_late(self, slot: datetime, now: datetime) -> bool:
        return self.missed == "skip" and now - slot > timedelta(seconds=self.tolerance_s)
