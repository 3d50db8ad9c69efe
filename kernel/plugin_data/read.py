"""Reads what a plugin asks of its tables: JSON in, checked values out, or a refusal that says what to mend."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from kernel.names import is_machine_name
from kernel.plugin_data.model import Delete, Field, Insert, Join, Order, Select, Update
from kernel.plugin_data.values import read_value
from kernel.plugin_data.where import Scope, read_where
from kernel.sandbox.host import HostError
from kernel.tap.capability import Column, Table
from kernel.tap.wire import PluginDataError, read_json

# In characters of JSON: a query, or a row.
DOCUMENT_MAX: Final = 200_000
LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1_000
OFFSET_MAX: Final = 100_000
JOINS_MAX: Final = 4
ORDERS_MAX: Final = 5
_SHOWN: Final = 64

Tables = Mapping[str, Table]
T = TypeVar("T")


def read_document(text: str) -> Any:
    """Raises HostError for what is too long, or no JSON that can be stored."""
    if len(text) > DOCUMENT_MAX:
        raise HostError("too-large", f"A query, or a row, may have {DOCUMENT_MAX:,} characters of JSON.")
    try:
        return read_json(text)
    except PluginDataError as mistake:
        raise HostError("bad-payload", f"What was sent is {mistake}.") from None


def read_select(tables: Tables, data: Any) -> Select:
    """Raises HostError."""
    known = ("table", "fields", "joins", "conditions", "order_by", "limit", "offset", "count")
    query = _read_object(data, "The query", known)
    table = get_table(tables, query.get("table"))
    scope = Scope(table)
    joins = _read_joins(tables, scope, query.get("joins", []))
    where = read_where(scope, query.get("conditions", []))
    if _read_flag(query, "count"):
        for key in ("fields", "order_by", "limit", "offset"):
            if key in query:
                raise HostError("bad-payload", f"{key} means nothing where rows are only counted.")
        return Select(table.name, (), joins, where, (), 1, 0)
    names = _read_texts(query, "fields") if "fields" in query else scope.names_of_first()
    if not names:
        raise HostError(
            "bad-payload", "fields must name one field at least; leave it out for all of the table."
        )
    return Select(
        table.name,
        tuple(scope.find(name) for name in names),
        joins,
        where,
        _read_order(scope, query),
        _read_number(query, "limit", LIMIT_DEFAULT, 1, LIMIT_MAX),
        _read_number(query, "offset", 0, 0, OFFSET_MAX),
    )


def read_insert(tables: Tables, table_name: object, data: Any, row_id: UUID) -> Insert:
    """Raises HostError. What the row leaves out gets its default."""
    table = get_table(tables, table_name)
    row = _read_object(data, "The row")
    values = _read_values(table, row)
    for column in table.columns:
        if column.name not in row and column.default is not None:
            values[column.name] = read_value(column.kind, column.default, _name_column(table, column))
        elif column.required and values.get(column.name) is None:
            raise HostError("bad-payload", f"{_name_column(table, column)} must have a value.")
    return Insert(table.name, row_id, values)


def read_update(tables: Tables, data: Any) -> Update:
    """Raises HostError. The conditions must be there, since a forgotten one would change every row."""
    query = _read_object(data, "The query", ("table", "values", "conditions"))
    table = get_table(tables, query.get("table"))
    row = _read_object(query.get("values"), "values")
    values = _read_values(table, row)
    if not values:
        raise HostError("bad-payload", "values must name one column at least.")
    for column in table.columns:
        if column.required and column.name in values and values[column.name] is None:
            raise HostError("bad-payload", f"{_name_column(table, column)} must have a value.")
    return Update(table.name, values, read_where(Scope(table), _need(query, "conditions")))


def read_delete(tables: Tables, data: Any) -> Delete:
    """Raises HostError."""
    query = _read_object(data, "The query", ("table", "conditions"))
    table = get_table(tables, query.get("table"))
    return Delete(table.name, read_where(Scope(table), _need(query, "conditions")))


def get_table(tables: Tables, name: object) -> Table:
    """Raises HostError."""
    table = tables.get(name) if isinstance(name, str) else None
    if table is None:
        known = ", ".join(map(repr, tables)) or "none"
        raise HostError(
            "no-such-table", f"This plugin's manifest declares no table {_show(name)}; it declares {known}."
        )
    return table


def make_away_error(table: str) -> HostError:
    """What a plugin is told whose tables are declared and not made."""
    return HostError(
        "not-available",
        f"Table {table!r} is not there yet: tables are made when a plugin is installed or upgraded.",
    )


def _read_values(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    columns = {column.name: column for column in table.columns}
    values = {}
    for name, value in row.items():
        if name == "id":
            raise HostError("bad-payload", "The kernel makes the id of a row, and nobody changes it.")
        column = columns.get(name)
        if column is None:
            raise HostError(
                "bad-payload",
                f"Table {table.name!r} has no column {_show(name)}; it has {', '.join(map(repr, columns))}.",
            )
        place = _name_column(table, column)
        values[name] = None if value is None else read_value(column.kind, value, place)
    return values


def _read_joins(tables: Tables, scope: Scope, data: Any) -> tuple[Join, ...]:
    if not isinstance(data, list) or len(data) > JOINS_MAX:
        raise HostError("bad-payload", f"joins must be a list of at most {JOINS_MAX}.")
    return tuple(_read_join(tables, scope, entry) for entry in data)


def _read_join(tables: Tables, scope: Scope, data: Any) -> Join:
    told = _read_object(data, "A join", ("table", "as", "on", "left"))
    table = get_table(tables, told.get("table"))
    alias = told.get("as", table.name)
    if not isinstance(alias, str) or not is_machine_name(alias):
        raise HostError("bad-payload", f"as must hold a-z, 0-9 and _ only, not {_show(alias)}.")
    on = _read_object(told.get("on"), "on")
    if not on or len(on) > JOINS_MAX:
        raise HostError(
            "bad-payload", f'on must hold 1 to {JOINS_MAX} pairs, {{"column of the joined table": "field"}}.'
        )
    # What stands on the right of a pair is a field of a table before this one, so it is looked up first.
    earlier = [scope.find(name) for name in on.values()]
    scope.add(alias, table)
    pairs: list[tuple[str, Field]] = []
    for name, field in zip(on, earlier, strict=True):
        own = scope.find(f"{alias}.{name}")
        if own.kind != field.kind or own.kind == "json":
            raise HostError(
                "bad-payload",
                f"{own.name} is {own.kind} and {field.name} is {field.kind}: they cannot be joined.",
            )
        pairs.append((own.column, field))
    return Join(table.name, tuple(pairs), _read_flag(told, "left"))


def _read_order(scope: Scope, query: Mapping[str, Any]) -> tuple[Order, ...]:
    names = _read_texts(query, "order_by")
    if len(names) > ORDERS_MAX:
        raise HostError("bad-payload", f"order_by may name {ORDERS_MAX} fields at most.")
    orders = []
    for name in names:
        field = scope.find(name.removeprefix("-"))
        if field.kind == "json":
            raise HostError("bad-payload", f"{field.name} is a json column, which has no order.")
        orders.append(Order(field, name.startswith("-")))
    return tuple(orders)


def _read_object(data: Any, what: str, known: Iterable[str] | None = None) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise HostError("bad-payload", f"{what} must be a JSON object.")
    for key in data:
        if known is not None and key not in known:
            raise HostError("bad-payload", f"{what} has no {_show(key)}; it may have {', '.join(known)}.")
    return data


def _need(query: Mapping[str, Any], key: str) -> Any:
    if key not in query:
        raise HostError("bad-payload", f"{key} is missing; an empty list means every row.")
    return query[key]


def _read_texts(query: Mapping[str, Any], key: str) -> list[str]:
    value = query.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise HostError("bad-payload", f"{key} must be a list of texts.")
    return value


def _read_flag(query: Mapping[str, Any], key: str) -> bool:
    value = query.get(key, False)
    if not isinstance(value, bool):
        raise HostError("bad-payload", f"{key} must be true or false.")
    return value


def _read_number(query: Mapping[str, Any], key: str, default: int, least: int, most: int) -> int:
    value = query.get(key, default)
    if type(value) is not int or not least <= value <= most:
        raise HostError("bad-payload", f"{key} must be a whole number from {least} to {most:,}.")
    return value


def _name_column(table: Table, column: Column) -> str:
    return f"Column {column.name!r} of table {table.name!r}"


def _show(value: object) -> str:
    return repr(value)[:_SHOWN]
