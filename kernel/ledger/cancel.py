"""Cancels a job that is not over yet, and gives one that failed another chance."""

from uuid import UUID

from kernel.jobs import JOB_KINDS
from kernel.ledger.ledger import JOB_CANCELLED, Ledger
from kernel.ledger.model import JobStatus
from kernel.ledger.store import request_cancel, requeue_finished


async def cancel_job(ledger: Ledger, job_id: UUID) -> bool:
    """False when it is too late. A running job stops at once, a waiting one is marked when a worker meets it.

    Who may do this is the caller's question.
    """
    async with ledger.db.acquire() as conn:
        job = await request_cancel(conn, job_id)
    if job is None:
        return False
    if job.status is JobStatus.RUNNING:
        await ledger.bus.publish(JOB_CANCELLED, {"id": str(job.id)})
    elif job.kind in JOB_KINDS:
        # A job that waits for its time, or whose delivery was lost, is marked now and not then.
        await ledger.queue.put(job.id, job.deliveries, JOB_KINDS[job.kind])
    return True


async def retry_job(ledger: Ledger, job_id: UUID) -> bool:
    """One more attempt at a failed or dead job, as the worker role. False when it is neither."""
    async with ledger.db.acquire() as conn:
        job = await requeue_finished(conn, job_id, ledger.config.sweep_every_s)
    if job is None:
        return False
    if job.kind in JOB_KINDS:
        await ledger.queue.put(job.id, job.deliveries, JOB_KINDS[job.kind])
    return True
