"""The write rule, as the server enforces it: what each role is refused, statement by statement."""

from uuid import uuid4

import asyncpg
import pytest

from kernel.ids import uuid7

WEB_MAY_INSERT = {
    "job": {
        "id",
        "kind",
        "payload",
        "actor_id",
        "session_key",
        "stage_id",
        "request_id",
        "dedupe_key",
        "run_at",
        "group_key",
        "depth",
        "scope",
        "client_address",
    },
    "plugin_artefact": {"sha256", "wasm"},
    "job_chunk": {"job_id", "part", "number", "content"},
}
WEB_MAY_UPDATE = {"job": {"cancel_requested"}}
INSERT_JOB = "INSERT INTO job (id, kind, actor_id, dedupe_key) VALUES ($1, 'save_item', $2, $3)"


@pytest.fixture
async def web(web_database):
    """A web process's connection, in a transaction that is rolled back."""
    async with web_database.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        yield conn
        await transaction.rollback()


async def is_allowed(conn, sql, *args):
    """Whether the server lets the role try; a statement that is let in may still fail for another reason."""
    try:
        async with conn.transaction():
            await conn.execute(sql, *args)
    except asyncpg.InsufficientPrivilegeError:
        return False
    except asyncpg.PostgresError:
        return True
    return True


async def list_columns(conn):
    rows = await conn.fetch(
        """
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = 'public' ORDER BY table_name, ordinal_position
        """
    )
    tables = {}
    for table, column in rows:
        tables.setdefault(table, []).append(column)
    return tables


async def list_allowed(conn):
    """Every (table, statement, column) that the role may use, found by trying each of them."""
    allowed = set()
    for table, columns in (await list_columns(conn)).items():
        for verb, sql in (("DELETE", f"DELETE FROM {table} WHERE false"), ("TRUNCATE", f"TRUNCATE {table}")):
            if await is_allowed(conn, sql):
                allowed.add((table, verb, "*"))
        for column in columns:
            if await is_allowed(conn, f'INSERT INTO {table} ("{column}") VALUES (DEFAULT)'):
                allowed.add((table, "INSERT", column))
            if await is_allowed(conn, f'UPDATE {table} SET "{column}" = DEFAULT WHERE false'):
                allowed.add((table, "UPDATE", column))
    return allowed


async def test_the_web_role_may_write_a_few_columns_and_nothing_else(web):
    expected = {(table, "INSERT", column) for table, columns in WEB_MAY_INSERT.items() for column in columns}
    expected |= {(table, "UPDATE", column) for table, columns in WEB_MAY_UPDATE.items() for column in columns}
    assert await list_allowed(web) == expected


async def test_the_web_role_may_read_every_table(web):
    for table in await list_columns(web):
        assert await is_allowed(web, f"SELECT * FROM {table}"), table


@pytest.mark.parametrize(
    ("column", "value"),
    [("status", "done"), ("attempts", 9), ("result", {"outcome": "saved"}), ("deliveries", 9), ("error", {})],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_the_web_role_cannot_forge_what_became_of_a_job(web, column, value):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with web.transaction():
            await web.execute(
                f"INSERT INTO job (id, kind, actor_id, {column}) VALUES ($1, 'save_item', $2, $3)",
                uuid7(),
                uuid4(),
                value,
            )
    assert await is_allowed(web, INSERT_JOB, uuid7(), uuid4(), None)


async def test_the_web_role_may_ask_for_a_job_to_be_cancelled_and_change_nothing_else_of_it(web):
    job_id = uuid7()
    await web.execute(INSERT_JOB, job_id, uuid4(), None)
    await web.execute("UPDATE job SET cancel_requested = true WHERE id = $1", job_id)
    assert tuple(await web.fetchrow("SELECT status, cancel_requested FROM job WHERE id = $1", job_id)) == (
        "queued",
        True,
    )
    assert not await is_allowed(web, "UPDATE job SET status = 'done', cancel_requested = true")
    assert not await is_allowed(web, "SELECT FROM users FOR UPDATE")


async def test_a_second_submission_of_the_same_work_is_ignored_and_not_updated(web):
    await web.execute(INSERT_JOB, uuid7(), uuid4(), "same")
    conflict = "ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO"
    assert await web.execute(f"{INSERT_JOB} {conflict} NOTHING", uuid7(), uuid4(), "same") == "INSERT 0 0"
    assert not await is_allowed(
        web, f"{INSERT_JOB} {conflict} UPDATE SET kind = 'other'", uuid7(), uuid4(), "same"
    )
    assert await web.fetchval("SELECT count(*) FROM job") == 1


async def test_resetting_the_role_gives_no_further_right(web):
    await web.execute("RESET ROLE")
    await web.execute("RESET ALL")
    assert await web.fetchval("SELECT current_user") == "trovato_web"
    assert not await is_allowed(web, "INSERT INTO variable (name, value) VALUES ('a', '1')")


@pytest.mark.parametrize("role", ["web", "worker"])
async def test_neither_web_nor_worker_may_change_the_schema(role, web, conn):
    actor = {"web": web, "worker": conn}[role]
    for statement in ("CREATE TABLE mine (a int)", "DROP TABLE variable", "ALTER TABLE variable ADD b int"):
        assert not await is_allowed(actor, statement), statement


async def test_the_worker_role_may_write_every_row_but_the_record_of_migrations(conn):
    columns = await list_columns(conn)
    expected = {
        (table, verb, column)
        for table, names in columns.items()
        if table != "trovato_migration"
        for verb, column in [
            ("DELETE", "*"),
            *(("INSERT", name) for name in names),
            *(("UPDATE", name) for name in names),
        ]
    }
    # What the audit log says does not change; only addresses are taken out of old rows.
    expected -= {
        ("audit_event", "UPDATE", name) for name in columns["audit_event"] if name != "client_address"
    }
    assert await list_allowed(conn) == expected
    assert await is_allowed(conn, "SELECT * FROM trovato_migration")
