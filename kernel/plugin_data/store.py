"""The SQL behind what plugins keep: their tables as they stand, what changes them, and variables."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from kernel.db.connect import BUSY, TAKEN, UNKNOWN_TABLE, UNSTORABLE
from kernel.db.pool import Connection, Record
from kernel.errors import ConfigError, Conflict
from kernel.plugin_data.compile import compile_change, name_schema
from kernel.plugin_data.difference import (
    AddColumn,
    AddIndex,
    Change,
    CreateTable,
    Difference,
    DropIndex,
    Relax,
    Require,
    compare_tables,
)
from kernel.plugin_data.model import Change as RowChange
from kernel.plugin_data.read import make_away_error
from kernel.plugin_data.values import read_value
from kernel.plugin_data.variable import VARIABLES_MAX, NewVariable
from kernel.sandbox.host import HostError
from kernel.tap.capability import Column, ColumnKind, Index, Table

_TYPES: Final[Mapping[ColumnKind, str]] = {
    "text": "text",
    "integer": "bigint",
    "number": "double precision",
    "boolean": "boolean",
    "time": "timestamp with time zone",
    "uuid": "uuid",
    "json": "jsonb",
}
_KINDS: Final[Mapping[str, ColumnKind]] = {name: kind for kind, name in _TYPES.items()}
# Who changes a table waits for those who use it, and everybody after waits for that.
_LOCK_WAIT: Final = "5s"
_PREFETCH: Final = 100


async def apply_tables(
    conn: Connection, plugin: str, tables: Mapping[str, Table], *, beside_old: bool = False
) -> Difference:
    """Bring the plugin's tables from what they are to what is declared, and say what that took and what is kept.

    With `beside_old` another version works on them and may go on doing so: what it could fail at is checked, and left
    for a second call. `conn` speaks as the owner role. All of it in one transaction; done again, it changes nothing.
    Raises ConfigError for what cannot be done, Conflict while the tables are in use for too long.
    """
    async with _changing(conn, plugin):
        difference = compare_tables(await read_tables(conn, plugin), tables)
        if difference.refused:
            raise ConfigError([f"Plugin '{plugin}': {sentence}" for sentence in difference.refused])
        if tables:
            await conn.execute(f'CREATE SCHEMA IF NOT EXISTS "{name_schema(plugin)}"')
        for change in difference.changes:
            await _make(conn, plugin, change)
        if not beside_old:
            await _lock(conn, plugin, difference.later)
        for change in difference.later:
            await _check(conn, plugin, change)
            if not beside_old:
                await _make(conn, plugin, change)
        if tables:
            await _grant(conn, name_schema(plugin))
    return difference


async def take_back_changes(conn: Connection, plugin: str, changes: Sequence[Change]) -> None:
    """Remove what `apply_tables` made for a version that does not come, which nobody has written to. Raises Conflict as
    it does."""
    async with _changing(conn, plugin):
        for change in reversed(changes):
            match change:
                case CreateTable(table):
                    await conn.execute(f"DROP TABLE IF EXISTS {_name_table(plugin, table.name)}")
                case AddColumn(table_name, column):
                    place = _name_table(plugin, table_name)
                    await conn.execute(f'ALTER TABLE {place} DROP COLUMN IF EXISTS "{column.name}"')
                case AddIndex(table_name, index):
                    await _drop_index(conn, plugin, table_name, index)
        if not await read_tables(conn, plugin):
            await _drop_schema(conn, plugin)


async def drop_tables(conn: Connection, plugin: str) -> None:
    """All of the plugin's tables with their rows; none is fine too. Raises Conflict as `apply_tables` does."""
    async with _changing(conn, plugin):
        await _drop_schema(conn, plugin)


@asynccontextmanager
async def _changing(conn: Connection, plugin: str) -> AsyncIterator[None]:
    try:
        async with conn.transaction():
            await conn.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
            yield
    except BUSY as error:
        raise Conflict(f"The tables of the plugin '{plugin}' are in use. Try again in a moment.") from error


async def count_rows(conn: Connection, plugin: str, limit: int) -> dict[str, int]:
    """By table, for whoever is about to drop them; counted as far as the limit. Also of tables that no version declares
    any more."""
    return {
        name: await conn.fetchval(
            f"SELECT count(*) FROM (SELECT FROM {_name_table(plugin, name)} LIMIT $1) AS counted",  # noqa: S608  # names that a manifest declares
            limit,
        )
        for name in await read_tables(conn, plugin)
    }


