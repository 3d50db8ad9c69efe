"""The plugin's own tables, which its manifest declares under [tables].

A row is a dict with the names of the columns, and `id`. Times and ids are text in it; given to a function here, a
`datetime` with its offset and a `UUID` may stand for them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from trovato_sdk.kernel import Err
from trovato_sdk.kernel import db as _db
from trovato_sdk.refusal import RefusedError, read_refusal

Operator: TypeAlias = Literal[
    "=", "!=", "<", "<=", ">", ">=", "in", "is null", "is not null", "contains", "starts_with"
]
Row: TypeAlias = dict[str, Any]
Condition: TypeAlias = tuple[str, Operator, Any] | dict[str, Any]
Where: TypeAlias = Mapping[str, Any] | Sequence[Condition]


class DbError(RefusedError):
    """The kernel did not do it. `code` is "bad-payload", "no-such-table", "too-large", "conflict" (a unique index has
    the value already), "not-available" (also before the tables are made), "refused-capability", "host-error"."""


def any_of(*conditions: Condition) -> Condition:
    """Holds when one of them holds: `any_of(("done", "=", False), ("due", "<", now))`."""
    return {"any": [_encode_condition(condition) for condition in conditions]}


def all_of(*conditions: Condition) -> Condition:
    """Holds when all of them hold; for within `any_of`, since conditions of a query all hold anyway."""
    return {"all": [_encode_condition(condition) for condition in conditions]}


def join(table: str, on: Mapping[str, str], *, name: str | None = None, left: bool = False) -> dict[str, Any]:
    """Another table of the plugin beside the first: `join("person", {"id": "person_id"})` pairs a column of the
    joined table with a field that the query knows already. Its fields are then called `person.name`.

    `name` is another name for it in the query, and with `left` rows without a match stay, with None in its fields.
    """
    told: dict[str, Any] = {"table": table, "on": dict(on), "left": left}
    if name is not None:
        told["as"] = name
    return told


def select(
    table: str,
    *,
    where: Where = (),
    fields: Sequence[str] | None = None,
    joins: Iterable[Mapping[str, Any]] = (),
    order_by: Sequence[str] = (),
    limit: int = 100,
    offset: int = 0,
) -> list[Row]:
    """The rows for which all conditions hold.

    `where` is `{"item_id": item.id}`, or a list of `(field, operator, value)`; a field that is asked to be None is
    empty. `contains` and `starts_with` do not look at capital letters. `fields` are all of the table, unless they are
    named. `order_by` names fields, with "-" in front for the largest first; what is alike comes as it was inserted. At
    most 1,000 rows, and 900,000 bytes of them, in one answer.

    What this tap, or an earlier one of the same job, wrote is seen; what a request asked to have written is not there
    yet. Raises DbError.
    """
    query: dict[str, Any] = {
        "table": table,
        "conditions": _encode_where(where),
        "joins": list(joins),
        "order_by": list(order_by),
        "limit": limit,
        "offset": offset,
    }
    if fields is not None:
        query["fields"] = list(fields)
    rows: list[Row] = json.loads(_call("select", _encode(query)))
    return rows


def find(table: str, row_id: str | UUID) -> Row | None:
    """The row with that id. Raises DbError."""
    rows = select(table, where={"id": row_id}, limit=1)
    return rows[0] if rows else None


def count(table: str, *, where: Where = (), joins: Iterable[Mapping[str, Any]] = ()) -> int:
    """How many rows there are for which all conditions hold. Raises DbError."""
    query = {"table": table, "conditions": _encode_where(where), "joins": list(joins), "count": True}
    number: int = json.loads(_call("select", _encode(query)))[0]["count"]
    return number


def insert(table: str, values: Mapping[str, Any]) -> str:
    """The id of the new row. A column that is left out gets its default, or stays empty.

    In a request the row comes a moment later, and its id is known at once. Raises DbError.
    """
    try:
        return _db.insert(table, _encode(dict(values)))
    except Err as refusal:
        raise DbError(*read_refusal(refusal)) from None


def update(table: str, values: Mapping[str, Any], *, where: Where) -> int | None:
    """How many rows were changed; None in a request, where it happens a moment later. An empty `where` means every row.

    Raises DbError.
    """
    query = {"table": table, "values": dict(values), "conditions": _encode_where(where)}
    number: int | None = json.loads(_call("update", _encode(query)))
    return number


def delete(table: str, *, where: Where) -> int | None:
    """How many rows were removed; None in a request, where it happens a moment later. An empty `where` means every row.

    Raises DbError.
    """
    query = {"table": table, "conditions": _encode_where(where)}
    number: int | None = json.loads(_call("delete", _encode(query)))
    return number


def _call(function: Literal["select", "update", "delete"], query_json: str) -> str:
    try:
        match function:
            case "select":
                return _db.select(query_json)
            case "update":
                return _db.update(query_json)
            case "delete":
                return _db.delete(query_json)
    except Err as refusal:
        raise DbError(*read_refusal(refusal)) from None


def _encode_where(where: Where) -> list[dict[str, Any]]:
    if isinstance(where, Mapping):
        return [_encode_equal(field, value) for field, value in where.items()]
    return [_encode_condition(condition) for condition in where]


def _encode_equal(field: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {"field": field, "op": "is null"}
    return {"field": field, "op": "=", "value": value}


def _encode_condition(condition: Condition) -> dict[str, Any]:
    if isinstance(condition, dict):
        return condition
    field, operator, value = condition
    if operator in ("is null", "is not null"):
        return {"field": field, "op": operator}
    return {"field": field, "op": operator, "value": list(value) if operator == "in" else value}


def _encode(value: Any) -> str:
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_encode_value
    )


def _encode_value(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot stand in a table")
