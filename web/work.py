"""Asks the workers for a change and waits a moment for its outcome."""

from time import perf_counter
from typing import Any
from uuid import UUID

from quart import Response

from kernel.errors import Unavailable
from kernel.job_kind import JobKind
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.outcome import find_refusal
from kernel.ledger.wait import submit_and_wait as ledger_submit_and_wait
from kernel.ledger.wait import wait_for_job
from kernel.profile import note_time
from web.respond import answer_json, redirect_after_change
from web.visit import Visit


async def submit_and_wait(visit: Visit, kind: JobKind, payload: object, dedupe_key: str | None) -> Job:
    """The job as it stands after `save_wait_s` at most. The page's snapshot is given back first: it would show the
    state before the change, and hold a connection while nothing is read."""
    await visit.release()
    started = perf_counter()
    try:
        return await ledger_submit_and_wait(
            visit.rt.ledger,
            visit.ctx,
            kind,
            payload,
            timeout_s=visit.rt.config.save_wait_s,
            dedupe_key=dedupe_key,
        )
    finally:
        note_time("job", perf_counter() - started)


async def wait_for_change(visit: Visit, job_id: UUID) -> Job:
    """As `submit_and_wait`, for a job that was submitted another way."""
    return await wait_for_job(visit.rt.ledger, job_id, visit.rt.config.save_wait_s)


def answer_unfinished(job: Job, *, as_json: bool) -> Response:
    """Slower than people wait without a word: they get the job's page, programs its address."""
    if as_json:
        path = f"/job/{job.id}"
        return answer_json({"job": {"id": str(job.id), "path": path}}, 202, {"Location": path})
    return redirect_after_change(f"/job/{job.id}")


def read_result(job: Job) -> dict[str, Any]:
    """The result of a finished job. Raises Unavailable when the work itself failed."""
    if job.status is not JobStatus.DONE or job.result is None:
        raise Unavailable(
            f"This could not be saved. Nothing was changed; the reason is kept with job {job.id}.",
            detail=str(job.error),
        )
    return job.result


def raise_refusal(result: dict[str, Any]) -> None:
    """Raises Invalid, Conflict or Forbidden when that is what came of the job."""
    error = find_refusal(result)
    if error is not None:
        raise error
