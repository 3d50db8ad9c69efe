"""Values of a plugin's columns on their way in from JSON and out to it."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from kernel.ids import parse_uuid
from kernel.sandbox.host import HostError
from kernel.tap.capability import ColumnKind

TEXT_MAX: Final = 100_000
_INTEGER_MAX: Final = 2**63


def read_value(kind: ColumnKind, value: Any, place: str) -> Any:
    """What the database takes for it. Raises HostError that names the place; None is for the caller to judge."""
    try:
        return _READERS[kind](value)
    except (ValueError, OverflowError):
        code = "too-large" if isinstance(value, str) and len(value) > TEXT_MAX else "bad-payload"
        raise HostError(code, f"{place} must be {_DESCRIPTIONS[kind]}.") from None


def show_value(value: Any) -> Any:
    """As JSON has it: a time as text in UTC, an id as text, anything else as it is."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, UUID) else value


def _read_text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        raise ValueError
    return value


def _read_integer(value: Any) -> int:
    # A boolean is an integer to Python and to nobody else.
    if type(value) is not int or not -_INTEGER_MAX <= value < _INTEGER_MAX:
        raise ValueError
    return value


def _read_number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _read_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004  # every misfit is told alike
    return value


def _read_time(value: Any) -> datetime:
    moment = datetime.fromisoformat(_read_text(value))
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _read_uuid(value: Any) -> UUID:
    found = parse_uuid(_read_text(value))
    if found is None:
        raise ValueError
    return found


_READERS: Final[Mapping[ColumnKind, Callable[[Any], Any]]] = {
    "text": _read_text,
    "integer": _read_integer,
    "number": _read_number,
    "boolean": _read_boolean,
    "time": _read_time,
    "uuid": _read_uuid,
    "json": lambda value: value,
}
_DESCRIPTIONS: Final[Mapping[ColumnKind, str]] = {
    "text": f"text of at most {TEXT_MAX:,} characters",
    "integer": "a whole number of 64 bits",
    "number": "a number",
    "boolean": "true or false",
    "time": 'a time as text, with its offset, like "2026-03-01T10:00:00+00:00"',
    "uuid": 'a UUID as text, in small letters, like "0190a000-0000-7000-8000-000000000001"',
    "json": "a JSON value",
}
