"""Has a job tried again for somebody, once their right to ask for it has been looked at again."""

from kernel.jobs import JOB_KINDS, RetryJob
from kernel.ledger.access import may_oversee
from kernel.ledger.run import JobRun
from kernel.ledger.store import find_job, requeue_finished
from kernel.runtime import Runtime
from kernel.user.load import load_again


async def run_retry_job(rt: Runtime, run: JobRun) -> None:
    """The work of a `retry_job` job. One that waits, runs or is done is left as it is."""
    payload: RetryJob = run.payload
    ctx = run.ctx.acting_as(await load_again(rt, run.ctx.actor))
    async with run.finish() as finish:
        job = await find_job(finish.conn, payload.job_id)
        if job is None or not may_oversee(ctx, job):
            finish.result = {"outcome": "forbidden", "message": "There is no such job."}
            return
        again = await requeue_finished(finish.conn, job.id, rt.config.sweep_every_s)
        finish.result = (
            {"outcome": "done"}
            if again is not None
            else {"outcome": "conflict", "message": f"This job is {job.status} and cannot be tried again."}
        )
    if again is not None and again.kind in JOB_KINDS:
        await rt.ledger.queue.put(again.id, again.deliveries, JOB_KINDS[again.kind])
