"""Declares every tap once: what a plugin is handed, what it may answer, how answers combine, its time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from kernel.tap.answers import (
    read_access,
    read_index_text,
    read_item_change,
    read_item_types,
    read_menu_entries,
    read_note,
    read_nothing,
    read_page,
    read_permissions,
    read_queues,
    read_trees,
)
from kernel.tap.form_answers import read_form_changes, read_form_problems

# What stands beside `ctx` in the payload: nothing, one item, a list of items, or values that the caller hands over by
# the names of the tap's arguments.
PayloadKind = Literal["nothing", "item", "items", "values"]
# collect: each answer for itself, in order. accumulate: each plugin sees the item as those before it left it.
# one: a single plugin is asked, which the caller names. deny_wins: about an item that one plugin denies, and one that
# fails denies, no other is asked.
Combine = Literal["collect", "accumulate", "one", "deny_wins"]
Where = Literal["request", "background"]

# Real time, which also counts waiting in host functions.
REQUEST_TIMEOUT_S: Final = 5.0
BACKGROUND_TIMEOUT_S: Final = 20.0
BACKGROUND_CPU_MS: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Tap:
    """`read_answer` turns parsed JSON into the checked answer, or raises PluginDataError with a sentence. `is_kept`
    says that an answer only shows something, so that it is kept for the same question.

    A call in a request has the plugin's own CPU budget; one in the background has `BACKGROUND_CPU_MS`, since
    nobody waits for it in a browser."""

    name: str
    summary: str
    arguments: str
    answer: str
    payload: PayloadKind
    combine: Combine
    where: Where
    read_answer: Callable[[Any], Any] = field(compare=False)
    is_kept: bool = False

    def __post_init__(self) -> None:
        if not self.name.startswith("tap_"):
            raise ValueError(f"{self.name}: a tap's name starts with tap_.")
        if self.combine == "accumulate" and self.payload != "item":
            raise ValueError(f"{self.name}: only changes of one item can accumulate.")
        if self.combine == "accumulate" and self.where != "background":
            raise ValueError(f"{self.name}: a request cannot write, so a change made there would be lost.")
        if self.combine == "deny_wins" and self.payload != "items":
            raise ValueError(f"{self.name}: what is denied are items of many.")
        if (self.combine == "one") != (self.payload == "values"):
            raise ValueError(f"{self.name}: values are for one plugin, and one plugin is handed values.")

    @property
    def function(self) -> str:
        """The name of the plugin's function: `item_view` for `tap_item_view`."""
        return self.name.removeprefix("tap_")

    @property
    def signature(self) -> str:
        return f"{self.function}({self.arguments})"

    @property
    def takes_items(self) -> bool:
        return self.payload in {"item", "items"}

    @property
    def timeout_s(self) -> float:
        return REQUEST_TIMEOUT_S if self.where == "request" else BACKGROUND_TIMEOUT_S

    @property
    def cpu_ms(self) -> float | None:
        """None: the plugin's own budget."""
        return None if self.where == "request" else BACKGROUND_CPU_MS


