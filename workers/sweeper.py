"""Sweeps the ledger for ever; of all workers of a site one does each pass."""

import asyncio
from random import SystemRandom

from kernel.db.connect import DISCONNECTED
from kernel.errors import Unavailable
from kernel.ledger.sweep import sweep
from kernel.log import get_logger
from kernel.runtime import Runtime
from kernel.shared.lock import Locks

log = get_logger(__name__)


async def sweep_for_ever(rt: Runtime) -> None:
    """Outlives PostgreSQL and Redis: a pass that fails is repeated."""
    random = SystemRandom()
    locks = Locks(rt.shared)
    every_s = rt.config.sweep_every_s
    while True:
        try:
            # Not given back but left to run out, so that it sets the pace for all workers together. Two at once,
            # after a flush or in a slow pass, do no harm: every statement of a pass is conditional.
            if await locks.acquire("sweeper", every_s / 2):
                while (await sweep(rt.ledger)).was_full:
                    pass
        except (Unavailable, *DISCONNECTED) as error:
            log.warning("sweep failed, the next one repeats it", error=type(error).__name__)
        except (
            Exception
        ):  # the one loop that makes everything else good must not end by a mistake in one pass
            log.exception("sweep failed")
        # Spread, so that the turn goes round and workers that started together do not ask together.
        await asyncio.sleep(every_s * random.uniform(0.5, 1.0))
