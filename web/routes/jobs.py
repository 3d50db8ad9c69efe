"""The page of one job, live until it ends on the result, and the list of somebody's own jobs."""

from collections.abc import Mapping
from typing import Any, Final

from quart import Blueprint, Response, request

from kernel.errors import NotFound
from kernel.ids import parse_uuid
from kernel.jobs import RETRY_JOB, RetryJob
from kernel.ledger.access import may_oversee
from kernel.ledger.cancel import cancel_job
from kernel.ledger.lists import JobFilter, count_own_jobs, list_jobs
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.store import find_job
from kernel.ledger.wait import wait_for_job
from web.entry import read_destination
from web.guard import Submitted, anybody, changing_route
from web.job_lists import PAGE_SIZE, answer_list, is_for_script, read_filter
from web.job_view import PAGES, describe_job, show_payload
from web.live import stream_job
from web.respond import NO_STORE, answer_json, redirect_after_change, show_page
from web.visit import Visit, current_visit
from web.work import submit_and_wait

blueprint = Blueprint("jobs", __name__)

LIST: Final = "/jobs"
CANCEL_FORM: Final = "job_cancel"
RETRY_FORM: Final = "job_retry"

# How long a page waits for a running job to notice that it was cancelled.
CANCEL_WAIT_S: Final = 1.0


async def load_job(visit: Visit, text: str) -> Job:
    """Raises NotFound for everybody but its own people and those who look after everybody's jobs."""
    job_id = parse_uuid(text)
    job = await find_job(await visit.conn(), job_id) if job_id else None
    if job is None or not may_oversee(visit.ctx, job):
        raise NotFound("There is no such job.")
    return job


@blueprint.get("/job/<job_id>")
async def show_job(job_id: str) -> Response:
    visit = current_visit()
    job = await load_job(visit, job_id)
    if job.kind in PAGES:
        return Response("", 307, {"Location": PAGES[job.kind].format(id=job.id), **NO_STORE})
    data = describe_job(visit.ctx, job)
    # Who comes from a list wants to read about the job; who waited for it, to see what it made.
    if job.status is JobStatus.DONE and data["path"] and "details" not in request.args:
        if visit.session is not None and data["message"]:
            await visit.sessions.add_flash(visit.session, "success", data["message"])
        return redirect_after_change(data["path"])
    return await show_page(
        "job.html",
        title=data["title"],
        job=data,
        payload=show_payload(visit.ctx, job),
        request_of=job.request_id,
    )


@blueprint.get("/job/<job_id>.json")
async def show_job_state(job_id: str) -> Response:
    visit = current_visit()
    data = describe_job(visit.ctx, await load_job(visit, job_id))
    return answer_json(data, headers=NO_STORE)


@blueprint.get("/job/<job_id>/events")
async def follow_job_live(job_id: str) -> Response:
    visit = current_visit()
    return await stream_job(visit, await load_job(visit, job_id), describe_job)


@changing_route(blueprint, "/job/<job_id>/cancel", form_id=CANCEL_FORM, access=anybody)
async def cancel(job_id: str, submitted: Submitted | None, document: Mapping[str, Any] | None) -> Response:
    visit = current_visit()
    job = await load_job(visit, job_id)
    await visit.release()
    ledger = visit.rt.ledger
    was_open = await cancel_job(ledger, job.id)
    now = await wait_for_job(ledger, job.id, CANCEL_WAIT_S) if was_open else await _look(visit, job)
    if now.status is JobStatus.CANCELLED:
        kind, text = "success", "The job was cancelled."
    elif not now.is_finished:
        kind, text = "info", "The job is being cancelled."
    else:
        kind, text = "warning", "It was too late to cancel: the job was over already."
    return await _answer_change(visit, now, kind, text, is_form=document is None)


@changing_route(blueprint, "/job/<job_id>/retry", form_id=RETRY_FORM, access=anybody)
async def retry(job_id: str, submitted: Submitted | None, document: Mapping[str, Any] | None) -> Response:
    visit = current_visit()
    job = await load_job(visit, job_id)
    asked = await submit_and_wait(visit, RETRY_JOB, RetryJob(job.id), None)
    result = asked.result or {}
    if not asked.is_finished:
        kind, text = "info", "The job will be tried again as soon as a worker is free."
    elif asked.status is JobStatus.DONE and result.get("outcome") == "done":
        kind, text = "success", "The job is tried again."
    else:
        kind, text = "warning", result.get("message") or "The job could not be tried again."
    return await _answer_change(visit, await _look(visit, job), kind, text, is_form=document is None)


async def _look(visit: Visit, job: Job) -> Job:
    """As it stands now. It was there a moment ago; one that is pruned meanwhile is shown as it was."""
    async with visit.rt.db.acquire() as conn:
        return await find_job(conn, job.id) or job


async def _answer_change(visit: Visit, job: Job, kind: str, text: str, *, is_form: bool) -> Response:
    """A form goes back to where its button was, with a word about what happened; a program gets the job."""
    if not is_form:
        return answer_json({"message": text, "job": describe_job(visit.ctx, job)})
    if visit.session is not None:
        await visit.sessions.add_flash(visit.session, kind, text)
    back = request.args.get("destination", "")
    return redirect_after_change(read_destination(back) if back else f"/job/{job.id}?details=1")


@blueprint.get(LIST)
async def show_own_jobs() -> Response:
    return await _show_own(as_json=False)


@blueprint.get(f"{LIST}.json")
async def show_own_jobs_as_json() -> Response:
    return await _show_own(as_json=True)


async def _show_own(*, as_json: bool) -> Response:
    visit = current_visit()
    ctx = visit.ctx
    chosen = read_filter(request.args, visit.actor.timezone)
    session_key = (ctx.session_key or "") if ctx.actor.is_anonymous else None
    own = JobFilter(
        statuses=chosen.statuses,
        kind=chosen.kind,
        actor_id=ctx.actor.id,
        session_key=session_key,
        since=chosen.since,
        before=chosen.before,
        is_started_by_hand=True,
    )
    conn = await visit.conn()
    page = await list_jobs(conn, own, PAGE_SIZE)
    counts = {} if is_for_script() else await count_own_jobs(conn, ctx.actor.id, session_key)
    return await answer_list(
        visit, page, path=LIST, title="My jobs", counts=counts, chosen=chosen, as_json=as_json
    )
