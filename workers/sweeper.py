"""Sweeps the ledger for ever; of all workers of a site one does each pass."""

import asyncio
from random import SystemRandom

from kernel.db.connect import DISCONNECTED
from kernel.errors import Unavailable
from kernel.ledger.sweep import sweep
from kernel.log import get_logger
from kernel.runtime import Runtime
from kernel.shared.connection import AWAY

log = get_logger(__name__)


async def sweep_for_ever(rt: Runtime) -> None:
    """Outlives PostgreSQL and Redis: a pass that fails is repeated."""
    random = SystemRandom()
    every_s = rt.config.sweep_every_s
    while True:
        more = False
        try:
            if await _take_turn(rt, every_s):
                more = (await sweep(rt.ledger)).was_full
        except (Unavailable, *AWAY, *DISCONNECTED) as error:
            log.warning("sweep failed, the next one repeats it", error=type(error).__name__)
        except (
            Exception
        ):  # the one loop that makes everything else good must not end by a mistake in one pass
            log.exception("sweep failed")
        # Spread, so that the turn goes round and workers that started together do not ask together.
        await asyncio.sleep(0 if more else every_s * random.uniform(0.5, 1.0))


async def _take_turn(rt: Runtime, every_s: float) -> bool:
    """A lock that is never given back but runs out, and so sets the pace for all workers together. Two at
    once, after a flush or in a slow pass, do no harm: every statement of a pass is conditional."""
    key = rt.shared.key("sweeper")
    return bool(await rt.shared.client.set(key, b"", nx=True, px=max(1, int(every_s * 500))))
