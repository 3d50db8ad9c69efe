"""What a plugin may use beyond its own payloads, and the tables that are its own; its manifest declares both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ColumnKind = Literal["text", "integer", "number", "boolean", "time", "uuid", "json"]


@dataclass(frozen=True, slots=True)
class Column:
    """`default` is a JSON value, None for none; a required column without one must be given with every row."""

    name: str
    kind: ColumnKind
    required: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Index:
    columns: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Every table has a column `id` besides, a UUID that the kernel makes."""

    name: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`permissions` and `variables` are the names that it may ask for, besides variables that begin with its own name.
    `read_types` and `write_types` are the item types that it may load and save, besides those that it defines.
    `hosts` are the servers that it may speak to, each `name` or `name:port`."""

    permissions: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    read_types: frozenset[str] = frozenset()
    write_types: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    tables: Mapping[str, Table] = field(default_factory=dict)