async def read_tables(conn: Connection, plugin: str) -> dict[str, Table]:
    """As they stand. Defaults are the kernel's to fill in; those in the database are for other versions."""
    rows = await conn.fetch(
        """
        SELECT c.relname AS table_name, a.attname AS name, a.attnum AS number,
            format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE n.nspname = $1 AND c.relkind = 'r'
        ORDER BY c.relname, a.attnum
        """,
        name_schema(plugin),
    )
    columns: dict[str, dict[int, Column]] = {}
    for row in rows:
        kind = _KINDS.get(row["type"], "text")
        columns.setdefault(row["table_name"], {})[row["number"]] = Column(row["name"], kind, row["required"])
    indexes = await _read_indexes(conn, plugin, columns)
    return {
        name: Table(name, tuple(c for c in of_table.values() if c.name != "id"), tuple(indexes.get(name, ())))
        for name, of_table in columns.items()
    }


async def _read_indexes(
    conn: Connection, plugin: str, columns: Mapping[str, Mapping[int, Column]]
) -> dict[str, list[Index]]:
    """Those that were made here, by their names; the one of the primary key is the table's own."""
    rows = await conn.fetch(
        """
        SELECT c.relname AS table_name, i.relname AS name, x.indisunique AS is_unique,
            x.indkey::int2[]::int[] AS numbers
        FROM pg_index x
        JOIN pg_class c ON c.oid = x.indrelid
        JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND NOT x.indisprimary
        ORDER BY c.relname, i.relname
        """,
        name_schema(plugin),
    )
    indexes: dict[str, list[Index]] = {}
    for row in rows:
        known = columns.get(row["table_name"], {})
        index = Index(tuple(known[number].name for number in row["numbers"]), row["is_unique"])
        if row["name"] == _name_index(row["table_name"], index):
            indexes.setdefault(row["table_name"], []).append(index)
    return indexes


async def _lock(conn: Connection, plugin: str, changes: Iterable[Change]) -> None:
    """Nobody writes between the check of what the rows allow and the change."""
    for name in sorted({change.table for change in changes if not isinstance(change, CreateTable)}):
        await conn.execute(f"LOCK TABLE {_name_table(plugin, name)} IN SHARE ROW EXCLUSIVE MODE")


async def _make(conn: Connection, plugin: str, change: Change) -> None:
    match change:
        case CreateTable(table):
            columns = "".join(f", {_define(column)}" for column in table.columns)
            place = _name_table(plugin, table.name)
            await conn.execute(f'CREATE TABLE {place} ("id" uuid PRIMARY KEY{columns})')
        case AddColumn(table_name, column):
            await _add_column(conn, _name_table(plugin, table_name), column)
        case Require(table_name, column):
            await _require(conn, _name_table(plugin, table_name), column)
        case Relax(table_name, name):
            alter = f'ALTER TABLE {_name_table(plugin, table_name)} ALTER COLUMN "{name}"'
            # What a version leaves out that does not know the column is empty again.
            await conn.execute(f'{alter} DROP NOT NULL, ALTER COLUMN "{name}" DROP DEFAULT')
        case AddIndex(table_name, index):
            columns = ", ".join(f'"{name}"' for name in index.columns)
            unique = "UNIQUE " if index.unique else ""
            place = _name_table(plugin, table_name)
            await conn.execute(
                f'CREATE {unique}INDEX "{_name_index(table_name, index)}" ON {place} ({columns})'
            )
        case DropIndex(table_name, index):
            await _drop_index(conn, plugin, table_name, index)


async def _check(conn: Connection, plugin: str, change: Change) -> None:
    """Raises ConfigError for what the rows do not allow."""
    match change:
        case Require(table_name, column) if column.default is None:
            place = _name_table(plugin, table_name)
            found = f'SELECT EXISTS (SELECT FROM {place} WHERE "{column.name}" IS NULL)'  # noqa: S608  # names that a manifest declares
            text = (
                f"Column '{column.name}' of table '{table_name}' cannot become required: there are rows without a"
                " value. Give it a default."
            )
        case AddIndex(table_name, index) if index.unique:
            place, columns = _name_table(plugin, table_name), ", ".join(f'"{name}"' for name in index.columns)
            found = (
                f"SELECT EXISTS (SELECT FROM {place} WHERE num_nulls({columns}) = 0"  # noqa: S608  # as above
                f" GROUP BY {columns} HAVING count(*) > 1)"
            )
            text = (
                f"Table '{table_name}' cannot get a unique index over {', '.join(index.columns)}:"
                " there are rows that are alike in that."
            )
        case _:
            return
    if await conn.fetchval(found):
        raise ConfigError([f"Plugin '{plugin}': {text}"])


async def _add_column(conn: Connection, place: str, column: Column) -> None:
    """The default of the database fills the rows that stand, without writing them anew. It is kept for a required
    column: a version that does not know it leaves it out."""
    default = f" DEFAULT {await _quote_default(conn, column)}" if column.default is not None else ""
    await conn.execute(f"ALTER TABLE {place} ADD COLUMN {_define(column)}{default}")
    if default and not column.required:
        await conn.execute(f'ALTER TABLE {place} ALTER COLUMN "{column.name}" DROP DEFAULT')


