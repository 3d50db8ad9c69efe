"""An item as one line of JSON: what an export writes and an import reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson

from kernel.batch.lines import LINE_MAX, count_bytes
from kernel.ids import parse_uuid
from kernel.item.model import Item
from kernel.names import has_forbidden_text

# Stands in a file of refused lines, and says what to mend in the line; an import reads over it.
REFUSED_KEY: Final = "_refused"
KEYS: Final = (
    "id",
    "type",
    "title",
    "author",
    "status",
    "promote",
    "sticky",
    "created",
    "changed",
    "fields",
)
_SHOWN: Final = 64


class LineError(Exception):
    """Why a line is refused, as a sentence that names the key."""


@dataclass(frozen=True, slots=True)
class ItemLine:
    """What stands in a line. Title and fields are as given and unchecked; `author` is None where none is named."""

    id: UUID | None
    type: str
    title: Any
    fields: Any
    author: str | None
    status: int
    promote: bool
    sticky: bool
    created: datetime | None
    changed: datetime | None


def make_id(root: UUID, number: int) -> UUID:
    """The id of the item of a line that names none: the same whenever that line of that import is tried, so that it
    comes in once. It sorts by the time of the import, then by the number of the line."""
    digest = int.from_bytes(sha256(root.bytes + number.to_bytes(8)).digest()[:5])
    rest = number << 40 | digest
    value = (root.int >> 80) << 80 | 0x7 << 76 | (rest >> 62 & 0xFFF) << 64
    return UUID(int=value | 0b10 << 62 | rest & 0x3FFFFFFFFFFFFFFF)


def write_line(item: Item) -> bytes:
    """Without a line break."""
    return orjson.dumps(
        {
            "id": item.id,
            "type": item.type,
            "title": item.title,
            "author": item.author_name,
            "status": item.is_published,
            "promote": item.promote,
            "sticky": item.sticky,
            "created": item.created,
            "changed": item.changed,
            "fields": item.fields,
        }
    )


def read_line(text: str, default_type: str) -> ItemLine:
    """Raises LineError. `default_type` is that of lines that name none."""
    data = _parse(text)
    unknown = [key for key in data if key not in KEYS and key != REFUSED_KEY]
    if unknown:
        raise LineError(f"There is no key {_quote(unknown[0])}. A line has: {', '.join(KEYS)}.")
    return ItemLine(
        id=_read_id(data.get("id")),
        type=_read_type(data.get("type"), default_type),
        title=data.get("title"),
        fields=data.get("fields", {}),
        author=_read_author(data.get("author")),
        status=int(_read_flag(data, "status", default=True)),
        promote=_read_flag(data, "promote", default=False),
        sticky=_read_flag(data, "sticky", default=False),
        created=_read_time(data, "created"),
        changed=_read_time(data, "changed"),
    )


def _parse(text: str) -> dict[str, Any]:
    if count_bytes(text) > LINE_MAX:
        raise LineError(f"The line is too long: {LINE_MAX:,} bytes is the most.")
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise LineError(f"This is not JSON: {error.msg}, at character {error.colno}.") from None
    if not isinstance(data, dict):
        raise LineError('A line must be a JSON object, such as {"type": "page", "title": "About us"}.')
    return data


def _read_id(value: object) -> UUID | None:
    if value is None:
        return None
    item_id = parse_uuid(value) if isinstance(value, str) else None
    if item_id is None:
        raise LineError("id must be a UUID in its usual form. Leave it out to have one made.")
    return item_id


def _read_type(value: object, default: str) -> str:
    if value is None and default:
        return default
    if not isinstance(value, str) or not value:
        raise LineError("type must name an item type.")
    return value


def _read_author(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or has_forbidden_text(value):
        raise LineError("author must be the name of an account.")
    return value


def _read_flag(data: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = data.get(key, default)
    if not isinstance(value, bool):
        raise LineError(f"{key} must be true or false.")
    return value


def _read_time(data: Mapping[str, Any], key: str) -> datetime | None:
    value = data.get(key)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise LineError(f"{key} must be a moment with its time zone, such as 2026-03-31T12:00:00+00:00.")


def _quote(text: str) -> str:
    return repr(text[:_SHOWN])


def write_refused(number: int, message: str, content: str) -> bytes:
    """The refused line for the error file: as it was given, with what is wrong under a key of its own, so that it
    can be mended where it stands and imported again. What is no JSON object is held as text."""
    note = orjson.dumps({"line": number, "message": message})
    rest = _find_body(content)[1:].lstrip()
    comma = b"" if rest.startswith("}") else b", "
    return b'{"' + REFUSED_KEY.encode() + b'": ' + note + comma + rest.encode()


def _find_body(content: str) -> str:
    """A JSON object: the line itself where it is one, letter for letter, without a note of an earlier time."""
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        return orjson.dumps({"text": content}).decode()
    if data.pop(REFUSED_KEY, None) is not None:
        return orjson.dumps(data).decode()
    return content.strip()