ITEM_INFO: Final = Tap(
    "tap_item_info",
    "Declares the item types that the plugin brings.",
    "ctx",
    "a list of item types with their fields",
    payload="nothing",
    combine="collect",
    where="background",
    read_answer=read_item_types,
)
ITEM_PRESAVE: Final = Tap(
    "tap_item_presave",
    'Changes an item before it is stored; `op` is "insert" or "update". It may not write anything else.',
    "item, op, ctx",
    "nothing: the item is changed in place",
    payload="item",
    combine="accumulate",
    where="background",
    read_answer=read_item_change,
)
ITEM_INSERT: Final = Tap(
    "tap_item_insert",
    "Hears of a new item after it was stored.",
    "item, ctx",
    "nothing",
    payload="item",
    combine="collect",
    where="background",
    read_answer=read_nothing,
)
ITEM_UPDATE: Final = Tap(
    "tap_item_update",
    "Hears of a changed item after it was stored.",
    "item, ctx",
    "nothing",
    payload="item",
    combine="collect",
    where="background",
    read_answer=read_nothing,
)
ITEM_DELETE: Final = Tap(
    "tap_item_delete",
    "Hears of a deleted item, and is handed the whole of it as it last was.",
    "item, ctx",
    "nothing",
    payload="item",
    combine="collect",
    where="background",
    read_answer=read_nothing,
)
ITEM_VIEW: Final = Tap(
    "tap_item_view",
    "Shows an item. A listing asks for all of its items in one call; the SDK calls the function for each.",
    "item, ctx",
    "a render element, or None to add nothing",
    payload="items",
    combine="collect",
    where="request",
    read_answer=read_trees,
    is_kept=True,
)
ITEM_ACCESS: Final = Tap(
    "tap_item_access",
    'Says whether the user may do something to an item; `operation` is "view", "edit" or "delete". All items of a'
    " page are asked about in one call; the SDK calls the function for each. It may not write anything, and items that"
    " it loads are given by the permissions of roles alone. One that fails denies.",
    "item, operation, ctx",
    "an `AccessResult`, or None, which is neutral",
    payload="items",
    combine="deny_wins",
    where="request",
    read_answer=read_access,
)
ITEM_UPDATE_INDEX: Final = Tap(
    "tap_item_update_index",
    "Adds words under which search shall find an item.",
    "item, ctx",
    "text, or None to add nothing",
    payload="item",
    combine="collect",
    where="background",
    read_answer=read_index_text,
)
MENU: Final = Tap(
    "tap_menu",
    "Declares the paths at which the plugin has pages.",
    "ctx",
    "a list of menu entries",
    payload="nothing",
    combine="collect",
    where="background",
    read_answer=read_menu_entries,
)
PERM: Final = Tap(
    "tap_perm",
    "Declares permissions that an administrator can give to roles.",
    "ctx",
    "a list of permissions",
    payload="nothing",
    combine="collect",
    where="background",
    read_answer=read_permissions,
)
PAGE: Final = Tap(
    "tap_page",
    "Makes a page at one of the plugin's menu paths.",
    "request, ctx",
    "a page: a title and a render element",
    payload="values",
    combine="one",
    where="request",
    read_answer=read_page,
    is_kept=True,
)
FORM_ALTER: Final = Tap(
    "tap_form_alter",
    "Adds inputs to a form, changes words of it, and takes out what nobody has to fill in: `form.add(…)`,"
    " `form.change(…)`, `form.remove(…)`. Names of its inputs begin with the plugin's own.",
    "form, ctx",
    "nothing",
    payload="values",
    combine="one",
    where="request",
    read_answer=read_form_changes,
    is_kept=True,
)
FORM_VALIDATE: Final = Tap(
    "tap_form_validate",
    "Looks at what somebody entered into a form, but for passwords, before anything is done with it.",
    "form_id, values, ctx",
    "a sentence for each input that is wrong, by its name",
    payload="values",
    combine="one",
    where="request",
    read_answer=read_form_problems,
)
FORM_SUBMIT: Final = Tap(
    "tap_form_submit",
    "Hears what was entered into a form, but for passwords, after the work of the form was done.",
    "form_id, values, ctx",
    "nothing",
    payload="values",
    combine="one",
    where="background",
    read_answer=read_nothing,
)
CRON: Final = Tap(
    "tap_cron",
    "Does what is due from time to time. `slot` is the time that this run stands for, and `last_run` when the last"
    " run began in which the plugin did something, so one that answered a note (None: never); a plugin that needs to"
    " run more rarely than every minute compares `now` with it.",
    "now, last_run, slot, ctx",
    "a short note about what it did, or None when there was nothing to do",
    payload="values",
    combine="one",
    where="background",
    read_answer=read_note,
)
QUEUE_INFO: Final = Tap(
    "tap_queue_info",
    "Declares the queues on which the plugin puts work for later.",
    "ctx",
    "a list of queues",
    payload="nothing",
    combine="collect",
    where="background",
    read_answer=read_queues,
)
QUEUE_WORKER: Final = Tap(
    "tap_queue_worker",
    "Does what was put on one of the plugin's queues. `attempt` is 1 at the first try; an exception brings another one"
    " later. `job_id` is the same at every try.",
    "queue, data, attempt, job_id, ctx",
    "nothing",
    payload="values",
    combine="one",
    where="background",
    read_answer=read_nothing,
)
INSTALL: Final = Tap(
    "tap_install",
    "Hears that the plugin is installed; its tables are there. An exception undoes it.",
    "ctx",
    "nothing",
    payload="values",
    combine="one",
    where="background",
    read_answer=read_nothing,
)
ENABLE: Final = Tap(
    "tap_enable",
    "Hears that the plugin will be used from now on. An exception keeps it disabled.",
    "ctx",
    "nothing",
    payload="values",
    combine="one",
    where="background",
    read_answer=read_nothing,
)
DISABLE: Final = Tap(
    "tap_disable",
    "Hears that the plugin will not be used any more. It cannot keep that from happening.",
    "ctx",
    "nothing",
    payload="values",
    combine="one",
    where="background",
    read_answer=read_nothing,
)
UPGRADE: Final = Tap(
    "tap_upgrade",
    "Hears, in the new version, that it takes the place of another; its tables have changed already. An exception keeps"
    " the other version in place.",
    "from_version, ctx",
    "nothing",
    payload="values",
    combine="one",
    where="background",
    read_answer=read_nothing,
)
UNINSTALL: Final = Tap(
    "tap_uninstall",
    "Hears that the plugin goes, before its tables do; `keeps_data` says whether they stay. It cannot keep that from"
    " happening.",
    "keeps_data, ctx",
    "nothing",
    payload="values",
    combine="one",
    where="background",
    read_answer=read_nothing,
)

FORM_TAPS: Final = (FORM_ALTER, FORM_VALIDATE, FORM_SUBMIT)
TAPS: Final = (
    ITEM_INFO,
    ITEM_PRESAVE,
    ITEM_INSERT,
    ITEM_UPDATE,
    ITEM_DELETE,
    ITEM_VIEW,
    ITEM_ACCESS,
    ITEM_UPDATE_INDEX,
    MENU,
    PERM,
    PAGE,
    FORM_ALTER,
    FORM_VALIDATE,
    FORM_SUBMIT,
    CRON,
    QUEUE_INFO,
    QUEUE_WORKER,
    INSTALL,
    ENABLE,
    DISABLE,
    UPGRADE,
    UNINSTALL,
)
_BY_NAME: Final = {tap.name: tap for tap in TAPS}


def find_tap(name: str) -> Tap | None:
    return _BY_NAME.get(name)


def get_tap(name: str) -> Tap:
    """Raises KeyError: a name comes from a manifest that was checked, or from this file."""
    return _BY_NAME[name]
