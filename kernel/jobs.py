"""Names every background job once, with the typed payload it carries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from kernel.form_jobs import RUN_FORM_TAPS, SubmittedForm
from kernel.job_kind import JobKind
from kernel.login_jobs import (
    DISABLE_SECOND_FACTOR,
    ENABLE_SECOND_FACTOR,
    NOTE_CODE_USE,
    NOTE_LOGIN_LINK,
    REPLACE_RECOVERY_CODES,
    RESET_SECOND_FACTOR,
    SPEND_RECOVERY_CODE,
)
from kernel.mail_jobs import (
    CHANGE_MAIL,
    CONFIRM_MAIL,
    CONFIRM_REGISTRATION,
    DECIDE_REGISTRATION,
    MAIL_PASSWORD_RESET,
    REGISTER,
    SEND_MAIL,
    SET_REGISTRATION,
)
from kernel.person_jobs import (
    CHANGE_PEOPLE,
    CHANGE_ROLE,
    DELETE_API_TOKEN,
    NOTE_TOKEN_USE,
    SAVE_ACCOUNT,
    SAVE_API_TOKEN,
    SAVE_PERSON,
    SET_PERMISSIONS,
)
from kernel.site_jobs import NOTE_LOGIN_FAILURE, SET_MAINTENANCE, SET_RATE_LIMITS


@dataclass(frozen=True, slots=True)
class SaveItem:
    """What the editor submitted, already checked by the form; the worker checks it again before it writes.

    `fields` maps a field's name to `{"value": …}` and, for formatted text, `"format"`. `expected_revision_id` is the
    revision that the edit started from (None: a new item); another current revision is a conflict.
    `form` is for the plugins that want to hear of it.
    """

    item_id: UUID
    type: str
    title: str
    fields: dict[str, dict[str, Any]]
    status: int = 1
    promote: bool = False
    sticky: bool = False
    log_message: str = ""
    expected_revision_id: UUID | None = None
    form: SubmittedForm | None = None


@dataclass(frozen=True, slots=True)
class DeleteItem:
    item_id: UUID
    expected_revision_id: UUID


@dataclass(frozen=True, slots=True)
class IndexItem:
    item_ids: list[UUID]


@dataclass(frozen=True, slots=True)
class RunItemTaps:
    """`items` are whole items as they were saved, or as they were before they were deleted."""

    tap: str
    items: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RecordLogin:
    """`is_by_link` tells that a one-time link was used."""

    user_id: UUID
    at: datetime
    is_by_link: bool = False


@dataclass(frozen=True, slots=True)
class SetPassword:
    """`pass_hash` is made before submitting: a password never stands in the ledger.

    It is set only in place of `replaces`, the hash that was looked at (None: the account had no password), so that a
    late job cannot bring back an old password. `link_digest`, of a mailed link as hexadecimal digits, stands in for
    that and is spent. With `is_rehash` it is the same password, hashed anew. Any other is a new one and ends the
    sessions of its user but for the one under `keeps_session`.
    """

    user_id: UUID
    pass_hash: str
    replaces: str | None = None
    link_digest: str | None = None
    keeps_session: str | None = None
    is_rehash: bool = False


@dataclass(frozen=True, slots=True)
class RetryJob:
    """Asked for by the actor of this job, who is checked again when it is done."""

    job_id: UUID


@dataclass(frozen=True, slots=True)
class RunCron:
    """`slot` is the minute that asks for whatever is due; with `only`, the moment at which somebody asked for this
    one task, due or not."""

    slot: datetime
    only: str = ""


@dataclass(frozen=True, slots=True)
class NewCronKey:
    """The key is made by the worker, so that it never stands in the ledger."""


@dataclass(frozen=True, slots=True)
class WorkPluginQueue:
    """`data` is what the plugin put on its queue, any JSON."""

    plugin: str
    queue: str
    data: Any


# `offer` checks what was uploaded, for somebody to approve, and `discard` takes that away. `install` also puts another
# version in the place of the one that is there, and `settle` makes what its tables then still lack; `forget` drops the
# tables of one that is gone; `retry` calls taps again that were stopped.
PluginOperation = Literal[
    "offer", "discard", "install", "settle", "enable", "disable", "uninstall", "forget", "retry"
]


@dataclass(frozen=True, slots=True)
class ChangePlugin:
    """To offer or install, `manifest` is the text that was approved and `sha256` the hash of an artefact that stands in
    `plugin_artefact`; `enables` says whether it is used at once (an installed one stays as it is). To uninstall,
    `deletes_data` says whether its tables and variables go too."""

    operation: PluginOperation
    plugin: str
    sha256: str = ""
    manifest: str = ""
    enables: bool = False
    deletes_data: bool = False


@dataclass(frozen=True, slots=True)
class PluginWrite:
    """A change that a plugin asked for in a request; kernel/plugin_data/wishes.py says what one may be. Those of one
    `call` come to stand together or not at all."""

    call: int
    plugin: str
    change: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ApplyPluginWrites:
    """In the order in which they were asked for, all in one request."""

    writes: list[PluginWrite]


@dataclass(frozen=True, slots=True)
class SetPluginSettings:
    """Variables of the plugin by their whole names; None takes one away."""

    plugin: str
    values: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class PluginFailures:
    """What one process saw of one tap in a few seconds: the latest failure, and how many calls and failures there were.
    `recording` is the failed call, `{"name", "payload", "transcript"}`, None for one that is too large."""

    plugin: str
    tap: str
    reason: str
    message: str
    detail: str
    sha256: str
    request_id: str
    calls: int
    failures: int
    recording: Any


@dataclass(frozen=True, slots=True)
class NotePluginFailures:
    seen: list[PluginFailures]


@dataclass(frozen=True, slots=True)
class RunBatch:
    """`operation` is a name of kernel/batch/operations.py, which also says what `arguments` hold."""

    operation: str
    arguments: dict[str, Any]


SAVE_ITEM: Final = JobKind(
    "save_item", SaveItem, "interactive", 30, 5, "item id and expected revision are in the payload"
)
DELETE_ITEM: Final = JobKind(
    "delete_item", DeleteItem, "interactive", 30, 5, "a missing item is already deleted"
)
INDEX_ITEM: Final = JobKind("index_item", IndexItem, "background", 60, 5, "recomputed whole from the item")
RUN_ITEM_TAPS: Final = JobKind(
    "run_item_taps", RunItemTaps, "background", 60, 3, "plugins may see a tap again after a crash"
)
RECORD_LOGIN: Final = JobKind(
    "record_login", RecordLogin, "background", 10, 5, "only ever moves the time forward"
)
SET_PASSWORD: Final = JobKind("set_password", SetPassword, "interactive", 10, 5, "sets the same hash again")
RETRY_JOB: Final = JobKind(
    "retry_job", RetryJob, "interactive", 10, 5, "a job that waits or runs is left as it is"
)

RUN_CRON: Final = JobKind(
    "run_cron",
    RunCron,
    "background",
    1_800,
    # More than a slot has, so that a task whose workers die costs itself alone and not the tasks after it.
    5,
    "a task whose slot is done is not run again",
    priority=1,
    at_once=1,
)
NEW_CRON_KEY: Final = JobKind(
    "new_cron_key", NewCronKey, "interactive", 10, 5, "the last key that was made counts"
)
WORK_PLUGIN_QUEUE: Final = JobKind(
    "work_plugin_queue",
    WorkPluginQueue,
    "background",
    90,
    10,
    "plugins are told the job's id and the try",
    priority=-1,
    at_once=2,
)
APPLY_PLUGIN_WRITES: Final = JobKind(
    "apply_plugin_writes",
    ApplyPluginWrites,
    "background",
    60,
    5,
    "what plugins wrote and the end of the job are one transaction",
    at_once=2,
)
RUN_BATCH: Final = JobKind(
    "run_batch",
    RunBatch,
    "background",
    120,
    5,
    "a slice and its checkpoint are one transaction",
    priority=-1,
    at_once=2,
)
CHANGE_PLUGIN: Final = JobKind(
    "change_plugin",
    ChangePlugin,
    "background",
    # An index over a large table takes its time.
    900,
    5,
    "a plugin that is installed, enabled or gone already stays so; its tap may be called again after a crash",
    priority=1,
    at_once=1,
)
SET_PLUGIN_SETTINGS: Final = JobKind(
    "set_plugin_settings", SetPluginSettings, "interactive", 10, 5, "sets the same values again"
)
NOTE_PLUGIN_FAILURES: Final = JobKind(
    "note_plugin_failures",
    NotePluginFailures,
    "background",
    30,
    3,
    "the rows and the end of the job are one transaction",
)

JOB_KINDS: Final = {
    kind.name: kind
    for kind in (
        SAVE_ITEM,
        DELETE_ITEM,
        INDEX_ITEM,
        RUN_ITEM_TAPS,
        RUN_FORM_TAPS,
        RECORD_LOGIN,
        SET_PASSWORD,
        ENABLE_SECOND_FACTOR,
        DISABLE_SECOND_FACTOR,
        RESET_SECOND_FACTOR,
        REPLACE_RECOVERY_CODES,
        SPEND_RECOVERY_CODE,
        NOTE_CODE_USE,
        SEND_MAIL,
        MAIL_PASSWORD_RESET,
        REGISTER,
        CONFIRM_REGISTRATION,
        DECIDE_REGISTRATION,
        SET_REGISTRATION,
        CHANGE_MAIL,
        CONFIRM_MAIL,
        RETRY_JOB,
        WORK_PLUGIN_QUEUE,
        APPLY_PLUGIN_WRITES,
        RUN_BATCH,
        RUN_CRON,
        NEW_CRON_KEY,
        CHANGE_PLUGIN,
        NOTE_PLUGIN_FAILURES,
        SET_PLUGIN_SETTINGS,
        SAVE_PERSON,
        SAVE_ACCOUNT,
        CHANGE_PEOPLE,
        CHANGE_ROLE,
        SET_PERMISSIONS,
        SAVE_API_TOKEN,
        DELETE_API_TOKEN,
        NOTE_TOKEN_USE,
        NOTE_LOGIN_FAILURE,
        NOTE_LOGIN_LINK,
        SET_RATE_LIMITS,
        SET_MAINTENANCE,
    )
}
