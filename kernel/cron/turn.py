"""What a task is given in its turn: its slot, and fenced steps of which the last one also ends its row."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

from kernel.context import Context
from kernel.cron.model import RunStatus
from kernel.cron.store import begin_run, end_run, fail_abandoned, insert_skipped
from kernel.db.pool import Connection
from kernel.errors import Conflict
from kernel.ledger.run import JobRun
from kernel.ledger.writes import JobWrites
from kernel.log import get_logger

log = get_logger(__name__)

# A task that takes its worker down with it each time is given up for its slot.
MAX_ATTEMPTS: Final = 3
ABANDONED: Final = "The worker that did this stopped without a word."


@dataclass(slots=True)
class TaskStep:
    """An open transaction. What is written here stands when it is left without an error."""

    conn: Connection
    note: str = ""
    ends_as: RunStatus | None = None

    def finish(self, note: str = "") -> None:
        """This step completes the task: its row says `done` in the same commit, with the note for people."""
        self.ends_as, self.note = RunStatus.DONE, note

    def finish_idle(self) -> None:
        """The same for a task that looked and had nothing to do, so that its last run stays the one before."""
        self.ends_as = RunStatus.IDLE


class Turn:
    """One attempt at one task in one slot. `now` is the database's clock when the run began, and `last_run` when the
    last run in which the task did something had begun."""

    def __init__(
        self, run: JobRun, name: str, slot: datetime, *, missed: int, now: datetime, last_run: datetime | None
    ) -> None:
        self.name = name
        self.slot = slot
        self.now = now
        self.last_run = last_run
        self.attempt = 0
        self.is_over = False
        self._missed = missed
        self._run = run
        self._began = monotonic()

    @property
    def id(self) -> UUID:
        """Names the task in its slot: the same for every attempt, whichever job makes it."""
        return uuid5(NAMESPACE_OID, f"{self.name} {self.slot.isoformat()}")

    @property
    def ctx(self) -> Context:
        return self._run.ctx

    @property
    def writes(self) -> JobWrites:
        """Where plugins write: the next step brings it with it."""
        return self._run.writes

    async def begin(self) -> bool:
        """False when the slot has been dealt with, by somebody else or by too many attempts that died."""
        async with self._run.step() as step:
            abandoned = await fail_abandoned(step.conn, self.name, self.slot, MAX_ATTEMPTS, ABANDONED)
            attempt = await begin_run(
                step.conn, self.name, self.slot, missed=self._missed, job_id=self._run.job.id
            )
            step.note = self.name
            if any(run.slot == self.slot for run in abandoned):
                step.cursor = self._tell(step.cursor, RunStatus.FAILED, error=ABANDONED)
        for run in abandoned:
            log.error("a run of cron was abandoned", slot=run.slot.isoformat(), attempts=run.attempt)
        self.attempt = attempt or 0
        return attempt is not None

    async def skip(self) -> None:
        async with self._run.step() as step:
            if await insert_skipped(
                step.conn, self.name, self.slot, missed=self._missed, job_id=self._run.job.id
            ):
                step.done += 1
                step.cursor = self._tell(step.cursor, RunStatus.SKIPPED)

    @asynccontextmanager
    async def step(self) -> AsyncIterator[TaskStep]:
        """Raises LeaseLost when the job was taken over, Conflict when the slot was; nothing is written then."""
        async with self._run.step() as job_step:
            step = TaskStep(job_step.conn)
            yield step
            if step.ends_as is not None:
                if not await self._end(step.conn, step.ends_as, note=step.note):
                    raise Conflict("Another run has taken over this slot.")
                job_step.done += 1
                job_step.cursor = self._tell(job_step.cursor, step.ends_as, note=step.note)
        self.is_over = self.is_over or step.ends_as is not None

    async def fail(self, error: str) -> bool:
        """False when the slot was ended after all, by this attempt or by another. What plugins wrote is gone."""
        await self._run.writes.abandon()
        async with self._run.step() as step:
            ended = await self._end(step.conn, RunStatus.FAILED, error=error)
            if ended:
                step.done += 1
                step.cursor = self._tell(step.cursor, RunStatus.FAILED, error=error)
        return ended

    async def _end(self, conn: Connection, status: RunStatus, *, note: str = "", error: str = "") -> bool:
        return await end_run(conn, self.name, self.slot, self.attempt, status, note=note, error=error)

    def _tell(self, cursor: Any, status: RunStatus, *, note: str = "", error: str = "") -> list[Any]:
        """The job's checkpoint is the list of what its attempts have done; it ends as the job's result."""
        told = {
            "task": self.name,
            "slot": self.slot.isoformat(),
            "status": status.value,
            "ms": round((monotonic() - self._began) * 1000),
            "missed": self._missed,
            "note": note,
            "error": error,
        }
        return [*(cursor or []), told]
