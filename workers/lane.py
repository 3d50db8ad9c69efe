"""One lane of the queue in one process: an arq worker with slots of its own, woken by a message."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final
from uuid import UUID

from arq.constants import in_progress_key_prefix
from arq.worker import Worker

from kernel.job_kind import Lane
from kernel.log import get_logger
from kernel.queue import COMMAND_S, REDIS_ERRORS, Queue
from workers.settings import make_worker_settings

log = get_logger(__name__)

_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)


class LaneWorker(Worker):
    """arq's worker with another way of looking for work.

    The stock one looks every half second, needs five round trips to start a job, and ends when Redis
    restarts. This one looks when it is told to, or has a slot free that it lacked before, or has not looked
    for `poll_every_s`; it starts all it has slots for in one round trip; and it waits for Redis to come back.
    """

    def __init__(
        self,
        queue: Queue,
        lane: Lane,
        *,
        slots: int,
        poll_every_s: float,
        make: Callable[[UUID], Awaitable[None]],
    ) -> None:
        super().__init__(**make_worker_settings(queue, lane, slots, make))
        self._lane = lane
        self._poll_every_s = poll_every_s
        self._look = asyncio.Event()
        self._has_more = False

    def wake(self) -> None:
        """There may be work."""
        self._look.set()

    async def main(self) -> None:
        """Look for work until cancelled; the jobs that were started go on."""
        failures = 0
        while True:
            self._look.clear()
            try:
                await self._start_waiting()
            except REDIS_ERRORS as error:
                if failures == 0:
                    log.warning("queue away, waiting for it", lane=self._lane, error=repr(error))
                await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
                failures += 1
                continue
            if failures:
                log.info("queue is back", lane=self._lane)
                failures = 0
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_every_s):
                    await self._look.wait()

    async def _start_waiting(self) -> None:
        if len(self.tasks) >= self.max_jobs:
            self._has_more = True
            return
        free, place = self.max_jobs - len(self.tasks), 0
        # What killed workers had begun stands first until their marks expire, so a look goes on behind it.
        while free > 0:
            waiting = await self._read_from(place)
            place += len(waiting)
            ours = [arq_id for arq_id in waiting if arq_id not in self.tasks]
            self._has_more = len(ours) > free or len(waiting) == self.queue_read_limit
            while ours and free > 0:
                batch, ours = ours[:free], ours[free:]
                free -= await self._start(batch)
            if len(waiting) < self.queue_read_limit:
                return

    async def _read_from(self, place: int) -> list[str]:
        """As much of the queue as is read at a time, from that place on."""
        async with asyncio.timeout(COMMAND_S):
            waiting: list[bytes] = await self.pool.zrangebyscore(
                self.queue_name, min="-inf", max="+inf", start=place, num=self.queue_read_limit
            )
        return [arq_id.decode() for arq_id in waiting]

    async def _start(self, arq_ids: list[str]) -> int:
        """Mark these as in progress and start those that nobody else had marked; how many."""
        async with asyncio.timeout(COMMAND_S), self.pool.pipeline(transaction=False) as pipe:
            for arq_id in arq_ids:
                pipe.set(
                    in_progress_key_prefix + arq_id, b"1", px=int(self.in_progress_timeout_s * 1000), nx=True
                )
                pipe.zscore(self.queue_name, arq_id)
            answers: list[Any] = await pipe.execute()
        started = 0
        for arq_id, marked, score in zip(arq_ids, answers[::2], answers[1::2], strict=True):
            if not marked:
                continue
            if score is None:  # finished by somebody else since the look
                await self.pool.delete(in_progress_key_prefix + arq_id)
                continue
            task = asyncio.create_task(self.run_job(arq_id, int(score)))
            self.tasks[arq_id] = task
            task.add_done_callback(partial(self._note_end, arq_id))
            started += 1
        return started

    def _note_end(self, arq_id: str, task: asyncio.Task[None]) -> None:
        del self.tasks[arq_id]
        if self._has_more:
            self._look.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The ledger has its own record; what is left in Redis expires and is refused by the row.
            log.warning("a delivery was not tidied away", lane=self._lane, error=repr(error))

    async def tidy(self, timeout_s: float) -> None:
        """After the last job: let arq note the ends in Redis. What it does not manage expires."""
        if self.tasks:
            await asyncio.wait(self.tasks.values(), timeout=timeout_s)
        left = list(self.tasks.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