async def _require(conn: Connection, place: str, column: Column) -> None:
    alter = f'ALTER TABLE {place} ALTER COLUMN "{column.name}"'
    if column.default is not None:
        filled = f'UPDATE {place} SET "{column.name}" = $1 WHERE "{column.name}" IS NULL'  # noqa: S608  # names that a manifest declares
        await conn.execute(filled, _read_default(column))
        await conn.execute(f"{alter} SET DEFAULT {await _quote_default(conn, column)}")
    await conn.execute(f"{alter} SET NOT NULL")


def _read_default(column: Column) -> object:
    return read_value(column.kind, column.default, f"The default of {column.name!r}")


async def _quote_default(conn: Connection, column: Column) -> str:
    """As PostgreSQL itself writes it, since what defines a table takes no parameters."""
    kind = _TYPES[column.kind]
    literal: str = await conn.fetchval(
        f"SELECT quote_literal(($1::{kind})::text)",
        _read_default(column),
    )
    return f"{literal}::{kind}"


async def _drop_index(conn: Connection, plugin: str, table: str, index: Index) -> None:
    await conn.execute(f'DROP INDEX IF EXISTS "{name_schema(plugin)}"."{_name_index(table, index)}"')


async def _drop_schema(conn: Connection, plugin: str) -> None:
    await conn.execute(f'DROP SCHEMA IF EXISTS "{name_schema(plugin)}" CASCADE')


def _name_table(plugin: str, table: str) -> str:
    return f'"{name_schema(plugin)}"."{table}"'


def _define(column: Column) -> str:
    return f'"{column.name}" {_TYPES[column.kind]}{" NOT NULL" if column.required else ""}'


def _name_index(table: str, index: Index) -> str:
    """Unlike that of any other index in the schema, and within the 63 bytes of a name."""
    digest = hashlib.sha256(" ".join(index.columns).encode()).hexdigest()[:12]
    return f"{table}_{'unique' if index.unique else 'index'}_{digest}"


async def _grant(conn: Connection, schema: str) -> None:
    await conn.execute(f'GRANT USAGE ON SCHEMA "{schema}" TO trovato_worker, trovato_web')
    await conn.execute(
        f'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{schema}" TO trovato_worker'
    )
    await conn.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema}" TO trovato_web')


# Rows ---------------------------------------------------------------------------------------------------------------


async def fetch_rows(
    conn: Connection, sql: str, arguments: Sequence[Any], encode: Callable[[Record], bytes], most: int
) -> list[bytes] | None:
    """The rows, encoded; None when they are more than `most` bytes. In a transaction: they come a few at a time, so
    that too many large ones are never all there."""
    rows: list[bytes] = []
    size = 0
    async for record in conn.cursor(sql, *arguments, prefetch=_PREFETCH):
        rows.append(encode(record))
        size += len(rows[-1]) + 1
        if size > most:
            return None
    return rows


async def run_change(conn: Connection, plugin: str, change: RowChange) -> int:
    """How many rows it concerned. Under a savepoint, since what fails leaves the transaction useless. Raises HostError,
    and what says that others were in the way."""
    statement = compile_change(plugin, change)
    try:
        status = await conn.execute(statement.sql, *statement.arguments)
    except TAKEN as error:
        raise HostError("conflict", f"Table {change.table!r} does not take it: {_shorten(error)}.") from None
    except UNSTORABLE as error:
        raise HostError("too-large", f"Table {change.table!r} cannot hold it: {_shorten(error)}.") from None
    except UNKNOWN_TABLE:
        raise make_away_error(change.table) from None
    return int(status.rsplit(" ", 1)[-1])


def _shorten(error: Exception) -> str:
    """PostgreSQL's words, which name the index and no value."""
    return str(error).split("\n", 1)[0][:200]


async def count_waiting(conn: Connection, kind: str, limit: int) -> int:
    """Jobs of the kind that nobody has begun, as far as the limit."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM (SELECT FROM job WHERE kind = $1 AND status = 'queued' LIMIT $2) AS waiting",
        kind,
        limit,
    )
    return count


# Variables ----------------------------------------------------------------------------------------------------------


async def select_variable(conn: Connection, name: str) -> Any:
    """The variable's JSON value; None when nobody has set it."""
    return await conn.fetchval("SELECT value FROM variable WHERE name = $1", name)


async def upsert_variable(conn: Connection, plugin: str, variable: NewVariable) -> None:
    """Raises HostError when the plugin has too many."""
    status = await conn.execute(
        """
        INSERT INTO variable (name, value)
        SELECT $1, $2::jsonb
        WHERE EXISTS (SELECT FROM variable WHERE name = $1)
            OR (SELECT count(*) FROM variable WHERE starts_with(name, $3)) < $4
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
        """,
        variable.name,
        variable.value,
        f"{plugin}_",
        VARIABLES_MAX,
    )
    if status == "INSERT 0 0":
        raise HostError("too-large", f"A plugin may have {VARIABLES_MAX:,} variables.")
