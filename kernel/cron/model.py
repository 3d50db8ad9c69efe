"""A run of a task as its row tells it, and what the site knows of its cron as a whole."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class RunStatus(StrEnum):
    """`idle`: it looked and had nothing to do. `skipped`: it would have come too late for a task that is not caught
    up."""

    RUNNING = "running"
    DONE = "done"
    IDLE = "idle"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CronRun:
    """One row of the table `cron_run`: one task in one slot.

    `attempt` counts how often it was begun, and whoever holds an older number may not end it. `missed` counts the
    slots before this one in which nothing ran.
    """

    task: str
    slot: datetime
    status: RunStatus
    attempt: int
    missed: int
    job_id: UUID | None
    note: str
    error: str
    started: datetime
    finished: datetime | None

    @property
    def seconds(self) -> float | None:
        return (self.finished - self.started).total_seconds() if self.finished else None


@dataclass(frozen=True, slots=True)
class TaskPast:
    """What the rows say of a task: the run in the slot that is asked for, the latest slot before it, and when the
    last run that did something began."""

    current: CronRun | None = None
    previous_slot: datetime | None = None
    last_done: datetime | None = None


@dataclass(frozen=True, slots=True)
class CronState:
    """`now` is the database's. `since` is when the site was prepared: until its first run, lateness counts from
    there. Both are None where nobody has prepared the site yet."""

    now: datetime
    since: datetime | None
    last_run: datetime | None

    def is_late(self, late_s: float) -> bool:
        expected_from = self.last_run or self.since
        return expected_from is not None and self.now - expected_from > timedelta(seconds=late_s)
