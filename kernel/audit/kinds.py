"""What the end of a job of each kind tells the audit log.

Changes of items are not here: they are noted where items are written (kernel/item/follow_up.py), whoever writes them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from kernel.audit.model import Entry
from kernel.jobs import (
    CHANGE_PLUGIN,
    NEW_CRON_KEY,
    RECORD_LOGIN,
    RETRY_JOB,
    RUN_BATCH,
    SET_PASSWORD,
    SET_PLUGIN_SETTINGS,
    ChangePlugin,
    RecordLogin,
    RetryJob,
    RunBatch,
    SetPassword,
    SetPluginSettings,
)
from kernel.site_jobs import (
    NOTE_LOGIN_FAILURE,
    SET_MAINTENANCE,
    SET_RATE_LIMITS,
    NoteLoginFailure,
    SetMaintenance,
    SetRateLimits,
)

Result: TypeAlias = Mapping[str, Any]
# Is given the payload and the result of the job.
Describe: TypeAlias = Callable[[Any, Result], Entry | None]

# Outcomes of jobs that changed nothing.
REFUSALS: Final = frozenset(("invalid", "conflict", "forbidden"))


def _login(payload: RecordLogin, _result: Result) -> Entry:
    return Entry("login.success", "account", str(payload.user_id))


def _login_failure(payload: NoteLoginFailure, _result: Result) -> Entry:
    return Entry(f"login.{payload.reason}", "account", str(payload.user_id or ""))


def _limits(payload: SetRateLimits, _result: Result) -> Entry:
    return Entry("setting.rate_limits", "setting", "rate limits", "Rate limits", payload.limits)


def _maintenance(payload: SetMaintenance, _result: Result) -> Entry:
    return Entry(
        f"maintenance.{'on' if payload.is_on else 'off'}",
        "setting",
        "maintenance",
        "Maintenance",
        {"message": payload.message},
    )


def _password(payload: SetPassword, _result: Result) -> Entry | None:
    # One that was only hashed anew is the same password.
    return Entry("account.password", "account", str(payload.user_id)) if payload.replaces is None else None


def _plugin(payload: ChangePlugin, result: Result) -> Entry:
    details: dict[str, Any] = {"sha256": payload.sha256} if payload.sha256 else {}
    if payload.operation == "uninstall":
        details["deletes_data"] = payload.deletes_data
    if notes := result.get("notes"):
        details["notes"] = list(notes)
    return Entry(f"plugin.{payload.operation}", "plugin", payload.plugin, payload.plugin, details)


def _plugin_settings(payload: SetPluginSettings, _result: Result) -> Entry:
    # The names alone: a value may be the key to somebody else's service.
    return Entry(
        "plugin.settings", "plugin", payload.plugin, payload.plugin, {"settings": sorted(payload.values)}
    )


def _cron_key(_payload: object, _result: Result) -> Entry:
    return Entry("setting.cron_key", "setting", "cron key", "Key of cron")


def _batch(payload: RunBatch, result: Result) -> Entry:
    details = {key: result[key] for key in ("done", "refused", "unchanged") if key in result}
    return Entry(
        f"batch.{payload.operation}", "batch", payload.operation, str(result.get("title", "")), details
    )


def _retry(payload: RetryJob, _result: Result) -> Entry:
    return Entry("job.retry", "job", str(payload.job_id))


DESCRIPTIONS: Final[Mapping[str, Describe]] = {
    RECORD_LOGIN.name: _login,
    NOTE_LOGIN_FAILURE.name: _login_failure,
    SET_RATE_LIMITS.name: _limits,
    SET_MAINTENANCE.name: _maintenance,
    SET_PASSWORD.name: _password,
    CHANGE_PLUGIN.name: _plugin,
    SET_PLUGIN_SETTINGS.name: _plugin_settings,
    NEW_CRON_KEY.name: _cron_key,
    RUN_BATCH.name: _batch,
    RETRY_JOB.name: _retry,
}


def describe_job(kind: str, payload: object, result: Result) -> list[Entry]:
    """Nothing for a job that was refused, and for kinds of which the log has no business."""
    describe = DESCRIPTIONS.get(kind)
    if describe is None or result.get("outcome") in REFUSALS:
        return []
    entry = describe(payload, result)
    return [entry] if entry is not None else []
