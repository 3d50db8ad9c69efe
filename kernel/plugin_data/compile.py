"""Turns a checked question about a plugin's tables into SQL with PyPika: every value is a bind parameter."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pypika import CustomFunction, PostgreSQLQuery, Table
from pypika import Order as Direction
from pypika.enums import JoinType
from pypika.functions import Count
from pypika.terms import Criterion, Parameter

from kernel.plugin_data.model import Change, Condition, Delete, Field, Insert, Select, Update, Where

_ANY: Final = CustomFunction("ANY", ["values"])


def name_schema(plugin: str) -> str:
    """The PostgreSQL schema that holds the plugin's tables."""
    return f"plugin_{plugin}"


@dataclass(slots=True)
class Statement:
    """SQL text with `$n` parameters, and their values in order."""

    sql: str = ""
    arguments: list[Any] = field(default_factory=list)

    def bind(self, value: object) -> Any:
        """Its place in the text. Any, since PyPika's types know of no parameter where a number may stand."""
        self.arguments.append(value)
        return Parameter(f"${len(self.arguments)}")


def compile_select(plugin: str, select: Select) -> Statement:
    """Columns in the order of `select.fields`; one number where rows are counted. Rows that are alike in what is asked
    for come in the order of their ids, so that pages of them do not overlap."""
    statement = Statement()
    tables = [_table(plugin, select.table, 0)]
    builder = PostgreSQLQuery.from_(tables[0])
    for number, join in enumerate(select.joins, 1):
        joined = _table(plugin, join.table, number)
        on = Criterion.all([joined[column] == _column(tables, other) for column, other in join.on])
        builder = builder.join(joined, JoinType.left if join.is_left else JoinType.inner).on(on)
        tables.append(joined)
    where = _where(tables, select.where, statement)
    if where is not None:
        builder = builder.where(where)
    if select.is_count:
        statement.sql = builder.select(Count("*")).get_sql()
        return statement
    builder = builder.select(*(_column(tables, one) for one in select.fields))
    for order in select.order_by:
        direction = Direction.desc if order.is_descending else Direction.asc
        builder = builder.orderby(_column(tables, order.field), order=direction)
    builder = builder.orderby(*(table.id for table in tables))
    builder = builder.limit(statement.bind(select.limit)).offset(statement.bind(select.offset))
    statement.sql = builder.get_sql()
    return statement


def compile_change(plugin: str, change: Change) -> Statement:
    statement = Statement()
    # Without an alias, which SQL does not allow in front of a column that is set.
    table = Table(change.table, schema=name_schema(plugin))
    match change:
        case Insert():
            values = {"id": change.id, **change.values}
            builder = PostgreSQLQuery.into(table).columns(*values)
            statement.sql = builder.insert(*(statement.bind(value) for value in values.values())).get_sql()
            return statement
        case Update():
            builder = PostgreSQLQuery.update(table)
            for name, value in change.values.items():
                builder = builder.set(table[name], statement.bind(value))
        case Delete():
            builder = PostgreSQLQuery.from_(table).delete()
    where = _where([table], change.where, statement)
    statement.sql = (builder if where is None else builder.where(where)).get_sql()
    return statement


def _table(plugin: str, name: str, number: int) -> Table:
    return Table(name, schema=name_schema(plugin), alias=f"t{number}")


def _column(tables: Sequence[Table], one: Field) -> Any:
    return tables[one.table][one.column]


def _where(tables: Sequence[Table], where: Where, statement: Statement) -> Any:
    """None where there is no condition."""
    if isinstance(where, Condition):
        return _condition(tables, where, statement)
    parts = [part for one in where.parts if (part := _where(tables, one, statement)) is not None]
    if not parts:
        return None
    return Criterion.any(parts) if where.is_any else Criterion.all(parts)


def _condition(tables: Sequence[Table], condition: Condition, statement: Statement) -> Any:
    column, value = _column(tables, condition.field), condition.value
    match condition.operator:
        case "is null":
            return column.isnull()
        case "is not null":
            return column.isnotnull()
        case "in":
            return column == _ANY(statement.bind(list(value)))
        case "contains":
            return column.ilike(statement.bind(f"%{_escape_like(value)}%"))
        case "starts_with":
            return column.ilike(statement.bind(f"{_escape_like(value)}%"))
        case "=":
            return column == statement.bind(value)
        case "!=":
            return column != statement.bind(value)
        case "<":
            return column < statement.bind(value)
        case "<=":
            return column <= statement.bind(value)
        case ">":
            return column > statement.bind(value)
        case ">=":
            return column >= statement.bind(value)


def _escape_like(text: str) -> str:
    """As a pattern that matches only itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
