"""The audit log as people read it: what was asked for, an entry in words, and the files to take away."""

import csv
import io
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeAlias

import orjson

from kernel.audit.model import LABEL_MAX, Event, Place, Wanted
from kernel.audit.store import list_events
from kernel.clock import find_zone, first_moment
from kernel.context import Context
from kernel.errors import BadInput
from kernel.ids import parse_uuid
from kernel.names import ANONYMOUS_ID, has_forbidden_text
from kernel.runtime import Runtime
from kernel.tap.scope import TapScope
from web.audit_titles import hide_titles

AUDIT_PATH: Final = "/admin/audit"
PAGE_SIZE: Final = 50
# Rows that are read at once for a file: no connection is held while they go out.
CHUNK: Final = 1_000
NAME_MAX: Final = 60
QUERY: Final = ("action", "person", "subject", "since", "until")
COLUMNS: Final = (
    *("id", "at", "actor_id", "actor_name", "action", "subject_kind", "subject_id"),
    *("subject_label", "details", "request_id", "client_address", "job_id"),
)
_DAY: Final = re.compile(r"[12]\d{3}-\d\d-\d\d")
_NAME: Final = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40})?")
# A spreadsheet would take a cell that begins like this for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_BEFORE: Final = re.compile(r"^[\s\u200b-\u200f\u2060\ufeff\x00-\x1f]+")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was asked for, and in `query` how the address says it. `person` is a name or an id, to be looked up."""

    query: dict[str, str]
    wanted: Wanted
    after: Place | None

    @property
    def is_filtered(self) -> bool:
        return any(self.query.values())


def read_chosen(args: Mapping[str, str], timezone: str) -> Chosen:
    """Days are those of the reader. Raises BadInput, naming what is wrong."""
    query = {name: args.get(name, "").strip() for name in QUERY}
    if len(query["subject"]) > LABEL_MAX or len(query["person"]) > NAME_MAX:
        raise BadInput(f"A subject has {LABEL_MAX} characters at most, and a name {NAME_MAX}.")
    if any(map(has_forbidden_text, query.values())):
        raise BadInput("The filter holds a character that cannot be stored.")
    if query["action"] and not _NAME.fullmatch(query["action"]):
        raise BadInput("There is no such action.")
    kind, _, verb = query["action"].partition(".")
    zone = find_zone(timezone)
    since, until = _read_day(query["since"]), _read_day(query["until"])
    wanted = Wanted(
        action=query["action"] if verb else "",
        area="" if verb else kind,
        subject=query["subject"],
        since=first_moment(since, zone) if since else None,
        until=first_moment(until + timedelta(days=1), zone) if until else None,
    )
    return Chosen(query, wanted, _read_place(args.get("after", "")))


def write_place(event: Event) -> str:
    return f"{event.at.isoformat()}_{event.id}"


def _read_place(text: str) -> Place | None:
    if not text:
        return None
    moment, _, event_id = text.partition("_")
    found = parse_uuid(event_id)
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        at = None
    if found is None or at is None or at.tzinfo is None:
        raise BadInput("The list cannot go on there. Start again at its first page.")
    return Place(at, found)


def _read_day(text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise BadInput("A day must look like 2026-03-31.")
    return day


def describe_event(event: Event) -> dict[str, Any]:
    """For the page."""
    return {
        "at": event.at,
        "who": event.actor_name or ("" if event.actor_id == ANONYMOUS_ID else str(event.actor_id)[:8]),
        "action": name_action(event.action),
        "is_bad": event.action.endswith((".refused", ".locked", ".failed")),
        "subject": _name_subject(event),
        "subject_kind": event.subject_kind,
        "path": _find_path(event),
        "details": [(key, _show(value)) for key, value in event.details.items()],
        "client_address": event.client_address,
        "request_id": event.request_id,
    }


def _name_subject(event: Event) -> str:
    """Of an item whose title is not to be known here, its type and its id."""
    named = event.subject_kind == "item" and not event.subject_label
    return (
        f"{event.details.get('type', 'item')} {event.subject_id}"
        if named
        else event.subject_label or event.subject_id
    )


def name_action(action: str) -> str:
    area, _, verb = action.partition(".")
    return f"{area.replace('_', ' ').capitalize()}: {verb.replace('_', ' ')}" if verb else area.capitalize()


def event_as_data(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in COLUMNS}


async def write_csv(rt: Runtime, ctx: Context, wanted: Wanted) -> AsyncGenerator[bytes, None]:
    yield _write_rows([COLUMNS])
    async for events in _read_all(rt, ctx, wanted):
        yield _write_rows([[_write_cell(getattr(event, name)) for name in COLUMNS] for event in events])


async def write_json_lines(rt: Runtime, ctx: Context, wanted: Wanted) -> AsyncGenerator[bytes, None]:
    async for events in _read_all(rt, ctx, wanted):
        yield b"".join(
            orjson.dumps(event_as_data(event), option=orjson.OPT_APPEND_NEWLINE) for event in events
        )


Write: TypeAlias = Callable[[Runtime, Context, Wanted], AsyncGenerator[bytes, None]]
FORMATS: Final[Mapping[str, tuple[str, Write]]] = {
    "csv": ("text/csv; charset=utf-8", write_csv),
    "jsonl": ("application/jsonl", write_json_lines),
}


async def _read_all(rt: Runtime, ctx: Context, wanted: Wanted) -> AsyncGenerator[list[Event], None]:
    """The newest first, as the actor of `ctx` may read them. What is written meanwhile is newer and not among them."""
    after: Place | None = None
    while True:
        async with TapScope(rt.plugins, ctx) as scope, rt.db.acquire() as conn:
            events = await hide_titles(scope, conn, await list_events(conn, wanted, after, CHUNK))
        if not events:
            return
        yield events
        after = Place(events[-1].at, events[-1].id)


def _write_rows(rows: Sequence[Sequence[str]]) -> bytes:
    file = io.StringIO()
    # Quoted, so that no program takes another sign for the end of a cell.
    csv.writer(file, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return file.getvalue().encode()


def _write_cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    text = orjson.dumps(value).decode() if isinstance(value, dict) else "" if value is None else str(value)
    return f"'{text}" if _BEFORE.sub("", text).startswith(_FORMULA) else text


def _find_path(event: Event) -> str:
    """Where the subject can be looked at, when it is still there."""
    known = {
        "item": "/item/{}",
        "plugin": "/admin/plugins/{}",
        "account": "/admin/people/{}",
        "job": "/job/{}",
    }
    is_whole = event.subject_kind in known and event.subject_id and not event.action.endswith(".delete")
    if event.subject_kind == "item" and not event.subject_label:
        return ""
    return known[event.subject_kind].format(event.subject_id) if is_whole else ""


def _show(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return orjson.dumps(value).decode() if isinstance(value, dict) else str(value)
