"""The address with which a scheduler outside the site starts cron."""

from typing import Any, Final

from quart import Blueprint, Response, g

from kernel.context import Context
from kernel.cron.key import is_cron_key
from kernel.cron.request import CronRequest, build_cron_request
from kernel.jobs import RUN_CRON
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.wait import submit_and_wait
from kernel.runtime import Runtime
from web.guard import keyed_route
from web.respond import NO_STORE, answer_json

blueprint = Blueprint("cron", __name__)

STATUSES: Final = {"under-way": 202, "failed": 503}


@keyed_route(blueprint, "/cron", is_key=is_cron_key)
async def run_by_key(rt: Runtime) -> Response:
    """Safe to be called at any time and any number of times: a minute has one job, and a slot is done once."""
    request = await build_cron_request(rt)
    job = await submit_and_wait(
        rt.ledger,
        Context(request_id=g.request_id),
        RUN_CRON,
        request.payload,
        timeout_s=rt.config.save_wait_s,
        dedupe_key=request.dedupe_key,
    )
    data = _describe(job, request)
    return answer_json(data, STATUSES.get(data["outcome"], 200), NO_STORE)


def _describe(job: Job, request: CronRequest) -> dict[str, Any]:
    """`outcome`: ran, already (by an earlier request in this minute), skipped (another run held the lock), under-way or
    failed."""
    result = job.result or {}
    if not job.is_finished:
        outcome = "under-way"
    elif job.status is not JobStatus.DONE:
        outcome = "failed"
    elif result["outcome"] != "done":
        outcome = "skipped"
    else:
        outcome = "already" if job.created < request.now else "ran"
    return {
        "outcome": outcome,
        "job": str(job.id),
        "slot": request.payload.slot.isoformat(),
        "tasks": [
            {name: task[name] for name in ("task", "slot", "status", "ms", "missed")}
            for task in result.get("tasks", [])
        ],
    }
