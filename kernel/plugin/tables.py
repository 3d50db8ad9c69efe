"""Reads the tables that a manifest declares, `[tables.NAME.columns]` and `[[tables.NAME.indexes]]`."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol, cast, get_args

from kernel.ids import parse_uuid
from kernel.names import has_forbidden_text, is_machine_name
from kernel.tap.capability import Column, ColumnKind, Index, Table

TABLES_MAX: Final = 20
COLUMNS_MAX: Final = 60
INDEXES_MAX: Final = 10
INDEX_COLUMNS_MAX: Final = 5
_DEFAULT_MAX: Final = 1_000

_KINDS: Final = get_args(ColumnKind)
_NAME_RULE: Final = "must hold a-z, 0-9 and _ only, and start with a letter"
# PostgreSQL keeps these for itself in every table.
_RESERVED: Final = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
_INTEGER_MAX: Final = 2**63


class Reading(Protocol):
    """The reader of the whole manifest, as far as tables need it: a place is a key in dotted form."""

    def table(self, data: Mapping[str, Any], place: str) -> Mapping[str, Any]: ...
    def check_keys(self, place: str, data: Mapping[str, Any], known: Iterable[str]) -> None: ...
    def complain(self, place: str, sentence: str, value: object = None) -> None: ...


def read_tables(reading: Reading, data: Mapping[str, Any]) -> dict[str, Table]:
    """Tables in which something is wrong are complained about, and left out or read as far as they can be."""
    if len(data) > TABLES_MAX:
        reading.complain("tables", f"{len(data)} tables are too many; a plugin has {TABLES_MAX} at most")
        return {}
    tables = {}
    for name in data:
        place = f"tables.{name}"
        content = reading.table(data, place)
        if not is_machine_name(name):
            reading.complain(place, f"table {name!r} {_NAME_RULE}")
            continue
        reading.check_keys(place, content, ("columns", "indexes"))
        columns = _read_columns(reading, place, reading.table(content, f"{place}.columns"))
        # Of a table that is none, or has another word for columns, it was said already.
        is_table = isinstance(data[name], Mapping) and content.keys() <= {"columns", "indexes"}
        if is_table and not content.get("columns"):
            reading.complain(
                place, f"table {name!r} has no columns; expected [{place}.columns] with one at least"
            )
        indexes = _read_indexes(reading, place, content.get("indexes", []), columns)
        tables[name] = Table(name, tuple(columns.values()), indexes)
    return tables


def _read_columns(reading: Reading, place: str, data: Mapping[str, Any]) -> dict[str, Column]:
    if len(data) > COLUMNS_MAX:
        reading.complain(
            f"{place}.columns", f"{len(data)} columns are too many; a table has {COLUMNS_MAX} at most"
        )
        return {}
    columns = {}
    for name, told in data.items():
        here = f"{place}.columns.{name}"
        if not is_machine_name(name):
            reading.complain(here, f"column {name!r} {_NAME_RULE}")
        elif name == "id":
            reading.complain(
                here, "column 'id' is there by itself, a UUID that the kernel makes; leave it out"
            )
        elif name in _RESERVED:
            reading.complain(here, f"column {name!r} has a name that PostgreSQL keeps for itself")
        else:
            columns[name] = _read_column(reading, here, name, told)
    return columns


def _read_column(reading: Reading, place: str, name: str, told: object) -> Column:
    given = told if isinstance(told, Mapping) else {"type": told}
    reading.check_keys(place, given, ("type", "required", "default"))
    kind, required, default = given.get("type"), given.get("required", False), given.get("default")
    if not isinstance(kind, str) or kind not in _KINDS:
        reading.complain(
            place, f"column {name!r} has the type {kind!r}; expected one of {', '.join(map(repr, _KINDS))}"
        )
        return Column(name, "text")
    if not isinstance(required, bool):
        reading.complain(place, f"required must be true or false, not {required!r}")
    fitting = cast("ColumnKind", kind)
    if default is not None and not _fits(fitting, default):
        reading.complain(place, f"default {default!r} is no {_DESCRIPTIONS[fitting]}")
        default = None
    return Column(name, fitting, required is True, default)


_DESCRIPTIONS: Final[Mapping[ColumnKind, str]] = {
    "text": f"text of at most {_DEFAULT_MAX:,} characters",
    "integer": "whole number of 64 bits",
    "number": "number",
    "boolean": "true or false",
    "time": 'time as text, with its offset, like "2026-03-01T10:00:00+00:00"',
    "uuid": 'UUID as text, like "0190a000-0000-7000-8000-000000000001"',
    "json": "list or table of plain values",
}


def _fits(kind: ColumnKind, default: object) -> bool:
    match kind:
        case "boolean":
            return isinstance(default, bool)
        case "integer":
            return type(default) is int and -_INTEGER_MAX <= default < _INTEGER_MAX
        case "number":
            return type(default) in (int, float) and math.isfinite(cast("float", default))
        case "json":
            return isinstance(default, list | dict) and _is_plain(default)
    if not isinstance(default, str) or len(default) > _DEFAULT_MAX or has_forbidden_text(default):
        return False
    if kind == "uuid":
        return parse_uuid(default) is not None
    return kind == "text" or _is_time(default)


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_plain(value: object) -> bool:
    """TOML knows times, which JSON does not."""
    if isinstance(value, dict):
        return all(_is_plain(part) for part in value.values())
    if isinstance(value, list):
        return all(_is_plain(part) for part in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int) and not (isinstance(value, str) and has_forbidden_text(value))


def _read_indexes(
    reading: Reading, place: str, data: object, columns: Mapping[str, Column]
) -> tuple[Index, ...]:
    place = f"{place}.indexes"
    if not isinstance(data, list) or not all(isinstance(entry, Mapping) for entry in data):
        reading.complain(place, f"indexes must be tables, each under [[{place}]]")
        return ()
    if len(data) > INDEXES_MAX:
        reading.complain(place, f"{len(data)} indexes are too many; a table has {INDEXES_MAX} at most")
        return ()
    indexes: list[Index] = []
    for number, entry in enumerate(data):
        here = f"{place}.{number}"
        reading.check_keys(here, entry, ("columns", "unique"))
        unique = entry.get("unique", False)
        if not isinstance(unique, bool):
            reading.complain(f"{here}.unique", f"unique must be true or false, not {unique!r}")
        index = Index(_read_index_columns(reading, f"{here}.columns", entry, columns), unique is True)
        if index in indexes:
            reading.complain(here, "this index stands there twice")
        elif index.columns:
            indexes.append(index)
    return tuple(indexes)


def _read_index_columns(
    reading: Reading, place: str, entry: Mapping[str, Any], columns: Mapping[str, Column]
) -> tuple[str, ...]:
    names = entry.get("columns", [])
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        reading.complain(place, f"columns must be a list of column names, not {names!r}")
        return ()
    if len(names) > INDEX_COLUMNS_MAX or len(set(names)) < len(names):
        reading.complain(place, f"columns must be {INDEX_COLUMNS_MAX} different ones at most")
        return ()
    for name in names:
        if name not in columns:
            known = ", ".join(map(repr, columns)) or "none"
            reading.complain(place, f"{name!r} is no column of this table; it has {known}", name)
        elif columns[name].kind == "json":
            reading.complain(place, f"{name!r} is a json column, which cannot be indexed", name)
    return tuple(name for name in names if name in columns)
