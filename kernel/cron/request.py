"""What everybody submits who wants cron to run now: one job for each minute, however many ask."""

from dataclasses import dataclass
from datetime import datetime

from kernel.cron.schedule import EVERY_MINUTE
from kernel.cron.store import select_now
from kernel.jobs import RunCron
from kernel.runtime import Runtime


@dataclass(frozen=True, slots=True)
class CronRequest:
    """`now` is the database's clock, so that all machines mean the same minute."""

    payload: RunCron
    dedupe_key: str
    now: datetime


async def build_cron_request(rt: Runtime) -> CronRequest:
    async with rt.db.acquire() as conn:
        now = await select_now(conn)
    slot = EVERY_MINUTE.slot_at(now)
    return CronRequest(RunCron(slot), f"cron:{slot.isoformat()}", now)
