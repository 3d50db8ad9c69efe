"""Tries again what a batch refused, as a batch of its own."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.operation import Operation
from kernel.batch.selection import Selection
from kernel.batch.start import start_batch
from kernel.batch.store import count_problems
from kernel.context import Context
from kernel.errors import BadInput, Conflict
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.store import find_job, find_job_id
from kernel.runtime import Runtime

# A batch that was given up goes on when its job is tried again, and may refuse more.
RETRIED_WHEN: Final = frozenset({JobStatus.DONE, JobStatus.CANCELLED})


async def retry_refused(
    rt: Runtime, ctx: Context, operation: Operation, arguments: Mapping[str, Any], job: Job
) -> UUID:
    """The id of the new batch, however often it is asked for until it was cancelled or given up. `arguments` are
    those of the batch that refused, which is `job`.

    Raises BadInput, Conflict, and what `start_batch` raises.
    """
    if not operation.takes_refused:
        raise BadInput(f"What this refused cannot be tried again: {operation.label}.")
    if job.status not in RETRIED_WHEN:
        raise Conflict("This batch has not come to its end. What it refuses can be tried again when it has.")
    async with rt.db.acquire() as conn:
        refused = await count_problems(conn, job.id)
    key, _ = await _follow(rt, job.id)
    if not refused:
        raise BadInput("This batch refused nothing.")
    again = _build_arguments(operation, arguments, job.id, refused)
    return await start_batch(rt, ctx, operation, again, dedupe_key=key)


async def find_retry(rt: Runtime, job_id: UUID) -> Job | None:
    """The batch that tries again, or has tried again, what this one refused."""
    _, retry = await _follow(rt, job_id)
    return retry


async def _follow(rt: Runtime, job_id: UUID) -> tuple[str, Job | None]:
    """The key of the retry that counts, and its job; one that was cancelled or given up makes room for another."""
    key = f"batch-retry:{job_id}"
    async with rt.db.acquire() as conn:
        while (retry_id := await find_job_id(conn, key)) is not None:
            retry = await find_job(conn, retry_id)
            if retry is None or not retry.is_finished or retry.status is JobStatus.DONE:
                return key, retry
            key = f"batch-retry:{job_id}:{retry_id}"
    return key, None


def _build_arguments(
    operation: Operation, arguments: Mapping[str, Any], earlier: UUID, refused: int
) -> object:
    if operation is IMPORT_ITEMS:
        return ImportItems(refused, arguments.get("default_type", ""), earlier)
    return Selection(retry_of=earlier, retried=refused)
