"""Asks for cron once a minute, in every worker; the ledger makes one job of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import SystemRandom
from typing import Final

from kernel.context import Context
from kernel.cron.request import build_cron_request
from kernel.db.connect import DISCONNECTED
from kernel.errors import Unavailable
from kernel.ids import uuid7
from kernel.jobs import RUN_CRON
from kernel.ledger.submit import submit_job
from kernel.log import get_logger
from kernel.runtime import Runtime

log = get_logger(__name__)

# Workers that started together do not ask together.
_SPREAD_S: Final = 2.0
_AGAIN_S: Final = 5.0


@asynccontextmanager
async def keep_cron_going(rt: Runtime) -> AsyncIterator[None]:
    """For as long as it is entered."""
    asking = asyncio.create_task(_ask_for_ever(rt), name="cron")
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def ask_for_cron(rt: Runtime) -> float:
    """Submit the job of this minute, unless somebody has; the seconds until the next minute by the database's
    clock."""
    request = await build_cron_request(rt)
    ctx = Context(request_id=str(uuid7()))
    await submit_job(rt.ledger, ctx, RUN_CRON, request.payload, dedupe_key=request.dedupe_key)
    return (request.payload.slot + timedelta(minutes=1) - request.now).total_seconds()


async def _ask_for_ever(rt: Runtime) -> None:
    """Outlives PostgreSQL and Redis."""
    random = SystemRandom()
    while True:
        wait_s = _AGAIN_S
        try:
            wait_s = await ask_for_cron(rt)
        except (Unavailable, *DISCONNECTED) as error:
            log.warning("cron not asked for, trying again", error=type(error).__name__)
        except Exception:  # a mistake in one minute must not end cron for good
            log.exception("cron not asked for")
        await asyncio.sleep(wait_s + random.uniform(0.0, _SPREAD_S))
