"""What is shown of a job, and to whom: never its payload in lists and JSON, and titles only to its own people."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from kernel.batch.operations import find_operation
from kernel.clock import now
from kernel.context import Context
from kernel.jobs import WORK_PLUGIN_QUEUE
from kernel.ledger.access import may_oversee, may_read
from kernel.ledger.lists import JobLine
from kernel.ledger.model import UNFINISHED, Job, JobStatus

# What people call the work, for lists and the title of its page.
TITLES: Final = {
    "save_item": "Saving",
    "delete_item": "Deleting",
    "set_password": "Changing the password",
    "enable_second_factor": "Turning on the second factor",
    "disable_second_factor": "Turning off the second factor",
    "reset_second_factor": "Turning off the second factor of somebody",
    "replace_recovery_codes": "Making new recovery codes",
    "spend_recovery_code": "Crossing out a recovery code",
    "note_code_use": "Noting that a code was used",
    "send_mail": "Sending a mail",
    "mail_password_reset": "Mailing a link for a new password",
    "register": "Mailing a link for an account",
    "confirm_registration": "Making the account",
    "decide_registration": "Deciding about an account",
    "set_registration": "Changing who may register",
    "change_mail": "Mailing a link to another address",
    "confirm_mail": "Changing the address",
    "index_item": "Indexing for search",
    "run_form_taps": "Telling the plugins of a form",
    "run_item_taps": "Telling the plugins",
    "record_login": "Noting a login",
    "note_login_failure": "Noting a login that failed",
    "note_login_link": "Noting a login link",
    "set_rate_limits": "Changing the limits",
    "set_maintenance": "Closing or opening the site",
    "retry_job": "Trying a job again",
    "run_cron": "Cron",
    "new_cron_key": "Changing the key of cron",
    "run_batch": "Work on many items",
    "work_plugin_queue": "Work for later",
    "apply_plugin_writes": "Writing for plugins",
    "change_plugin": "Changing the plugin",
    "set_plugin_settings": "Setting up the plugin",
    "note_plugin_failures": "Noting failures of plugins",
    "save_person": "Saving an account",
    "save_account": "Saving your account",
    "change_people": "Changing accounts",
    "change_role": "Changing a role",
    "set_permissions": "Changing permissions",
    "save_api_token": "Making an API token",
    "delete_api_token": "Revoking an API token",
    "note_token_use": "Noting the use of a token",
}
# Where the page of a job is, unless it is /job/{id}.
PAGES: Final = {"run_batch": "/batch/{id}"}
# Outcomes of a job that did what it could and still changed nothing; the form shows why.
REFUSED: Final = frozenset({"invalid", "conflict", "forbidden"})
RETRYABLE: Final = frozenset({JobStatus.FAILED, JobStatus.DEAD})

HIDDEN: Final = "(not shown)"
SECRET_PARTS: Final = ("pass", "secret", "token", "hash")


def name_kind(kind: str) -> str:
    return TITLES.get(kind, kind.replace("_", " ").capitalize())


def describe_job(ctx: Context, job: Job) -> dict[str, Any]:
    """What the page, its JSON and its live events show to who may see the job at all."""
    is_open = may_read(ctx, job)
    result = (job.result or {}) if is_open else {}
    succeeded = job.status is JobStatus.DONE and (job.result or {}).get("outcome") not in REFUSED
    return {
        "id": str(job.id),
        "kind": job.kind,
        "title": _name_queue(job.kind, job.group_key, job.payload.get("queue"))
        or _title(job.kind, result.get("title")),
        "status": str(job.status),
        "is_finished": job.is_finished,
        "succeeded": succeeded,
        "attempts": job.attempts,
        "failures": job.failures,
        "done": job.progress_done,
        "total": job.progress_total,
        "note": job.progress_note,
        "path": result.get("path", "") if succeeded else "",
        "message": _message(result) if succeeded else "",
        "problems": [] if succeeded else _list_problems(result),
        "error": "" if succeeded else _tell_error(job.error or {}, is_open=is_open),
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "run_at": job.run_at,
        # Only when it is over: a live page hears of changes alone.
        "seconds": _seconds(job.started, job.finished) if job.is_finished else None,
        "is_cancelling": job.cancel_requested and job.status in UNFINISHED,
        "may_cancel": may_oversee(ctx, job) and job.status in UNFINISHED and not job.cancel_requested,
        "may_retry": may_oversee(ctx, job) and job.status in RETRYABLE,
    }


def describe_line(ctx: Context, line: JobLine) -> dict[str, Any]:
    """The same for one row of a list."""
    is_open = may_read(ctx, line)
    return {
        "id": str(line.id),
        "kind": line.kind,
        "title": _name_batch(line)
        or _name_queue(line.kind, line.group_key, line.queue)
        or _title(line.kind, line.title if is_open else None),
        "page": PAGES.get(line.kind, "/job/{id}?details=1").format(id=line.id),
        "actor": line.actor_name or ("" if line.session_key else "The site"),
        "status": str(line.status),
        "is_finished": line.status not in UNFINISHED,
        "succeeded": line.status is JobStatus.DONE and line.outcome not in REFUSED,
        "attempts": line.attempts,
        "done": line.progress_done,
        "total": line.progress_total,
        "note": line.progress_note,
        "refused": line.refused,
        "error": _tell_error({"message": line.error, "failure": line.failure}, is_open=is_open),
        "created": line.created,
        "started": line.started,
        "finished": line.finished,
        "run_at": line.run_at,
        "seconds": _seconds(line.started, line.finished),
        "is_cancelling": line.cancel_requested and line.status in UNFINISHED,
        "may_cancel": line.status in UNFINISHED and not line.cancel_requested and may_oversee(ctx, line),
        "may_retry": line.status in RETRYABLE and may_oversee(ctx, line),
    }


def show_payload(ctx: Context, job: Job) -> str:
    """For the page alone, so that somebody can see what to mend; empty for who may not read the content."""
    if job.status not in RETRYABLE or not job.payload or not may_read(ctx, job):
        return ""
    return json.dumps(_mask(job.payload), indent=2, ensure_ascii=False)


def _mask(value: Any) -> Any:
    """Without what a login could be made from."""
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if any(part in key.lower() for part in SECRET_PARTS) else _mask(inner)
            for key, inner in value.items()
        }
    return [_mask(inner) for inner in value] if isinstance(value, list) else value


def _tell_error(error: Mapping[str, Any], *, is_open: bool) -> str:
    """A plugin's own words may repeat the content that it failed on."""
    failure = error.get("failure")
    if is_open or not failure:
        return str(error.get("message") or "")
    return f"Plugin '{failure['plugin']}', {failure['tap'] or 'no tap'}: {failure['reason']}."


