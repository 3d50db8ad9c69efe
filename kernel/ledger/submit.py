"""Records a job as a row, then puts it on the queue."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from kernel.context import Context
from kernel.db.pool import Connection
from kernel.ids import uuid7
from kernel.job_kind import JobKind
from kernel.ledger.ledger import Ledger
from kernel.ledger.limit import has_room
from kernel.ledger.payload import encode_payload
from kernel.ledger.store import NewJob, find_job_id, insert_job


async def submit_job(
    ledger: Ledger,
    ctx: Context,
    kind: JobKind,
    payload: object,
    *,
    dedupe_key: str | None = None,
    run_at: datetime | None = None,
    group: str = "",
    also: Callable[[Connection, UUID], Awaitable[None]] | None = None,
) -> UUID:
    """The id of the job, or of the earlier one with the same key. Once this returns, the work is not lost.

    It waits until `run_at`. `group` names whose share of a limited kind it uses. `also` writes what belongs to the
    job, given its id, in the transaction that inserts it. Raises BadInput for text that cannot be stored. A Redis
    that is away only delays the job.
    """
    if not isinstance(payload, kind.payload):
        raise TypeError(f"{kind.name} carries a {kind.payload.__name__}, not a {type(payload).__name__}")
    new = NewJob(uuid7(), kind, encode_payload(payload), group, run_at)
    if also is None:
        async with ledger.db.acquire() as conn:
            inserted = await insert_job(conn, new, ctx, dedupe_key)
    else:
        async with ledger.db.transaction() as tx:
            inserted = await insert_job(tx.conn, new, ctx, dedupe_key)
            if inserted:
                await also(tx.conn, new.id)
    if not inserted:
        return await _find_earlier(ledger, dedupe_key or "")
    if run_at is None and await has_room(ledger, kind, group):
        await ledger.queue.put(new.id, 1, kind)
    return new.id


async def _find_earlier(ledger: Ledger, dedupe_key: str) -> UUID:
    async with ledger.db.acquire() as conn:
        earlier = await find_job_id(conn, dedupe_key)
    if earlier is None:
        raise LookupError("a job was neither inserted nor found by its dedupe key")
    return earlier
