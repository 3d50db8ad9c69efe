"""Has a command do its work by the job that the pages submit for the same, also where no worker runs."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from kernel.context import Context
from kernel.errors import Unavailable
from kernel.ids import uuid7
from kernel.job_kind import JobKind
from kernel.ledger.attempt import Attempts
from kernel.ledger.model import JobStatus
from kernel.ledger.outcome import find_refusal
from kernel.ledger.run import JobRun
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.runtime import Runtime
from kernel.user.load import OPERATOR

# How long a worker may take who was faster than this command.
WAIT_S: Final = 10.0


async def do_own_job(
    rt: Runtime,
    kind: JobKind,
    payload: object,
    work: Callable[[Runtime, JobRun], Coroutine[Any, Any, None]],
) -> dict[str, Any]:
    """Its result; who did it is the command line. Raises Invalid, Conflict, Forbidden, Unavailable."""
    ctx = Context(actor=OPERATOR, request_id=str(uuid7()))
    job_id = await submit_job(rt.ledger, ctx, kind, payload)
    await Attempts(rt.ledger, {kind.name: (kind, partial(work, rt))}).make(job_id)
    job = await wait_for_job(rt.ledger, job_id, WAIT_S)
    if not job.is_finished:
        raise Unavailable(f"This is not done yet, and is tried again. Look at it: trovato jobs show {job_id}")
    if job.status is not JobStatus.DONE or job.result is None:
        raise Unavailable(f"Nothing was changed; the reason is kept with job {job_id}.")
    refusal = find_refusal(job.result)
    if refusal is not None:
        raise refusal
    return job.result
