"""The batch whose refused ones another batch tries again: what is asked of it, and whose it must be."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kernel.context import Context
from kernel.errors import Conflict, NotFound
from kernel.jobs import RUN_BATCH
from kernel.ledger.access import may_read
from kernel.ledger.model import Job
from kernel.ledger.store import find_job
from kernel.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Earlier:
    """A batch that is over. `operation` is what it did, `place` where it ended."""

    job: Job
    operation: str
    place: dict[str, Any]


async def get_earlier(rt: Runtime, batch_id: UUID) -> Earlier:
    """Raises NotFound, also for a job of another kind, Conflict while it is not over."""
    async with rt.db.acquire() as conn:
        job = await find_job(conn, batch_id)
    if job is None or job.kind != RUN_BATCH.name:
        raise _unknown(batch_id)
    if not job.is_finished:
        raise Conflict("This batch is not over yet. What it refuses can be tried again when it is.")
    if job.cursor is None:
        raise Conflict("This batch never began, so that nothing of it was refused.")
    return Earlier(job, job.cursor["operation"], job.cursor["place"])


async def get_own_earlier(rt: Runtime, ctx: Context, batch_id: UUID) -> Earlier:
    """One that the actor started; an administrator may go on with anybody's. Raises NotFound and Conflict."""
    earlier = await get_earlier(rt, batch_id)
    if not may_read(ctx, earlier.job):
        raise _unknown(batch_id)
    return earlier


def _unknown(batch_id: UUID) -> NotFound:
    return NotFound(f"There is no batch {batch_id}. Batches are removed some time after they are over.")
