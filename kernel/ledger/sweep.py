"""Repeats what a crash, a lost message or a flushed Redis left undone; harmless when done twice at once."""

from dataclasses import dataclass
from typing import Final

from kernel.jobs import JOB_KINDS
from kernel.ledger.ledger import Ledger
from kernel.ledger.limit import LONGEST_TRUST_S, fill_groups
from kernel.ledger.model import JobStatus
from kernel.ledger.store import clear_drop_tags
from kernel.ledger.sweep_store import count_deliveries, list_undropped, return_expired
from kernel.log import get_logger
from kernel.queue import Delivery

log = get_logger(__name__)

_BATCH: Final = 200
_DROP_AFTER_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Swept:
    """How many jobs each part of a pass took up; a full batch means that more are waiting."""

    expired: int
    delivered: int
    dropped: int

    @property
    def was_full(self) -> bool:
        return max(self.expired, self.delivered, self.dropped) >= _BATCH


async def sweep(ledger: Ledger) -> Swept:
    """One pass. Raises Unavailable or what the database raises when one is away; the next pass repeats it."""
    return Swept(
        expired=await _return_expired(ledger),
        delivered=await _deliver_due(ledger) + await fill_groups(ledger),
        dropped=await _drop_forgotten(ledger),
    )


async def _return_expired(ledger: Ledger) -> int:
    kinds = [kind.name for kind in JOB_KINDS.values()]
    async with ledger.db.acquire() as conn:
        rows = await return_expired(conn, kinds, [kind.max_attempts for kind in JOB_KINDS.values()], _BATCH)
    for row in rows:
        status = JobStatus(row["status"])
        log.warning(
            "lease expired",
            job_id=str(row["id"]),
            kind=row["kind"],
            attempt=row["attempts"],
            now=status.value,
        )
        if status is not JobStatus.QUEUED:
            await ledger.tell_waiter(row["id"], status)
    return len(rows)


async def _deliver_due(ledger: Ledger) -> int:
    free = [name for name, kind in JOB_KINDS.items() if kind.at_once is None]
    trust_s = ledger.config.sweep_every_s
    async with ledger.db.acquire() as conn:
        rows = await count_deliveries(conn, free, trust_s, LONGEST_TRUST_S, _BATCH)
    if rows:
        await ledger.queue.put_all(
            [Delivery(row["id"], row["deliveries"], JOB_KINDS[row["kind"]]) for row in rows]
        )
        log.info("jobs delivered again", count=len(rows))
    return len(rows)


async def _drop_forgotten(ledger: Ledger) -> int:
    async with ledger.db.acquire() as conn:
        forgotten = await list_undropped(conn, _DROP_AFTER_S, ledger.config.lease_s, _BATCH)
    if forgotten:
        await ledger.cache.drop({tag for _, tags in forgotten for tag in tags})
        async with ledger.db.acquire() as conn:
            await clear_drop_tags(conn, {job_id: len(tags) for job_id, tags in forgotten})
        log.warning("cache tags of finished jobs dropped late", jobs=len(forgotten))
    return len(forgotten)
