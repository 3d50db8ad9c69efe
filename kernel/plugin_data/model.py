"""What a plugin asks of its own tables, checked: no name stands in it that its manifest does not declare."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

from kernel.tap.capability import ColumnKind

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "is null", "is not null", "contains", "starts_with"]


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the table that is asked, number 0, or of one that was joined to it. `name` is the plugin's."""

    table: int
    column: str
    kind: ColumnKind
    name: str


@dataclass(frozen=True, slots=True)
class Condition:
    """`value` is what the database takes; a tuple for `in`, None where the operator needs none."""

    field: Field
    operator: Operator
    value: Any = None


@dataclass(frozen=True, slots=True)
class Group:
    """All of its parts hold, or with `is_any` at least one."""

    is_any: bool
    parts: tuple["Condition | Group", ...]


Where: TypeAlias = Condition | Group


@dataclass(frozen=True, slots=True)
class Join:
    """`on` pairs a column of the joined table with a field of one before it. `is_left` keeps rows without a match."""

    table: str
    on: tuple[tuple[str, Field], ...]
    is_left: bool


@dataclass(frozen=True, slots=True)
class Order:
    field: Field
    is_descending: bool


@dataclass(frozen=True, slots=True)
class Select:
    """`fields` is empty where rows are only counted."""

    table: str
    fields: tuple[Field, ...]
    joins: tuple[Join, ...]
    where: Where
    order_by: tuple[Order, ...]
    limit: int
    offset: int

    @property
    def is_count(self) -> bool:
        return not self.fields

    @property
    def tables(self) -> frozenset[str]:
        return frozenset({self.table, *(join.table for join in self.joins)})


@dataclass(frozen=True, slots=True)
class Insert:
    table: str
    id: UUID
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Update:
    table: str
    values: Mapping[str, Any]
    where: Where


@dataclass(frozen=True, slots=True)
class Delete:
    table: str
    where: Where


Change: TypeAlias = Insert | Update | Delete
