"""Repeats a statement while PostgreSQL restarts."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, TypeVar

from kernel.db.connect import DISCONNECTED
from kernel.log import get_logger

T = TypeVar("T")

log = get_logger(__name__)

_LONGEST_PAUSE_S: Final = 2.0


async def outlast_restart(work: Callable[[], Awaitable[T]], *, for_s: float) -> T:
    """What `work` answers; repeated with growing pauses, so it must bear being done twice."""
    give_up_at = monotonic() + for_s
    pause_s = 0.05
    while True:
        try:
            return await work()
        except DISCONNECTED as error:
            if monotonic() + pause_s > give_up_at:
                raise
            log.warning("database away, trying again", error=type(error).__name__, pause_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
