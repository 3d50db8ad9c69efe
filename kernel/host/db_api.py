"""`db`: questions to a plugin's own tables, and changes of them; never SQL, and never another plugin's table."""

from typing import Any, Final

import orjson

from kernel.db.connect import UNKNOWN_TABLE, UNSTORABLE
from kernel.db.pool import Database, Record
from kernel.host.effects import add_wish, get_effects, open_reader, open_writer
from kernel.ids import uuid7
from kernel.plugin_data.compile import compile_select
from kernel.plugin_data.model import Change, Select
from kernel.plugin_data.read import (
    make_away_error,
    read_delete,
    read_document,
    read_insert,
    read_select,
    read_update,
)
from kernel.plugin_data.store import fetch_rows, run_change
from kernel.plugin_data.tags import name_table_tag
from kernel.plugin_data.values import show_value
from kernel.sandbox.host import HostError, HostFunction
from kernel.tap.effects import Wishes
from kernel.tap.scope import PluginState

INTERFACE: Final = "db"
# In bytes of JSON, below what the sandbox carries.
ANSWER_MAX: Final = 900_000


def list_db_functions(db: Database) -> tuple[HostFunction, ...]:
    async def select(state: PluginState, query_json: str) -> str:
        """Error codes: bad-payload, no-such-table, too-large, not-available."""
        query = read_select(state.plugin.may.tables, read_document(query_json))
        state.record.note_tags(*(name_table_tag(state.plugin.name, table) for table in query.tables))
        statement = compile_select(state.plugin.name, query)
        try:
            async with open_reader(db, state) as conn:
                rows = await fetch_rows(
                    conn,
                    statement.sql,
                    statement.arguments,
                    lambda record: _encode(query, record),
                    ANSWER_MAX,
                )
        except UNKNOWN_TABLE:
            raise make_away_error(query.table) from None
        except UNSTORABLE as error:
            raise HostError("bad-payload", f"The database cannot answer this: {error}.") from None
        if rows is None:
            raise HostError("too-large", f"The rows are more than {ANSWER_MAX:,} bytes. Ask for less.")
        return (b"[" + b",".join(rows) + b"]").decode()

    return (
        HostFunction(INTERFACE, "select", select),
        HostFunction(INTERFACE, "insert", insert_row),
        HostFunction(INTERFACE, "update", update_rows),
        HostFunction(INTERFACE, "delete", delete_rows),
        HostFunction(INTERFACE, "query-raw", refuse_raw),
    )


async def insert_row(state: PluginState, table: str, data_json: str) -> str:
    """The row's id, which is known before the row is there. Error codes: bad-payload, no-such-table, too-large,
    conflict, not-available."""
    row = read_document(data_json)
    row_id = uuid7()
    insert = read_insert(state.plugin.may.tables, table, row, row_id)
    told = {"kind": "insert", "table": table, "id": str(row_id), "row": row}
    await _write(state, insert, told, len(data_json))
    return str(row_id)


async def update_rows(state: PluginState, query_json: str) -> str:
    """How many rows; "null" in a request, where nobody knows yet. Error codes: bad-payload, no-such-table,
    too-large, conflict, not-available."""
    query = read_document(query_json)
    update = read_update(state.plugin.may.tables, query)
    return await _write(state, update, {"kind": "update", "query": query}, len(query_json))


async def delete_rows(state: PluginState, query_json: str) -> str:
    """As `update_rows`. Error codes: bad-payload, no-such-table, too-large, conflict, not-available."""
    query = read_document(query_json)
    delete = read_delete(state.plugin.may.tables, query)
    return await _write(state, delete, {"kind": "delete", "query": query}, len(query_json))


def refuse_raw(_state: PluginState, _query_json: str) -> str:
    """Error codes: not-available."""
    raise HostError(
        "not-available", "This kernel runs no SQL of plugins. Use select, insert, update and delete."
    )


async def _write(state: PluginState, change: Change, told: dict[str, Any], length: int) -> str:
    effects, plugin = get_effects(state), state.plugin.name
    if isinstance(effects, Wishes):
        add_wish(effects, state, told, length)
        return "null"
    async with open_writer(effects) as conn:
        count = await run_change(conn, plugin, change)
    effects.drop_tags(name_table_tag(plugin, change.table))
    return str(count)


def _encode(query: Select, record: Record) -> bytes:
    names = ["count"] if query.is_count else [field.name for field in query.fields]
    return orjson.dumps(dict(zip(names, map(show_value, record.values()), strict=True)))
