"""The pool: what commits, what rolls back, what happens afterwards, what a role may do."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from kernel.db.connect import DISCONNECTED
from kernel.db.pool import Database
from kernel.errors import ConfigError, Unavailable


async def set_variable(conn, name, value):
    await conn.execute("INSERT INTO variable (name, value) VALUES ($1, $2)", name, value)


async def test_a_transaction_commits_and_then_does_what_was_asked_for_afterwards(database):
    seen = []

    async def look():
        async with database.acquire() as conn:
            seen.append(await conn.fetchval("SELECT value FROM variable WHERE name = 'colour'"))

    async with database.transaction() as tx:
        await set_variable(tx.conn, "colour", {"is": "blue"})
        tx.after_commit(look)
    assert seen == [{"is": "blue"}]


async def test_a_transaction_that_fails_leaves_nothing_and_does_nothing_afterwards(database):
    done = []

    async def note():
        done.append(1)

    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            await set_variable(tx.conn, "colour", "blue")
            tx.after_commit(note)
            raise ZeroDivisionError
    async with database.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM variable") == 0
    assert done == []


async def test_an_error_after_the_commit_does_not_stop_the_rest(database):
    done = []

    async def fail():
        raise ZeroDivisionError

    async def note():
        done.append(1)

    async with database.transaction() as tx:
        tx.after_commit(fail)
        tx.after_commit(note)
    assert done == [1]


async def test_a_snapshot_sees_one_state_and_writes_nothing(database):
    async with database.snapshot() as reader:
        assert await reader.fetchval("SELECT count(*) FROM variable") == 0
        async with database.transaction() as tx:
            await set_variable(tx.conn, "colour", "blue")
        assert await reader.fetchval("SELECT count(*) FROM variable") == 0
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await set_variable(reader, "other", 1)


async def test_a_server_that_is_gone_when_a_snapshot_ends_costs_what_was_read_nothing(database, database_url):
    async with database.snapshot() as reader:
        own = await reader.fetchval("SELECT pg_backend_pid()")
        server = await asyncpg.connect(database_url)
        await server.execute("SELECT pg_terminate_backend($1)", own)
        await server.close()
        with pytest.raises(DISCONNECTED):
            await reader.fetchval("SELECT 1")
    async with database.snapshot() as reader:
        assert await reader.fetchval("SELECT 1") == 1


async def test_an_error_inside_a_snapshot_comes_out_of_it(database):
    with pytest.raises(LookupError):
        async with database.snapshot():
            raise LookupError
    async with database.snapshot() as reader:
        assert await reader.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("value", [True, 1, 1.5, "a\"b'ü\U0001f600", [1, [2]], {"a": {"b": None}}], ids=repr)
async def test_json_travels_as_python_values(conn, value):
    await set_variable(conn, "v", value)
    assert await conn.fetchval("SELECT value FROM variable WHERE name = 'v'") == value


async def test_ids_inside_json_become_text(conn):
    one = uuid4()
    await set_variable(conn, "v", {"id": one})
    assert await conn.fetchval("SELECT value FROM variable WHERE name = 'v'") == {"id": str(one)}


async def test_an_id_that_was_read_can_be_written_into_json(conn):
    one = await conn.fetchval("SELECT $1::uuid", uuid4())
    assert type(one) is UUID
    await set_variable(conn, "v", {"id": one})
    assert await conn.fetchval("SELECT value FROM variable WHERE name = 'v'") == {"id": str(one)}


async def test_ping_answers_whether_the_server_does(config):
    db = await Database.open(config.database_url, role="web")
    assert await db.ping(1.0)
    await db.close()
    assert not await db.ping(1.0)


async def test_a_server_that_is_away_is_named_without_its_password():
    with pytest.raises(Unavailable) as caught:
        await Database.open("postgresql://anna:s3cret@127.0.0.1:1/site", role="web")
    assert caught.value.message == (
        "PostgreSQL at 127.0.0.1:1 does not answer. Check DATABASE_URL and that the server runs."
    )
    assert "s3cret" not in str(caught.value.detail)


async def test_a_database_that_does_not_exist_is_a_mistake_in_the_configuration(config):
    with pytest.raises(ConfigError, match='database "not_there" does not exist'):
        await Database.open(config.database_url.rpartition("/")[0] + "/not_there", role="web")
