"""What a job's handler is given: payload, progress, steps, and the one transaction that finishes the job."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kernel.audit.kinds import describe_job
from kernel.audit.model import Entry, Origin
from kernel.audit.store import insert_events
from kernel.context import Actor, Context
from kernel.db.pool import Connection
from kernel.errors import LeaseLost, Unavailable
from kernel.ids import uuid7
from kernel.job_kind import JobKind
from kernel.jobs import JOB_KINDS
from kernel.ledger.ledger import JOB_FINISHED, JOB_PROGRESS, Ledger, describe_end
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.payload import encode_payload
from kernel.ledger.store import (
    NewJob,
    StepMarks,
    hand_back,
    insert_follow_ups,
    lock_attempt,
    mark_done,
    mark_step,
    renew_lease,
    write_progress,
)
from kernel.ledger.writes import JobWrites
from kernel.log import get_logger
from kernel.queue import Delivery
from kernel.shared.bus import encode_message

log = get_logger(__name__)


def build_origin(job: Job) -> Origin:
    return Origin(job.actor_id, job.request_id, job.client_address, job.id)


@dataclass(slots=True)
class Effects:
    """An open transaction under the fence. What is asked for here happens with the effect, or not at all."""

    conn: Connection
    follow_ups: list[NewJob] = field(default_factory=list, kw_only=True)
    tags: dict[str, None] = field(default_factory=dict, kw_only=True)
    entries: list[Entry] = field(default_factory=list, kw_only=True)
    acts: list[Callable[[], Awaitable[None]]] = field(default_factory=list, kw_only=True)

    def follow_up(self, kind: JobKind, payload: object, *, group: str = "") -> None:
        """Another job, on behalf of the same actor; workers are woken for it after the commit."""
        self.follow_ups.append(NewJob(uuid7(), kind, encode_payload(payload), group))

    def drop_tags(self, *tags: str) -> None:
        """Cache tags to drop after the commit, and before anybody is told of it."""
        self.tags.update(dict.fromkeys(tags))

    def audit(self, *entries: Entry) -> None:
        """What was changed, for the audit log, beside what kernel/audit/kinds.py tells it when the job is done."""
        self.entries.extend(entries)

    def after_commit(self, act: Callable[[], Awaitable[None]]) -> None:
        """Something outside the database that can only be done then, and before anybody is told of it. A crash may
        leave it out, and it raises nothing."""
        self.acts.append(act)


@dataclass(slots=True)
class Finish(Effects):
    """The transaction that marks the job done."""

    result: dict[str, Any] = field(default_factory=dict, kw_only=True)


@dataclass(slots=True)
class Step(Effects):
    """The transaction that moves the checkpoint: whoever makes the next attempt begins where `cursor` says."""

    cursor: Any
    done: int
    total: int
    note: str


class JobRun:
    """One attempt at a job. `ctx` knows the actor by id alone; whoever decides by permissions loads them.

    `cursor` is the checkpoint of the last step, also of one that an earlier attempt made; None before the first.
    `writes` are for plugins: the next step, or the finish, brings with it what they wrote before it.
    """

    def __init__(self, ledger: Ledger, job: Job, payload: Any) -> None:
        self.job = job
        self.payload = payload
        self.ctx = Context(
            actor=Actor(id=job.actor_id, scope=None if job.scope is None else frozenset(job.scope)),
            stage_id=job.stage_id,
            request_id=job.request_id,
            session_key=job.session_key,
            depth=job.depth,
            client_address=job.client_address,
        )
        self.is_done = False
        self.is_paused = False
        self.failures = job.failures
        self.writes = JobWrites(ledger.db)
        self._marks = StepMarks(job.cursor, job.progress_done, job.progress_total, job.progress_note)
        self._ledger = ledger
        # The finishing transaction holds the row; a renewal at that moment would wait for it, then find it
        # done and take that for a lost lease.
        self._row = asyncio.Lock()
        self._is_inside = False

    @property
    def cursor(self) -> Any:
        return self._marks.cursor

    async def report(self, done: int, total: int, note: str) -> None:
        """Show progress. Raises LeaseLost when the job was cancelled or taken over."""
        self._refuse_inside()
        lease_s = self._ledger.config.lease_s
        async with self._row, self._ledger.db.acquire() as conn:
            if not await write_progress(conn, self.job, lease_s, done=done, total=total, note=note):
                raise LeaseLost("This attempt is over.")
            self._marks = StepMarks(self.cursor, done, total, note)
        await self._ledger.bus.publish(JOB_PROGRESS, self._describe_progress())

    async def keep_lease(self) -> None:
        """Raises LeaseLost when the job was cancelled or taken over."""
        async with self._row:
            if self.is_done or self.is_paused:
                return
            async with self._ledger.db.acquire() as conn:
                if not await renew_lease(conn, self.job, self._ledger.config.lease_s):
                    raise LeaseLost("This attempt is over.")

    @asynccontextmanager
    async def step(self) -> AsyncIterator[Step]:
        """One slice of long work: its effect, the checkpoint and progress in one transaction. Whatever fails later
        does not repeat it. Raises LeaseLost, and nothing is written, as `finish` does."""
        marks = self._marks
        async with self._inside():
            async with self.writes.join() as tx:
                await self._fence(tx.conn)
                step = Step(tx.conn, marks.cursor, marks.done, marks.total, marks.note)
                step.drop_tags(*self.writes.tags)
                yield step
                await insert_follow_ups(tx.conn, self.job, step.follow_ups)
                await insert_events(tx.conn, build_origin(self.job), step.entries)
                marks = StepMarks(step.cursor, step.done, step.total, step.note)
                await mark_step(
                    tx.conn, self.job, self._ledger.config.lease_s, marks, list(step.tags) or None
                )
            self._marks = marks
            self.failures = 0
        await self._spread_news(step)

    async def pause(self) -> None:
        """Let others have the slot: the job goes to the queue again, behind what waits there, and its next attempt
        begins at the checkpoint. To be called last. Raises LeaseLost."""
        self._refuse_inside()
        if self.writes.is_open:
            raise RuntimeError("What plugins wrote is lost by a pause; make a step before.")
        kind, sweep_s = JOB_KINDS[self.job.kind], self._ledger.config.sweep_every_s
        # Of a limited kind, the end of this attempt calls whoever of its group has waited longest, which may be this.
        is_queued_here = kind.at_once is None
        async with self._row, self._ledger.db.acquire() as conn:
            number = await hand_back(conn, self.job, sweep_s if is_queued_here else 0.0)
            if number is None:
                raise LeaseLost("This attempt is over.")
            self.is_paused = True
        if is_queued_here:
            await self._ledger.queue.put(self.job.id, number, kind)

    @asynccontextmanager
    async def finish(self) -> AsyncIterator[Finish]:
        """The effect and `done` in one transaction. Raises LeaseLost, and nothing is written, when somebody
        else owns the job by now or it was cancelled."""
        async with self._inside():
            async with self.writes.join() as tx:
                await self._fence(tx.conn)
                finish = Finish(tx.conn)
                finish.drop_tags(*self.writes.tags)
                yield finish
                await insert_follow_ups(tx.conn, self.job, finish.follow_ups)
                entries = [*finish.entries, *describe_job(self.job.kind, self.payload, finish.result)]
                await insert_events(tx.conn, build_origin(self.job), entries)
                await mark_done(tx.conn, self.job, finish.result, list(finish.tags) or None)
            self.is_done = True
        await self._spread_news(finish)

    @asynccontextmanager
    async def _inside(self) -> AsyncIterator[None]:
        self._refuse_inside()
        async with self._row:
            self._is_inside = True
            try:
                yield
            finally:
                self._is_inside = False

    async def _fence(self, conn: Connection) -> None:
        if not await lock_attempt(conn, self.job):
            raise LeaseLost("This attempt is over.")

    async def _spread_news(self, effects: Effects) -> None:
        """In this order: who hears that the job is done finds no stale page. What a crash in here leaves
        undone, the sweeper does from the rows; the waiter looks at its row."""
        for act in effects.acts:
            await act()
        ledger = self._ledger
        if await self._drop(effects.tags):
            ledger.dropped.note(self.job.id, len(effects.tags))
            if not self.is_done:
                # The next step adds to the row's tags; a note that comes after it would no longer be about all of them.
                await ledger.dropped.flush()
        if self.is_done:
            topic, message = JOB_FINISHED, describe_end(self.job.id, JobStatus.DONE)
        else:
            topic, message = JOB_PROGRESS, self._describe_progress()
        if effects.follow_ups:
            deliveries = [Delivery(new.id, 1, new.kind) for new in effects.follow_ups]
            await ledger.queue.put_all(deliveries, news=encode_message(topic, message))
        else:
            await ledger.bus.publish(topic, message)

    def _describe_progress(self) -> dict[str, Any]:
        marks = self._marks
        return {"id": str(self.job.id), "done": marks.done, "total": marks.total, "note": marks.note}

    async def _drop(self, tags: dict[str, None]) -> bool:
        """Whether there is now something in the row to clear."""
        if not tags:
            return False
        try:
            await self._ledger.cache.drop(tags)
        except Unavailable as error:
            log.warning("cache tags not dropped, the sweeper repeats it", error=error.detail or error.message)
            return False
        return True

    def _refuse_inside(self) -> None:
        if self._is_inside or self.is_done or self.is_paused:
            raise RuntimeError("This job is inside a transaction of its own, done or paused; do this before.")
