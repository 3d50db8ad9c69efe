"""Records a job as a row, then puts it on the queue."""

from uuid import UUID

from kernel.context import Context
from kernel.ids import uuid7
from kernel.jobs import JobKind
from kernel.ledger.ledger import Ledger
from kernel.ledger.payload import encode_payload
from kernel.ledger.store import NewJob, find_job_id, insert_job


async def submit_job(
    ledger: Ledger, ctx: Context, kind: JobKind, payload: object, *, dedupe_key: str | None = None
) -> UUID:
    """The id of the job, or of the earlier one with the same key. Once this returns, the work is not lost.

    Raises BadInput for text that cannot be stored. A Redis that is away only delays the job.
    """
    if not isinstance(payload, kind.payload):
        raise TypeError(f"{kind.name} carries a {kind.payload.__name__}, not a {type(payload).__name__}")
    new = NewJob(uuid7(), kind.name, encode_payload(payload))
    async with ledger.db.acquire() as conn:
        if not await insert_job(conn, new, ctx, dedupe_key):
            earlier = await find_job_id(conn, dedupe_key or "")
            if earlier is None:
                raise LookupError(f"job {new.id} was neither inserted nor found by its dedupe key")
            return earlier
    await ledger.queue.put(new.id, 1, kind.lane)
    return new.id
