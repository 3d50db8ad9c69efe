"""The page of one job: live progress that ends on the result."""

from typing import Any, Final

from quart import Blueprint, Response

from kernel.errors import NotFound
from kernel.ids import parse_uuid
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.store import find_job
from web.respond import answer_json, redirect_after_change, show_page
from web.visit import Visit, current_visit

blueprint = Blueprint("jobs", __name__)

# What people call the work, for the title of its page.
TITLES: Final = {
    "save_item": "Saving",
    "delete_item": "Deleting",
    "set_password": "Changing the password",
}


async def load_job(visit: Visit, text: str) -> Job:
    """Raises NotFound for everybody but the actor, the session that asked, and administrators."""
    job_id = parse_uuid(text)
    job = await find_job(await visit.conn(), job_id) if job_id else None
    if job is None or not _may_read(visit, job):
        raise NotFound("There is no such job.")
    return job


def _may_read(visit: Visit, job: Job) -> bool:
    if visit.actor.is_admin:
        return True
    if not visit.actor.is_anonymous:
        return job.actor_id == visit.actor.id
    return job.session_key is not None and job.session_key == visit.ctx.session_key


@blueprint.get("/job/<job_id>")
async def show_job(job_id: str) -> Response:
    visit = current_visit()
    job = await load_job(visit, job_id)
    data = describe_job(job)
    if job.status is JobStatus.DONE and data["path"]:
        if visit.session is not None and data["message"]:
            await visit.sessions.add_flash(visit.session, "success", data["message"])
        return redirect_after_change(data["path"])
    return await show_page("job.html", title=data["title"], job=data)


@blueprint.get("/job/<job_id>.json")
async def show_job_state(job_id: str) -> Response:
    visit = current_visit()
    response = answer_json(describe_job(await load_job(visit, job_id)))
    response.headers["Cache-Control"] = "no-store"
    return response


def describe_job(job: Job) -> dict[str, Any]:
    """What its page and its JSON show: never the payload, which may hold content that the reader may not see."""
    result = job.result or {}
    problems = list(result.get("problems", {}).values())
    succeeded = job.status is JobStatus.DONE and result.get("outcome") in ("saved", "deleted", "done")
    title = TITLES.get(job.kind, job.kind.replace("_", " ").capitalize())
    if result.get("title"):
        title = f"{title} “{result['title']}”"
    return {
        "id": str(job.id),
        "kind": job.kind,
        "title": title,
        "status": str(job.status),
        "is_finished": job.is_finished,
        "succeeded": succeeded,
        "attempts": job.attempts,
        "done": job.progress_done,
        "total": job.progress_total,
        "note": job.progress_note,
        "path": result.get("path", "") if succeeded else "",
        "message": _message(result) if succeeded else "",
        "problems": problems or ([result["message"]] if result.get("message") and not succeeded else []),
        "error": (job.error or {}).get("message", "") if job.is_finished and not succeeded else "",
    }


def _message(result: dict[str, Any]) -> str:
    verb = {"saved": "saved", "deleted": "deleted"}.get(result["outcome"])
    return f"“{result['title']}” was {verb}." if verb and result.get("title") else ""
