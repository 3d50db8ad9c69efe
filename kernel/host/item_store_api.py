"""`item-api`, the part about any item: loaded as the user sees it, saved by a job like every save."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid5

import orjson

from kernel.errors import NotFound
from kernel.form.item_form import LOG_MESSAGE_MAX
from kernel.host.submit import go_deeper, make_dedupe_key
from kernel.ids import parse_uuid, uuid7
from kernel.item.access import Operation, may_by_role, may_create
from kernel.item.decide import decide_access
from kernel.item.model import Item
from kernel.item.store import select_item
from kernel.item.values import Checked, check_values
from kernel.item_type.load import get_item_type
from kernel.jobs import SAVE_ITEM, SaveItem
from kernel.ledger.ledger import Ledger
from kernel.ledger.submit import submit_job
from kernel.names import LIVE, item_tag
from kernel.sandbox.host import HostError, HostFunction
from kernel.tap.answers import read_field
from kernel.tap.catalogue import ITEM_ACCESS
from kernel.tap.scope import PluginState
from kernel.tap.wire import PluginDataError, read_json

INTERFACE: Final = "item-api"
# Items that a scope remembers, so that a second load of one costs nothing.
REMEMBERED_MAX: Final = 100
# In bytes of JSON.
ITEM_MAX: Final = 1_000_000

_KINDS: Final[Mapping[str, tuple[type, str]]] = {
    "id": (str, "text"),
    "type": (str, "text"),
    "title": (str, "text"),
    "status": (int, "0 or 1"),
    "promote": (bool, "true or false"),
    "sticky": (bool, "true or false"),
    "fields": (dict, "an object"),
    "log_message": (str, "text"),
}
_NAME_SHOWN: Final = 64
_NOT_FOUND: Final = "There is no item with this id that the user may see."


def list_item_store_functions(ledger: Ledger) -> tuple[HostFunction, ...]:
    async def load(state: PluginState, item_id: str) -> str:
        """With all of its fields: the manifest asks for whole types. Error codes: not-found, refused-capability."""
        wanted = parse_uuid(item_id)
        if wanted is None:
            raise HostError("not-found", _NOT_FOUND)
        known = state.scope.loaded
        if wanted not in known:
            found = await _find_item(ledger, wanted)
            while len(known) >= REMEMBERED_MAX:
                known.pop(next(iter(known)), None)
            known[wanted] = found
        item: Item | None = known[wanted]
        _note_load(state, wanted, item)
        if item is None or not await _may(state, item, "view"):
            raise HostError("not-found", _NOT_FOUND)
        _require_type(state, item.type, state.plugin.may.read_types, "read_types")
        return orjson.dumps(item.as_data()).decode()

    async def save(state: PluginState, item_json: str) -> str:
        """What the job will refuse is refused here already, as far as it can be known. The same save by a job that is
        tried again is one save. Error codes: refused-capability, not-found, forbidden, bad-payload, too-deep,
        not-available."""
        ctx = go_deeper(state, "save an item")
        if state.tap is not None and state.tap.payload == "nothing":
            raise HostError(
                "not-available", f"{state.tap.function} declares something and may not save an item."
            )
        state.record.note_obstacle("it saves an item")
        if ctx.stage_id != LIVE:
            raise HostError("not-available", "Items are saved on the live site alone.")
        given = _read_item(item_json)
        dedupe_key = make_dedupe_key(state, "save", item_json)
        if "id" in given:
            payload = await _change(ledger, state, given)
        else:
            item_id = uuid7() if dedupe_key is None else uuid5(_MADE_BY_PLUGINS, dedupe_key)
            payload = await _make(ledger, state, given, item_id)
        job_id = await submit_job(ledger, ctx, SAVE_ITEM, payload, dedupe_key=dedupe_key)
        return orjson.dumps({"id": str(payload.item_id), "job_id": str(job_id)}).decode()

    return (HostFunction(INTERFACE, "load", load), HostFunction(INTERFACE, "save", save))


# The name space of the ids of items that jobs make through plugins: made again by a retry, they are the same.
_MADE_BY_PLUGINS: Final = UUID("7d5c1f0e-52b6-4d8c-9c0a-3f6a5be0a1d4")


async def _find_item(ledger: Ledger, item_id: UUID) -> Item | None:
    async with ledger.db.acquire() as conn:
        return await select_item(conn, item_id)


async def _may(state: PluginState, item: Item, operation: Operation) -> bool:
    """A plugin that is asked about access is given others by the permissions of roles alone, so that nobody is asked
    again to answer. What is told to any other depends on what those knew who decided."""
    if state.tap is ITEM_ACCESS:
        return may_by_role(state.scope.ctx.actor, item, operation)
    (decision,) = await decide_access(state.scope, [item], operation)
    state.record.merge(decision.record)
    return decision.is_allowed


def _note_load(state: PluginState, item_id: UUID, item: Item | None) -> None:
    """An insert drops the tag of its item too, so that "not found" ends when there is one."""
    actor = state.scope.ctx.actor
    state.record.note_tags(item_tag(item_id))
    state.record.note_permission("access content", actor.may("access content"))
    if item is not None and not item.is_published:
        state.record.note_user()


def _require_type(state: PluginState, item_type: str, listed: frozenset[str], key: str) -> None:
    if item_type in listed or state.scope.registry.type_owners.get(item_type) == state.plugin.name:
        return
    raise HostError(
        "refused-capability",
        f"The manifest of plugin '{state.plugin.name}' does not list the item type {item_type[:_NAME_SHOWN]!r}"
        f" in [capabilities] {key}.",
    )


def _read_item(item_json: str) -> dict[str, Any]:
    """Its shape; the values are checked against the item type. Raises HostError."""
    try:
        if len(item_json.encode()) > ITEM_MAX:
            raise PluginDataError(f"larger than {ITEM_MAX:,} bytes")
        item = read_json(item_json)
        if not isinstance(item, dict):
            raise PluginDataError("no object")
        for name, value in item.items():
            if name not in _KINDS:
                known = ", ".join(_KINDS)
                raise PluginDataError(f"not known to have {name[:_NAME_SHOWN]!r}; an item has {known}")
            kind, expected = _KINDS[name]
            if type(value) is not kind or (kind is int and value not in {0, 1}):
                raise PluginDataError(f"wrong in {name!r}, which must be {expected}")
        for name, field in item.get("fields", {}).items():
            read_field(name, field)
        if len(item.get("log_message", "")) > LOG_MESSAGE_MAX:
            raise PluginDataError(f"longer than {LOG_MESSAGE_MAX} characters in 'log_message'")
        if ("id" in item) == ("type" in item):
            raise PluginDataError(
                'one with "id", to change it, or one with "type", to make it, and never both'
            )
    except PluginDataError as mistake:
        raise HostError("bad-payload", f"The item is {mistake}.") from None
    return item


async def _change(ledger: Ledger, state: PluginState, given: Mapping[str, Any]) -> SaveItem:
    """Read anew, whatever the scope remembers: what somebody else saved meanwhile is not to be overwritten."""
    item_id = parse_uuid(given["id"])
    stored = None if item_id is None else await _find_item(ledger, item_id)
    if stored is None or not await _may(state, stored, "view"):
        raise HostError("not-found", _NOT_FOUND)
    _require_type(state, stored.type, state.plugin.may.write_types, "write_types")
    if not await _may(state, stored, "edit"):
        raise HostError("forbidden", "The user may not edit this item.")
    fields = {
        name: {**stored.fields.get(name, {}), **field} for name, field in given.get("fields", {}).items()
    }
    title = given.get("title", stored.title)
    checked = await _check(ledger, state, stored.type, title, {**stored.fields, **fields}, stored=stored)
    return SaveItem(
        stored.id,
        stored.type,
        checked.title,
        checked.fields,
        status=given.get("status", stored.status),
        promote=given.get("promote", stored.promote),
        sticky=given.get("sticky", stored.sticky),
        log_message=given.get("log_message", ""),
        expected_revision_id=stored.revision_id,
    )


async def _make(ledger: Ledger, state: PluginState, given: Mapping[str, Any], item_id: UUID) -> SaveItem:
    item_type = given["type"]
    _require_type(state, item_type, state.plugin.may.write_types, "write_types")
    if not may_create(state.scope.ctx.actor, item_type):
        raise HostError("forbidden", f"The user may not create {item_type} content.")
    checked = await _check(ledger, state, item_type, given.get("title"), given.get("fields", {}), stored=None)
    return SaveItem(
        item_id,
        item_type,
        checked.title,
        checked.fields,
        status=given.get("status", 1),
        promote=given.get("promote", False),
        sticky=given.get("sticky", False),
        log_message=given.get("log_message", ""),
    )


async def _check(
    ledger: Ledger, state: PluginState, type_name: str, title: object, fields: object, *, stored: Item | None
) -> Checked:
    ctx = state.scope.ctx
    try:
        item_type = await get_item_type(ledger, ctx, type_name)
    except NotFound as missing:
        raise HostError("bad-payload", missing.message) from None
    checked = check_values(item_type, title, fields, ctx.actor, stored.fields if stored else None)
    if checked.problems:
        sentences = [f"{name or 'item'}: {problem}" for name, problem in checked.problems.items()]
        raise HostError("bad-payload", " ".join(sentences))
    return checked
