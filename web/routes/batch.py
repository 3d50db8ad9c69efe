"""The page of a batch: live while it goes on, afterwards what became of it, what was refused, and the downloads."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from uuid import UUID

from quart import Blueprint, Response, request

from kernel.batch.download import read_output, read_refused
from kernel.batch.retry import find_retry, retry_refused
from kernel.batch.store import list_problem_heads, measure_output
from kernel.errors import BadInput, Conflict, Forbidden, NotFound
from kernel.ids import parse_uuid
from kernel.item.decide import list_allowed
from kernel.item.store import select_items
from kernel.item_type.load import list_type_labels
from kernel.jobs import RUN_BATCH
from kernel.ledger.access import may_oversee, may_read
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.store import find_job
from web.batch_view import (
    describe_batch,
    describe_problems,
    describe_status,
    describe_subject,
    read_work,
    show_size,
)
from web.guard import Submitted, anybody, changing_route
from web.live import stream_job
from web.respond import NO_STORE, answer_json, redirect_after_change, show_page
from web.routes.jobs import load_job
from web.visit import Visit, current_visit

blueprint = Blueprint("batch", __name__)

PATH: Final = "/batch/<job_id>"
RETRY_FORM: Final = "batch_retry"
# Refused ones on one page.
PAGE_SIZE: Final = 50
LINES_TYPE: Final = "application/x-ndjson; charset=utf-8"


async def load_batch(visit: Visit, text: str) -> Job:
    """Raises NotFound for those who may not see its job."""
    job = await load_job(visit, text)
    if job.kind != RUN_BATCH.name:
        raise NotFound("There is no such batch.")
    return job


@blueprint.get(PATH)
async def show_batch(job_id: str) -> Response:
    visit = current_visit()
    job = await load_batch(visit, job_id)
    data = describe_batch(visit.ctx, job)
    is_open = _is_reader(visit, job)
    after = _read_after(request.args.get("after", "0"))
    rows, next_after = await _list_refused(visit, job, after) if is_open and data["refused"] else ([], 0)
    if request.args.get("part") == "refused":
        return _answer_refused(visit, batch=data, problems=rows, after=after, next_after=next_after)
    work = read_work(job)
    # Who holds a connection must not wait for another one.
    await visit.release()
    types = await list_type_labels(visit.rt, visit.ctx)
    retry = await find_retry(visit.rt, job.id) if data["refused"] else None
    has_output = is_open and data["operation"] == "export_items" and job.status is JobStatus.DONE
    _, output_bytes = await measure_output(await visit.conn(), job.id) if has_output else (0, 0)
    return await show_page(
        "batch.html",
        title=data["title"],
        breadcrumbs=[("My jobs", "/jobs")],
        batch=data,
        is_open=is_open,
        subject=describe_subject(work, types) if is_open and work.operation else "",
        earlier=str(work.arguments.get("retry_of") or "") if is_open else "",
        retried_at=f"/batch/{retry.id}" if retry is not None and may_oversee(visit.ctx, retry) else "",
        problems=rows,
        after=after,
        next_after=next_after,
        output_size=show_size(output_bytes),
        has_output=output_bytes > 0,
        request_of=job.request_id,
    )


def _answer_refused(visit: Visit, **variables: Any) -> Response:
    """For the page's own script, while the batch goes on."""
    html = visit.rt.renderer.render("batch_refused.html", **variables)
    return Response(html, headers=NO_STORE, content_type="text/html; charset=utf-8")


async def _list_refused(visit: Visit, job: Job, after: int) -> tuple[list[dict[str, Any]], int]:
    """One page of them, and the number behind which the next one begins; 0 when there is none."""
    conn = await visit.conn()
    problems = await list_problem_heads(conn, job.id, after, PAGE_SIZE + 1)
    next_after = problems[PAGE_SIZE - 1].number if len(problems) > PAGE_SIZE else 0
    shown = problems[:PAGE_SIZE]
    ids = [item_id for problem in shown if (item_id := parse_uuid(problem.ref)) is not None]
    found = await list_allowed(await visit.scope(), await select_items(conn, ids), "view") if ids else []
    return describe_problems(shown, {str(item.id): item for item in found}), next_after


