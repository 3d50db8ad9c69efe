"""Turns a listing into SQL with PyPika: every value is a bind parameter, every identifier stands in this file."""

from dataclasses import dataclass, field
from typing import Any

from pypika import Order, PostgreSQLQuery, Table
from pypika.functions import Count
from pypika.queries import QueryBuilder
from pypika.terms import Parameter

from kernel.context import Actor
from kernel.gather.model import COUNT_LIMIT, Gather
from kernel.item.access import may_see_unpublished
from kernel.item.store import ITEM_COLUMNS


@dataclass(slots=True)
class Query:
    """SQL text with `$n` parameters, and their values in order."""

    sql: str = ""
    arguments: list[Any] = field(default_factory=list)

    def bind(self, value: object) -> Any:
        """Its place in the text. Any, since PyPika's types know of no parameter where a number may stand."""
        self.arguments.append(value)
        return Parameter(f"${len(self.arguments)}")


def compile_rows(gather: Gather, actor: Actor, *, offset: int, limit: int) -> Query:
    """Items as the permissions of the actor's roles allow, with the columns that `kernel.item.store.read_item_row`
    reads."""
    query = Query()
    item, author = Table("item", alias="i"), Table("users", alias="u")
    builder = _filter(gather, actor, item, query).join(author).on(author.id == item.author_id)
    builder = builder.select(*(item[column] for column in ITEM_COLUMNS), author.name.as_("author_name"))
    order = Order.desc if gather.descending else Order.asc
    if gather.sticky_first:
        builder = builder.orderby(item.sticky, order=Order.desc)
    builder = builder.orderby(item[gather.sort], order=order).orderby(item.id, order=order)
    builder = builder.limit(query.bind(limit)).offset(query.bind(offset))
    query.sql = builder.get_sql()
    return query


def compile_count(gather: Gather, actor: Actor) -> Query:
    """How many there are, without counting far beyond COUNT_LIMIT."""
    query = Query()
    item = Table("item", alias="i")
    bounded = _filter(gather, actor, item, query).select(item.id).limit(query.bind(COUNT_LIMIT + 1))
    query.sql = PostgreSQLQuery.from_(bounded.as_("found")).select(Count("*")).get_sql()
    return query


def _filter(gather: Gather, actor: Actor, item: Table, query: Query) -> QueryBuilder:
    builder = PostgreSQLQuery.from_(item)
    if gather.published_only:
        builder = builder.where(item.status == query.bind(1))
    elif gather.status is not None:
        builder = builder.where(item.status == query.bind(gather.status))
    if not gather.published_only and not may_see_unpublished(actor):
        builder = builder.where((item.status == query.bind(1)) | (item.author_id == query.bind(actor.id)))
    if gather.title_contains:
        builder = builder.where(item.title.ilike(query.bind(f"%{escape_like(gather.title_contains)}%")))
    if len(gather.types) == 1:
        builder = builder.where(item.type == query.bind(gather.types[0]))
    elif gather.types:
        builder = builder.where(item.type.isin([query.bind(name) for name in gather.types]))
    if gather.promoted_only:
        builder = builder.where(item.promote == query.bind(True))  # a value to bind
    return builder


def escape_like(text: str) -> str:
    """The text as a LIKE pattern that matches only itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
