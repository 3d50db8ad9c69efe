"""A stand-in for the database, for `TestKernel`: tables in memory that answer as the kernel's do."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import ge, gt, le, lt, ne
from typing import Any, Final
from uuid import UUID

from trovato_sdk.kernel import Err

Columns = Mapping[str, str | Mapping[str, Any]]
Row = dict[str, Any]
# What a query sees of one candidate: fields by their names in it.
_View = dict[str, Any]

_LIMIT: Final = 100
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
    "in": lambda value, choices: value in choices,
    "contains": lambda value, part: part.lower() in value.lower(),
    "starts_with": lambda value, part: value.lower().startswith(part.lower()),
}


class Tables:
    """`columns` by table, each as in the manifest: `{"votes": {"item_id": "uuid", "stars": {"type": "integer",
    "required": True}}}`. `rows` by table and id, in the order in which they came."""

    def __init__(self, columns: Mapping[str, Columns], rows: dict[str, dict[str, Row]]) -> None:
        self._columns = columns
        self._rows = rows
        self._made = 0

    def select(self, query_json: str) -> str:
        query = json.loads(query_json)
        table = query["table"]
        names = ["id", *self._get_columns(table)]
        views: list[_View] = [
            {name: row.get(name) for name in names} | {f"{table}.{name}": row.get(name) for name in names}
            for row in self._get_rows(table).values()
        ]
        for told in query.get("joins", []):
            views = [joined for view in views for joined in self._join(told, view)]
        found = [view for view in views if _holds_all(query.get("conditions", []), view)]
        if query.get("count"):
            return json.dumps([{"count": len(found)}])
        for name in reversed(query.get("order_by", [])):
            field = name.removeprefix("-")
            found.sort(key=partial(_order, field=field), reverse=name.startswith("-"))
        start = query.get("offset", 0)
        fields = query.get("fields", names)
        page = found[start : start + query.get("limit", _LIMIT)]
        return json.dumps([{field: _get(view, field) for field in fields} for view in page])

    def insert(self, table: str, data_json: str) -> str:
        given = self._check(table, json.loads(data_json))
        row: Row = {}
        for name, told in self._get_columns(table).items():
            column = {"type": told} if isinstance(told, str) else told
            row[name] = given[name] if name in given else column.get("default")
            if row[name] is None and column.get("required"):
                raise _refuse("bad-payload", f"Column {name!r} of table {table!r} must have a value.")
        self._made += 1
        row_id = str(UUID(int=self._made))
        self._get_rows(table)[row_id] = {"id": row_id, **row}
        return row_id

    def update(self, query_json: str) -> str:
        query = json.loads(query_json)
        values = self._check(query["table"], query["values"])
        found = self._find(query)
        for row in found:
            row.update(values)
        return str(len(found))

    def delete(self, query_json: str) -> str:
        query = json.loads(query_json)
        found = self._find(query)
        for row in found:
            del self._get_rows(query["table"])[row["id"]]
        return str(len(found))

    def _find(self, query: Mapping[str, Any]) -> list[Row]:
        return [
            row for row in self._get_rows(query["table"]).values() if _holds_all(query["conditions"], row)
        ]

    def _join(self, told: Mapping[str, Any], view: _View) -> Iterator[_View]:
        table = told["table"]
        alias = told.get("as", table)
        names = ["id", *self._get_columns(table)]
        found = False
        for row in self._get_rows(table).values():
            pairs = [(row.get(column), _get(view, field)) for column, field in told["on"].items()]
            if all(own is not None and own == other for own, other in pairs):
                found = True
                yield view | {f"{alias}.{name}": row.get(name) for name in names}
        if told.get("left") and not found:
            yield view | dict.fromkeys(f"{alias}.{name}" for name in names)

    def _check(self, table: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        columns = self._get_columns(table)
        for name in values:
            if name not in columns:
                known = ", ".join(map(repr, columns))
                raise _refuse("bad-payload", f"Table {table!r} has no column {name!r}; it has {known}.")
        return values

    def _get_columns(self, table: str) -> Columns:
        if table not in self._columns:
            known = ", ".join(map(repr, self._columns)) or "none"
            raise _refuse("no-such-table", f"There is no table {table!r}; there are {known}.")
        return self._columns[table]

    def _get_rows(self, table: str) -> dict[str, Row]:
        self._get_columns(table)
        return self._rows.setdefault(table, {})


def _holds_all(conditions: list[dict[str, Any]], view: _View) -> bool:
    return all(_holds(condition, view) for condition in conditions)


def _holds(condition: Mapping[str, Any], view: _View) -> bool:
    if "any" in condition:
        return any(_holds(part, view) for part in condition["any"])
    if "all" in condition:
        return all(_holds(part, view) for part in condition["all"])
    value, operator = _get(view, condition["field"]), condition.get("op", "=")
    if operator in ("is null", "is not null"):
        return (value is None) is (operator == "is null")
    # What is empty is neither equal to anything nor different from it.
    if value is None:
        return False
    if operator == "=":
        return bool(value == condition["value"])
    if operator not in _COMPARE:
        raise _refuse("bad-payload", f"There is no op {operator!r}.")
    return _COMPARE[operator](value, condition["value"])


def _order(view: _View, field: str) -> tuple[bool, Any]:
    """As PostgreSQL has it, what is empty is larger than all else."""
    value = _get(view, field)
    return (True, 0) if value is None else (False, value)


def _get(view: _View, field: str) -> Any:
    if field not in view:
        raise _refuse("bad-payload", f"There is no field {field!r}. There are {', '.join(view)}.")
    return view[field]


def _refuse(code: str, message: str) -> Err:
    return Err(json.dumps({"code": code, "message": message}))