def _read_after(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadInput("The list cannot go on there. Start again at its first page.")
    return int(text)


@blueprint.get(f"{PATH}/status")
async def show_batch_status(job_id: str) -> Response:
    visit = current_visit()
    return answer_json(describe_status(visit.ctx, await load_batch(visit, job_id)), headers=NO_STORE)


@blueprint.get(f"{PATH}/events")
async def follow_batch_live(job_id: str) -> Response:
    visit = current_visit()
    return await stream_job(visit, await load_batch(visit, job_id), describe_batch)


@changing_route(blueprint, f"{PATH}/retry", form_id=RETRY_FORM, access=anybody)
async def retry_batch(
    job_id: str, submitted: Submitted | None, document: Mapping[str, Any] | None
) -> Response:
    """A batch of its own with what this one refused; pressing again leads to the same one."""
    visit = current_visit()
    job = await load_batch(visit, job_id)
    _require_reader(visit, job)
    work = read_work(job)
    if work.operation is None:
        raise BadInput("This batch refused nothing.")
    await visit.release()
    again = await retry_refused(visit.rt, visit.ctx, work.operation, work.arguments, job)
    async with visit.rt.db.acquire() as conn:
        started = await find_job(conn, again)
    if started is None or not may_oversee(visit.ctx, started):
        raise Conflict("Somebody else has these tried again already.")
    return answer_started(again, as_json=document is not None)


def answer_started(job_id: UUID, *, as_json: bool) -> Response:
    """Where the batch is followed."""
    path = f"/batch/{job_id}"
    if as_json:
        data = {"batch": {"id": str(job_id), "path": path, "status": f"{path}/status"}}
        return answer_json(data, 202, {"Location": path})
    return redirect_after_change(path)


# Downloads --------------------------------------------------------------------------------------------------


@blueprint.get(f"{PATH}/refused.jsonl")
async def download_refused(job_id: str) -> Response:
    """A line for each that was refused, with what is wrong with it; mended, it can be imported."""
    visit = current_visit()
    job = await load_batch(visit, job_id)
    _require_reader(visit, job)
    if not describe_batch(visit.ctx, job)["refused"]:
        raise NotFound("Nothing was refused.")
    return await _send(visit, f"refused-{job.id}.jsonl", read_refused(visit.rt, job.id))


@blueprint.get(f"{PATH}/items.jsonl")
async def download_items(job_id: str) -> Response:
    """What an export has written."""
    visit = current_visit()
    job = await load_batch(visit, job_id)
    _require_reader(visit, job)
    work = read_work(job)
    if work.operation is None or work.operation.name != "export_items":
        raise NotFound("This batch leaves nothing to download.")
    if job.status is not JobStatus.DONE:
        raise Conflict(
            "The export did not come to its end." if job.is_finished else "The export is not ready yet."
        )
    chunks, size = await measure_output(await visit.conn(), job.id)
    name = f"items-{job.created:%Y-%m-%d-%H%M}.jsonl"
    return await _send(visit, name, read_output(visit.rt, job.id, chunks), size)


def _is_reader(visit: Visit, job: Job) -> bool:
    """Who may see how far the job is may not know what it is about, nor who may not do the like any more."""
    operation = read_work(job).operation
    return may_read(visit.ctx, job) and (operation is None or visit.actor.may(operation.permission))


def _require_reader(visit: Visit, job: Job) -> None:
    """Raises Forbidden."""
    if not _is_reader(visit, job):
        raise Forbidden("You may not see what this batch is about.")


async def _send(visit: Visit, name: str, content: AsyncIterator[bytes], size: int | None = None) -> Response:
    """Piece by piece: neither the file nor a connection is held while a slow reader takes his time."""
    await visit.release()
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **NO_STORE}
    if size is not None:
        headers["Content-Length"] = str(size)
    response = Response(content, headers=headers, content_type=LINES_TYPE)
    response.timeout = None
    return response
