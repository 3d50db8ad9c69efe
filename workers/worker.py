"""What one worker process does: two lanes, the sweeper, and an orderly end."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from kernel.config import Config
from kernel.job_kind import JobKind, Lane
from kernel.ledger.attempt import Attempts
from kernel.ledger.run import JobRun
from kernel.log import get_logger
from kernel.queue import WORK_QUEUED, Queue
from kernel.runtime import Runtime
from kernel.shared.bus import CONNECTED
from workers.lane import LaneWorker
from workers.sweeper import sweep_for_ever

log = get_logger(__name__)

Handler: TypeAlias = Callable[[Runtime, JobRun], Coroutine[Any, Any, None]]

# How long running jobs may go on after the process was told to stop; then they are handed back.
GRACE_S: Final = 10.0


_TIDY_S: Final = 2.0


async def run_worker(
    rt: Runtime, handlers: Mapping[JobKind, Handler], stop: asyncio.Event, *, grace_s: float = GRACE_S
) -> None:
    """Work until `stop` is set, then finish or hand back what is running."""
    work = {kind.name: (kind, partial(handler, rt)) for kind, handler in handlers.items()}
    attempts = Attempts(rt.ledger, work)
    lanes = _make_lanes(rt.config, rt.ledger.queue, attempts)

    def wake(message: dict[str, Any]) -> None:
        for name, lane in lanes.items():
            if message.get("lane", name) == name:
                lane.wake()

    unsubscribe = [
        rt.bus.subscribe(WORK_QUEUED, wake),
        rt.bus.subscribe(CONNECTED, wake),  # messages may have been lost
        attempts.listen(),
    ]
    loops = [asyncio.create_task(lane.main(), name=f"lane {name}") for name, lane in lanes.items()]
    loops.append(asyncio.create_task(sweep_for_ever(rt), name="sweeper"))
    stopping = asyncio.create_task(stop.wait(), name="stop")
    log.info("worker ready", kinds=len(handlers))
    try:
        # A loop ends only by a mistake in it; then the process ends too, and is started again.
        done, _ = await asyncio.wait([stopping, *loops], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopping, *loops):
            task.cancel()
        await asyncio.gather(stopping, *loops, return_exceptions=True)
        await attempts.drain(grace_s)
        for lane in lanes.values():
            await lane.tidy(_TIDY_S)
        for end in unsubscribe:
            end()
    for task in done - {stopping}:
        task.result()
    log.info("worker stopped")


def _make_lanes(config: Config, queue: Queue, attempts: Attempts) -> dict[Lane, LaneWorker]:
    slots: dict[Lane, int] = {
        "interactive": config.interactive_slots,
        "background": config.background_slots,
    }
    return {
        lane: LaneWorker(queue, lane, slots=count, poll_every_s=config.poll_every_s, make=attempts.make)
        for lane, count in slots.items()
    }
