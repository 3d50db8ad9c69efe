"""What runs by itself and when, how it went the last time, and a button to run it now."""

from collections.abc import Mapping
from typing import Any, Final

from quart import Blueprint, Response

from kernel.cron.key import find_cron_key
from kernel.cron.store import list_latest_runs, list_pasts, list_runs, select_now, select_state
from kernel.cron.task import Task
from kernel.cron.tasks import list_tasks
from kernel.errors import BadInput, NotFound
from kernel.jobs import NEW_CRON_KEY, RUN_CRON, NewCronKey, RunCron
from kernel.ledger.model import Job
from kernel.setting.access import ADMINISTER_SITE
from web.cron_view import describe_alarm, describe_run, describe_tasks
from web.guard import Submitted, changing_route
from web.respond import answer_json, redirect_after_change, show_page
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("admin_cron", __name__)

PATH: Final = "/admin/cron"
HISTORY: Final = 100


def _may_administer(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    visit.require(ADMINISTER_SITE)


@blueprint.get(PATH)
async def show_cron() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_SITE)
    rt = visit.rt
    tasks = await list_tasks(rt)
    await visit.need_session()
    conn = await visit.conn()
    state = await select_state(conn)
    pasts = await list_pasts(conn, [(task.name, task.schedule.slot_at(state.now)) for task in tasks])
    latest = await list_latest_runs(conn, [task.name for task in tasks])
    key = await find_cron_key(rt)
    return await show_page(
        "admin/cron.html",
        title="Cron",
        rows=describe_tasks(tasks, pasts, latest, state.now),
        last_run=state.last_run,
        alarm=describe_alarm(state, rt.config.cron.late_s),
        address=f"{rt.config.public_url}/cron/{key}" if key else "",
        is_key_configured=bool(rt.config.cron.key),
    )


@blueprint.get(f"{PATH}/<name>")
async def show_task(name: str) -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_SITE)
    task = await _find_task(visit, name)
    runs = await list_runs(await visit.conn(), name, HISTORY)
    if task is None and not runs:
        raise NotFound("Cron has no such task.")
    await visit.need_session()
    return await show_page(
        "admin/cron_task.html",
        title=task.label if task else name,
        breadcrumbs=[("Cron", PATH)],
        name=name,
        schedule=task.schedule.describe() if task else "",
        runs=[describe_run(run, task) for run in runs],
        is_capped=len(runs) == HISTORY,
    )


@changing_route(blueprint, f"{PATH}/run", form_id="cron_run", access=_may_administer)
async def run_task(submitted: Submitted | None, document: Mapping[str, Any] | None) -> Response:
    """Now, whether it is due or not; pressing twice within a second is one run."""
    visit = current_visit()
    name = document.get("task") if submitted is None and document else (submitted or {}).get("task", [""])[-1]
    task = await _find_task(visit, name) if isinstance(name, str) else None
    if task is None:
        raise BadInput("`task` must name a task of cron.")
    slot = (await select_now(await visit.conn())).replace(microsecond=0)
    key = f"cron:{task.name}:{slot.isoformat()}"
    job = await submit_and_wait(visit, RUN_CRON, RunCron(slot, task.name), key)
    if not job.is_finished:
        return answer_unfinished(job, as_json=document is not None)
    kind, text = _tell(job, task)
    if document is not None:
        return answer_json({"message": text, "tasks": read_result(job)["tasks"]})
    return await _go_back(visit, kind, text)


@changing_route(blueprint, f"{PATH}/key", form_id="cron_key", access=_may_administer)
async def make_new_key(submitted: Submitted | None, document: Mapping[str, Any] | None) -> Response:
    visit = current_visit()
    if visit.rt.config.cron.key:
        raise BadInput("The key is set by CRON_KEY; change it there.")
    job = await submit_and_wait(visit, NEW_CRON_KEY, NewCronKey(), None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=submitted is None)
    raise_refusal(read_result(job))
    text = "There is a new key. The old address does not work any more."
    if document is not None:
        return answer_json({"message": text})
    return await _go_back(visit, "success", text)


async def _find_task(visit: Visit, name: str) -> Task | None:
    return next((task for task in await list_tasks(visit.rt) if task.name == name), None)


def _tell(job: Job, task: Task) -> tuple[str, str]:
    """The kind and text of the message. Raises Unavailable when the job itself failed."""
    result = read_result(job)
    told = next((entry for entry in result["tasks"] if entry["task"] == task.name), None)
    if told is None:
        return "warning", "Another run of cron was under way, so nothing was done. Try again in a moment."
    if told["status"] == "failed":
        return "error", f"“{task.label}” failed: {told['error']}"
    note = f": {told['note']}" if told["note"] else ""
    return "success", f"“{task.label}” was run{note}."


async def _go_back(visit: Visit, kind: str, text: str) -> Response:
    if visit.session is not None:
        await visit.sessions.add_flash(visit.session, kind, text)
    return redirect_after_change(PATH)
