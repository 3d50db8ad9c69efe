"""Everybody's jobs, for those who look after them: what waits, what runs, what gave up."""

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, Final
from uuid import UUID

from quart import Blueprint, Response, request

from kernel.errors import BadInput
from kernel.ids import parse_uuid
from kernel.jobs import RETRY_JOB, RetryJob
from kernel.ledger.access import ADMINISTER_JOBS
from kernel.ledger.lists import JobFilter, JobPage, count_open_jobs, list_jobs
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.user.name import normalise_name
from kernel.user.store import find_user_by_name
from web.entry import read_destination
from web.guard import Submitted, changing_route
from web.job_lists import PAGE_SIZE, answer_list, is_for_script, read_filter
from web.respond import answer_json, redirect_after_change
from web.visit import Visit, current_visit

blueprint = Blueprint("admin_jobs", __name__)

LIST: Final = "/admin/jobs"


@blueprint.get(LIST)
async def show_all_jobs() -> Response:
    return await _show_all(as_json=False)


@blueprint.get(f"{LIST}.json")
async def show_all_jobs_as_json() -> Response:
    return await _show_all(as_json=True)


async def _show_all(*, as_json: bool) -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_JOBS)
    chosen = read_filter(request.args, visit.actor.timezone)
    conn = await visit.conn()
    actor = await find_user_by_name(conn, normalise_name(chosen.actor)) if chosen.actor else None
    wanted = JobFilter(
        statuses=chosen.statuses,
        kind=chosen.kind,
        actor_id=actor.id if actor else None,
        since=chosen.since,
        before=chosen.before,
    )
    is_nobody = bool(chosen.actor) and actor is None
    page = JobPage([], None) if is_nobody else await list_jobs(conn, wanted, PAGE_SIZE)
    counts = {} if is_for_script() else await count_open_jobs(conn)
    return await answer_list(
        visit,
        page,
        path=LIST,
        title="Jobs",
        counts=counts,
        chosen=chosen,
        as_json=as_json,
        is_everybody=True,
    )


def _may_administer(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    visit.require(ADMINISTER_JOBS)


@changing_route(blueprint, f"{LIST}/retry", form_id="jobs_retry", access=_may_administer)
async def retry_listed(submitted: Submitted | None, document: Mapping[str, Any] | None) -> Response:
    """Those that one page of the list shows; each is a job of its own, which checks the right again."""
    visit = current_visit()
    ids = _read_ids(
        document.get("jobs") if submitted is None and document else (submitted or {}).get("job", [])
    )
    await visit.release()
    retried, refused, waiting = await _retry_each(visit, ids)
    text = _tell_retried(retried, refused, waiting)
    if document is not None:
        numbers = {"retried": retried, "refused": refused, "waiting": waiting}
        return answer_json({"message": text, **numbers}, 202 if waiting else 200)
    if visit.session is not None:
        kind = "warning" if refused else "info" if waiting else "success"
        await visit.sessions.add_flash(visit.session, kind, text)
    return redirect_after_change(read_destination(request.args.get("destination", "") or LIST))


async def _retry_each(visit: Visit, ids: Sequence[UUID]) -> tuple[int, int, int]:
    """How many are tried again, how many were left alone, and how many no worker has looked at so far."""
    ledger = visit.rt.ledger
    asked = [await submit_job(ledger, visit.ctx, RETRY_JOB, RetryJob(job_id)) for job_id in ids]
    deadline = monotonic() + visit.rt.config.save_wait_s
    jobs = [await wait_for_job(ledger, job_id, max(0.0, deadline - monotonic())) for job_id in asked]
    waiting = sum(not job.is_finished for job in jobs)
    retried = sum((job.result or {}).get("outcome") == "done" for job in jobs)
    return retried, len(jobs) - retried - waiting, waiting


def _tell_retried(retried: int, refused: int, waiting: int) -> str:
    parts = []
    if retried:
        parts.append(f"{_count(retried)} tried again.")
    if waiting:
        parts.append(f"{_count(waiting)} looked at as soon as a worker is free.")
    if refused:
        parts.append(
            f"{_count(refused)} left alone: not there any more, or neither failed nor given up by now."
        )
    return " ".join(parts)


def _count(number: int) -> str:
    return f"{number} job{' is' if number == 1 else 's are'}"


def _read_ids(sent: object) -> list[UUID]:
    """Raises BadInput."""
    texts = sent if isinstance(sent, list) else []
    ids = [job_id for text in texts if isinstance(text, str) and (job_id := parse_uuid(text)) is not None]
    if not ids or len(ids) != len(texts) or len(ids) > PAGE_SIZE:
        raise BadInput(f"Name the jobs by their ids, {PAGE_SIZE} at most.")
    return ids
