"""What the end of a job of each kind tells the audit log.

Changes of items are not here: they are noted where items are written (kernel/item/follow_up.py), whoever writes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from kernel.audit import people
from kernel.audit.model import Entry
from kernel.audit.people import Describe, Result
from kernel.jobs import (
    CHANGE_PLUGIN,
    NEW_CRON_KEY,
    RETRY_JOB,
    RUN_BATCH,
    SET_PLUGIN_SETTINGS,
    ChangePlugin,
    RetryJob,
    RunBatch,
    SetPluginSettings,
)
from kernel.site_jobs import SET_MAINTENANCE, SET_RATE_LIMITS, SetMaintenance, SetRateLimits

# Outcomes of jobs that changed nothing.
REFUSALS: Final = frozenset(("invalid", "conflict", "forbidden"))
# Of the reason for which something was refused, in characters.
REASON_MAX: Final = 1_000


def _plugin(payload: ChangePlugin, result: Result) -> Sequence[Entry]:
    details: dict[str, Any] = {"sha256": payload.sha256} if payload.sha256 else {}
    if payload.operation == "uninstall":
        details["deletes_data"] = payload.deletes_data
    if notes := result.get("notes"):
        details["notes"] = list(notes)
    return [Entry(f"plugin.{payload.operation}", "plugin", payload.plugin, payload.plugin, details)]


def _plugin_settings(payload: SetPluginSettings, _result: Result) -> Sequence[Entry]:
    # The names alone: a value may be the key to somebody else's service.
    details = {"settings": sorted(payload.values)}
    return [Entry("plugin.settings", "plugin", payload.plugin, payload.plugin, details)]


def _cron_key(_payload: object, _result: Result) -> Sequence[Entry]:
    return [Entry("setting.cron_key", "setting", "cron key", "Key of cron")]


def _limits(payload: SetRateLimits, _result: Result) -> Sequence[Entry]:
    return [Entry("setting.rate_limits", "setting", "rate limits", "Limits", payload.limits)]


def _maintenance(payload: SetMaintenance, _result: Result) -> Sequence[Entry]:
    action = "setting.maintenance_on" if payload.is_on else "setting.maintenance_off"
    return [Entry(action, "setting", "maintenance", "Maintenance", {"message": payload.message})]


def _batch(payload: RunBatch, result: Result) -> Sequence[Entry]:
    """The items that it changed have entries of their own."""
    details = {key: result[key] for key in ("done", "refused", "unchanged") if key in result}
    title = str(result.get("title", ""))
    return [Entry(f"batch.{payload.operation}", "batch", payload.operation, title, details)]


def _retry(payload: RetryJob, _result: Result) -> Sequence[Entry]:
    return [Entry("job.retry", "job", str(payload.job_id))]


DESCRIPTIONS: Final[Mapping[str, Describe]] = {
    **people.DESCRIPTIONS,
    CHANGE_PLUGIN.name: _plugin,
    SET_PLUGIN_SETTINGS.name: _plugin_settings,
    NEW_CRON_KEY.name: _cron_key,
    SET_RATE_LIMITS.name: _limits,
    SET_MAINTENANCE.name: _maintenance,
    RUN_BATCH.name: _batch,
    RETRY_JOB.name: _retry,
}


def describe_job(kind: str, payload: object, result: Result) -> Sequence[Entry]:
    """Nothing for kinds of which the log has no business. What was refused is told where somebody asked for more than
    they may, or where a plugin would not be changed; what was typed wrong, or came too late, is not."""
    describe = DESCRIPTIONS.get(kind)
    if describe is None:
        return []
    outcome = result.get("outcome")
    entries = describe(payload, result)
    if outcome not in REFUSALS:
        return entries
    is_told = outcome == "forbidden" or kind == CHANGE_PLUGIN.name
    return [_fail(entry, "refused", result.get("message")) for entry in entries] if is_told else []


def describe_failure(kind: str, payload: object, message: str) -> Sequence[Entry]:
    """Of a job that was given up."""
    if kind != CHANGE_PLUGIN.name:
        return []
    return [_fail(entry, "failed", message) for entry in DESCRIPTIONS[kind](payload, {})]


def _fail(entry: Entry, verb: str, reason: object) -> Entry:
    """The same as something that was not done. An account has the name that it has, not the one that was asked for."""
    area, _, asked = entry.action.partition(".")
    label = "" if entry.subject_kind == "account" else entry.subject_label
    details = {"asked": asked, "reason": str(reason or "")[:REASON_MAX]}
    return replace(entry, action=f"{area}.{verb}", subject_label=label, details=details)
