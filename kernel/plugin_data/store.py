"""The SQL behind what plugins keep: their tables as they stand, what changes them, and variables."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
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


async def apply_tables(conn: Connection, plugin: str, tables: Mapping[str, Table]) -> Difference:
    """Bring the plugin's tables from what they are to what is declared, and say what that took and what is kept.

    `conn` speaks as the owner role. All of it in one transaction; done again, it changes nothing. Raises ConfigError
    for what cannot be done, Conflict while the tables are in use for too long.
    """
    try:
        async with conn.transaction():
            await conn.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
            difference = compare_tables(await read_tables(conn, plugin), tables)
            if difference.refused:
                raise ConfigError([f"Plugin '{plugin}': {sentence}" for sentence in difference.refused])
            if tables:
                await conn.execute(f'CREATE SCHEMA IF NOT EXISTS "{name_schema(plugin)}"')
            for change in difference.changes:
                await _make(conn, plugin, change)
            if tables:
                await _grant(conn, name_schema(plugin))
    except BUSY as error:
        raise Conflict(f"The tables of the plugin '{plugin}' are in use. Try again in a moment.") from error
    return difference


async def drop_tables(conn: Connection, plugin: str) -> None:
    """All of the plugin's tables with their rows; none is fine too. Raises Conflict as `apply_tables` does."""
    try:
        async with conn.transaction():
            await conn.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
            await conn.execute(f'DROP SCHEMA IF EXISTS "{name_schema(plugin)}" CASCADE')
    except BUSY as error:
        raise Conflict(f"The tables of the plugin '{plugin}' are in use. Try again in a moment.") from error


async def count_rows(conn: Connection, plugin: str) -> dict[str, int]:
    """By table, for whoever is about to drop them."""
    schema = name_schema(plugin)
    return {
        name: await conn.fetchval(f'SELECT count(*) FROM "{schema}"."{name}"')  # noqa: S608  # names that a manifest declares
        for name in await read_tables(conn, plugin)
    }


async def read_tables(conn: Connection, plugin: str) -> dict[str, Table]:
    """As they stand. Defaults are the kernel's to fill in and do not stand in the database."""
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


async def _make(conn: Connection, plugin: str, change: Change) -> None:
    schema = name_schema(plugin)
    match change:
        case CreateTable(table):
            columns = "".join(f", {_define(column)}" for column in table.columns)
            await conn.execute(f'CREATE TABLE "{schema}"."{table.name}" ("id" uuid PRIMARY KEY{columns})')
        case AddColumn(table_name, column):
            place = f'"{schema}"."{table_name}"'
            await conn.execute(f"ALTER TABLE {place} ADD COLUMN {_define(column, is_required=False)}")
            await _fill(conn, place, column)
            if column.required:
                await conn.execute(f'ALTER TABLE {place} ALTER COLUMN "{column.name}" SET NOT NULL')
        case Require(table_name, column):
            await _require(conn, plugin, table_name, column)
        case Relax(table_name, name):
            await conn.execute(f'ALTER TABLE "{schema}"."{table_name}" ALTER COLUMN "{name}" DROP NOT NULL')
        case AddIndex(table_name, index):
            await _add_index(conn, plugin, table_name, index)
        case DropIndex(table_name, index):
            await conn.execute(f'DROP INDEX IF EXISTS "{schema}"."{_name_index(table_name, index)}"')


async def _require(conn: Connection, plugin: str, table_name: str, column: Column) -> None:
    place = f'"{name_schema(plugin)}"."{table_name}"'
    await _fill(conn, place, column)
    found = f'SELECT EXISTS (SELECT FROM {place} WHERE "{column.name}" IS NULL)'  # noqa: S608  # names that a manifest declares
    if await conn.fetchval(found):
        text = (
            f"Column '{column.name}' of table '{table_name}' cannot become required: there are rows without a value."
            " Give it a default."
        )
        raise ConfigError([f"Plugin '{plugin}': {text}"])
    await conn.execute(f'ALTER TABLE {place} ALTER COLUMN "{column.name}" SET NOT NULL')


async def _fill(conn: Connection, place: str, column: Column) -> None:
    if column.default is None:
        return
    value = read_value(column.kind, column.default, f"The default of {column.name!r}")
    filled = f'UPDATE {place} SET "{column.name}" = $1 WHERE "{column.name}" IS NULL'  # noqa: S608  # names that a manifest declares
    await conn.execute(filled, value)


async def _add_index(conn: Connection, plugin: str, table_name: str, index: Index) -> None:
    place = f'"{name_schema(plugin)}"."{table_name}"'
    columns = ", ".join(f'"{name}"' for name in index.columns)
    unique = "UNIQUE " if index.unique else ""
    alike = (
        f"SELECT EXISTS (SELECT FROM {place} WHERE num_nulls({columns}) = 0"  # noqa: S608  # names that a manifest declares
        f" GROUP BY {columns} HAVING count(*) > 1)"
    )
    if index.unique and await conn.fetchval(alike):
        text = (
            f"Table '{table_name}' cannot get a unique index over {', '.join(index.columns)}:"
            " there are rows that are alike in that."
        )
        raise ConfigError([f"Plugin '{plugin}': {text}"])
    await conn.execute(f'CREATE {unique}INDEX "{_name_index(table_name, index)}" ON {place} ({columns})')


def _define(column: Column, *, is_required: bool | None = None) -> str:
    required = column.required if is_required is None else is_required
    return f'"{column.name}" {_TYPES[column.kind]}{" NOT NULL" if required else ""}'


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
