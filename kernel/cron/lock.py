"""Does work under the site's cron lock: nobody else's cron runs meanwhile, for as long as the lock is kept alive.

The lock saves double work, and no more. That nothing is done twice is decided in PostgreSQL: a run is a job, its
steps are fenced by the job's row, and a slot's row can be ended once, by its latest attempt. So when Redis is away
the work is done all the same, and when the lock passes to somebody else in the middle the work stops.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeAlias

from kernel.errors import Unavailable
from kernel.log import get_logger
from kernel.shared.lock import Lock, Locks

log = get_logger(__name__)

LOCK: Final = "cron"

# held: until the end. elsewhere: somebody else had it, and nothing was done. away: there was no Redis to ask, and
# the work was done. lost: somebody else got it in the middle, and the work was stopped.
LockOutcome: TypeAlias = Literal["held", "elsewhere", "away", "lost"]


async def run_locked(
    locks: Locks, work: Callable[[], Awaitable[None]], *, ttl_s: float, heartbeat_s: float
) -> LockOutcome:
    """What became of the lock; errors of the work pass through. A process that dies leaves the lock to run out."""
    try:
        lock = await locks.acquire(LOCK, ttl_s)
    except Unavailable as error:
        log.warning("cron runs without its lock, Redis is away", error=error.detail)
        await work()
        return "away"
    if lock is None:
        return "elsewhere"
    heart = _Heart(locks, lock, ttl_s, heartbeat_s)
    try:
        async with asyncio.timeout(None) as leash:
            beating = asyncio.create_task(heart.beat(leash), name="cron lock")
            try:
                await work()
            finally:
                beating.cancel()
                await asyncio.gather(beating, return_exceptions=True)
    except TimeoutError:
        if not leash.expired():
            raise
        return "lost"
    finally:
        await heart.stop()
    return "held"


class _Heart:
    """Extends the lock while it beats."""

    def __init__(self, locks: Locks, lock: Lock, ttl_s: float, every_s: float) -> None:
        self._locks = locks
        self._lock = lock
        self._ttl_s = ttl_s
        self._every_s = every_s

    async def beat(self, leash: asyncio.Timeout) -> None:
        """Ends by ending the work on the leash, when the lock is somebody else's."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                if await self._locks.extend(self._lock, self._ttl_s):
                    log.debug("cron lock extended", ttl_s=self._ttl_s)
                elif not await self._take_again():
                    log.warning("cron lock lost to another run, this one stops")
                    leash.reschedule(asyncio.get_running_loop().time())
                    return
            except Unavailable as error:
                log.warning("cron lock not extended", error=error.detail)

    async def _take_again(self) -> bool:
        """After it ran out, or Redis was emptied, and nobody has taken it since."""
        lock = await self._locks.acquire(LOCK, self._ttl_s)
        if lock is None:
            return False
        log.warning("cron lock was gone and is taken again")
        self._lock = lock
        return True

    async def stop(self) -> None:
        try:
            await self._locks.release(self._lock)
        except Unavailable as error:
            log.warning("cron lock not given back, it runs out by itself", error=error.detail)
