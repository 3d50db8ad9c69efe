"""Limited kinds: only as many jobs of a group are on the queue as may run, so that a flood of one group waits in
PostgreSQL and not before everybody else's work."""

from collections.abc import Mapping
from typing import Final

from kernel.job_kind import JobKind
from kernel.jobs import JOB_KINDS
from kernel.ledger.ledger import Ledger
from kernel.ledger.limit_store import count_next_delivery, count_unfinished, list_groups_with_room
from kernel.queue import Delivery

# A backlog is delivered again ever more rarely, but not more rarely than this.
LONGEST_TRUST_S: Final = 600.0
LIMITS: Final[Mapping[str, int]] = {
    kind.name: kind.at_once for kind in JOB_KINDS.values() if kind.at_once is not None
}


async def has_room(ledger: Ledger, kind: JobKind, group: str) -> bool:
    """Whether a job that was just inserted belongs on the queue now; otherwise the end of another one, or the
    sweeper, puts it there."""
    if kind.at_once is None:
        return True
    async with ledger.db.acquire() as conn:
        return await count_unfinished(conn, kind.name, group, kind.at_once + 1) <= kind.at_once


async def deliver_next(ledger: Ledger, kind: JobKind, group: str, room: int = 1) -> int:
    """Put those of the group on the queue whose turn it is; how many."""
    trust_s = ledger.config.sweep_every_s
    async with ledger.db.acquire() as conn:
        rows = await count_next_delivery(
            conn, kind.name, group, trust_queue_s=trust_s, longest_trust_s=LONGEST_TRUST_S, limit=room
        )
    if rows:
        await ledger.queue.put_all([Delivery(row["id"], row["deliveries"], kind) for row in rows])
    return len(rows)


async def fill_groups(ledger: Ledger) -> int:
    """The sweeper's part: after a crash, or when a time came, nobody else's end starts the next one."""
    async with ledger.db.acquire() as conn:
        groups = await list_groups_with_room(conn, LIMITS) if LIMITS else []
    return sum(
        [await deliver_next(ledger, JOB_KINDS[row["kind"]], row["group_key"], row["room"]) for row in groups]
    )
