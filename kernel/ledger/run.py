"""What a job's handler is given: payload, progress, and the one transaction that finishes the job."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kernel.context import Actor, Context
from kernel.db.pool import Connection
from kernel.errors import LeaseLost, Unavailable
from kernel.ids import uuid7
from kernel.jobs import JobKind
from kernel.ledger.ledger import Ledger
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.payload import encode_payload
from kernel.ledger.store import (
    NewJob,
    clear_drop_tags,
    insert_follow_ups,
    lock_attempt,
    mark_done,
    renew_lease,
    write_progress,
)
from kernel.log import get_logger
from kernel.queue import Delivery

log = get_logger(__name__)


@dataclass(slots=True)
class Finish:
    """The open transaction. What is asked for here happens with the effect, or not at all."""

    conn: Connection
    result: dict[str, Any] = field(default_factory=dict)
    follow_ups: list[tuple[JobKind, NewJob]] = field(default_factory=list)
    tags: dict[str, None] = field(default_factory=dict)

    def follow_up(self, kind: JobKind, payload: object) -> None:
        """Another job, on behalf of the same actor; workers are woken for it after the commit."""
        self.follow_ups.append((kind, NewJob(uuid7(), kind.name, encode_payload(payload))))

    def drop_tags(self, *tags: str) -> None:
        """Cache tags to drop after the commit, and before anybody is told that the job is done."""
        self.tags.update(dict.fromkeys(tags))


class JobRun:
    """One attempt at a job. `ctx` knows the actor by id alone; whoever decides by permissions loads them."""

    def __init__(self, ledger: Ledger, job: Job, payload: Any) -> None:
        self.job = job
        self.payload = payload
        self.ctx = Context(
            actor=Actor(id=job.actor_id),
            stage_id=job.stage_id,
            request_id=job.request_id,
            session_key=job.session_key,
        )
        self.is_done = False
        self._ledger = ledger
        # The finishing transaction holds the row; a renewal at that moment would wait for it, then find it
        # done and take that for a lost lease.
        self._row = asyncio.Lock()
        self._is_finishing = False

    async def report(self, done: int, total: int, note: str) -> None:
        """Show progress. Raises LeaseLost when the job was cancelled or taken over."""
        self._refuse_inside_finish()
        lease_s = self._ledger.config.lease_s
        async with self._row, self._ledger.db.acquire() as conn:
            if not await write_progress(conn, self.job, lease_s, done=done, total=total, note=note):
                raise LeaseLost("This attempt is over.")

    async def keep_lease(self) -> None:
        """Raises LeaseLost when the job was cancelled or taken over."""
        async with self._row:
            if self.is_done:
                return
            async with self._ledger.db.acquire() as conn:
                if not await renew_lease(conn, self.job, self._ledger.config.lease_s):
                    raise LeaseLost("This attempt is over.")

    @asynccontextmanager
    async def finish(self) -> AsyncIterator[Finish]:
        """The effect and `done` in one transaction. Raises LeaseLost, and nothing is written, when somebody
        else owns the job by now or it was cancelled."""
        self._refuse_inside_finish()
        async with self._row:
            self._is_finishing = True
            try:
                async with self._ledger.db.transaction() as tx:
                    if not await lock_attempt(tx.conn, self.job):
                        raise LeaseLost("This attempt is over.")
                    finish = Finish(tx.conn)
                    yield finish
                    await insert_follow_ups(tx.conn, self.job, [new for _, new in finish.follow_ups])
                    await mark_done(tx.conn, self.job, finish.result, list(finish.tags) or None)
            finally:
                self._is_finishing = False
            self.is_done = True
        await self._spread_news(finish)

    async def _spread_news(self, finish: Finish) -> None:
        """In this order: who hears that the job is done finds no stale page. What a crash in here leaves
        undone, the sweeper does from the rows; the waiter looks at its row."""
        ledger = self._ledger
        dropped = await self._drop(finish.tags)
        await ledger.tell_waiter(self.job.id, JobStatus.DONE)
        if finish.follow_ups:
            await ledger.queue.put_all([Delivery(new.id, 1, kind.lane) for kind, new in finish.follow_ups])
        if dropped:
            async with ledger.db.acquire() as conn:
                await clear_drop_tags(conn, [self.job.id])

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

    def _refuse_inside_finish(self) -> None:
        if self._is_finishing or self.is_done:
            raise RuntimeError("This job is being finished or done; report before, and finish once.")