def _title(kind: str, title: object) -> str:
    return f"{name_kind(kind)} “{title}”" if title else name_kind(kind)


def _name_batch(line: JobLine) -> str:
    """What it does; nothing of that is content."""
    operation = find_operation(line.operation) if line.operation else None
    return operation.label if operation else ""


def _name_queue(kind: str, plugin: str, queue: str | None) -> str:
    """Whose work for later it is; which queue, until the payload is gone."""
    if kind != WORK_PLUGIN_QUEUE.name:
        return ""
    return f"{name_kind(kind)}: {plugin}, queue {queue}" if queue else f"{name_kind(kind)}: {plugin}"


def _message(result: dict[str, Any]) -> str:
    verb = {"saved": "saved", "deleted": "deleted"}.get(result.get("outcome", ""))
    return f"“{result['title']}” was {verb}." if verb and result.get("title") else ""


def _list_problems(result: dict[str, Any]) -> list[str]:
    problems = [str(problem) for problem in result.get("problems", {}).values()]
    return problems or ([str(result["message"])] if result.get("message") else [])


def _seconds(started: datetime | None, finished: datetime | None) -> float | None:
    """How long it took, or has been at it; from the first try to the end."""
    if started is None:
        return None
    return round(max(0.0, ((finished or now()) - started).total_seconds()), 1)
