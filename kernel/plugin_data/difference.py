"""What has to be done to a plugin's tables so that they are those that its manifest declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from kernel.tap.capability import Column, Index, Table


@dataclass(frozen=True, slots=True)
class CreateTable:
    """With its columns; its indexes are changes of their own."""

    table: Table

    def __str__(self) -> str:
        return f"table '{self.table.name}' is made"


@dataclass(frozen=True, slots=True)
class AddColumn:
    """Rows that stand already get the column's default; where it is required, so do those that a version inserts which
    does not know the column."""

    table: str
    column: Column

    def __str__(self) -> str:
        return f"table '{self.table}' gets the column '{self.column.name}'"


@dataclass(frozen=True, slots=True)
class Require:
    """Rows without a value get the default first, where there is one."""

    table: str
    column: Column

    def __str__(self) -> str:
        return f"column '{self.column.name}' of table '{self.table}' must have a value from now on"


@dataclass(frozen=True, slots=True)
class Relax:
    table: str
    column: str

    def __str__(self) -> str:
        return f"column '{self.column}' of table '{self.table}' may be empty from now on"


@dataclass(frozen=True, slots=True)
class AddIndex:
    table: str
    index: Index

    def __str__(self) -> str:
        unique = "unique index" if self.index.unique else "index"
        return f"table '{self.table}' gets the {unique} over {', '.join(self.index.columns)}"


@dataclass(frozen=True, slots=True)
class DropIndex:
    table: str
    index: Index

    def __str__(self) -> str:
        return f"table '{self.table}' loses the index over {', '.join(self.index.columns)}"


Change: TypeAlias = CreateTable | AddColumn | Require | Relax | AddIndex | DropIndex


@dataclass(frozen=True, slots=True)
class Difference:
    """Both in the order in which they are made: `changes` suit the version that ran before as well, `later` are those
    that its writes might fail at, or that it relies on. `kept` says what nobody declares any more and stays with its
    data, `refused` what cannot be done; with any of that, nothing is."""

    changes: tuple[Change, ...] = ()
    later: tuple[Change, ...] = ()
    kept: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    changes: list[Change] = field(default_factory=list)
    later: list[Change] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def compare_tables(old: Mapping[str, Table], new: Mapping[str, Table]) -> Difference:
    """Nothing is ever removed but indexes: data that a new version does not declare may be wanted by the next."""
    found = _Found()
    for name in old.keys() - new.keys():
        found.kept.append(f"Table '{name}' is not declared any more. It is kept with its rows.")
    for name, table in new.items():
        before = old.get(name)
        if before is None:
            found.changes.append(CreateTable(table))
            found.changes.extend(AddIndex(name, index) for index in table.indexes)
        else:
            _compare_table(before, table, found)
    return Difference(
        tuple(found.changes), tuple(found.later), tuple(sorted(found.kept)), tuple(found.refused)
    )


def _compare_table(before: Table, table: Table, found: _Found) -> None:
    name = table.name
    columns = {column.name: column for column in before.columns}
    for column in table.columns:
        _compare_column(name, columns.pop(column.name, None), column, found)
    for left in columns.values():
        found.kept.append(
            f"Column '{left.name}' of table '{name}' is not declared any more. It is kept with its values."
        )
        if left.required:
            found.changes.append(Relax(name, left.name))
    for index in table.indexes:
        if index not in before.indexes:
            (found.later if index.unique else found.changes).append(AddIndex(name, index))
    found.later.extend(DropIndex(name, index) for index in before.indexes if index not in table.indexes)


def _compare_column(table: str, before: Column | None, column: Column, found: _Found) -> None:
    place = f"Column '{column.name}' of table '{table}'"
    if before is None:
        if column.required and column.default is None:
            found.refused.append(
                f"{place} is new and required. Give it a default, for the rows that stand already."
            )
        else:
            found.changes.append(AddColumn(table, column))
    elif before.kind != column.kind:
        found.refused.append(
            f"{place} is {before.kind} and cannot become {column.kind}."
            " Declare a new column under another name, and let the plugin copy the values."
        )
    elif column.required and not before.required:
        found.later.append(Require(table, column))
    elif before.required and not column.required:
        found.changes.append(Relax(table, column.name))
