"""Migrations go forward, in order, once, whole or not at all; what was applied is never changed."""

import asyncio
import shutil
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from kernel.config import Config
from kernel.db.migrate import MIGRATIONS_DIR, migrate, pending, read_migrations
from kernel.errors import ConfigError, MigrationError

SHIPPED = [path.name for path in sorted(MIGRATIONS_DIR.glob("*.sql"))]
NEXT = f"{len(SHIPPED) + 1:04}"


@pytest.fixture
def empty_config(empty_database_url):
    return Config(database_url=empty_database_url)


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped migrations, to which a test adds its own."""
    return shutil.copytree(MIGRATIONS_DIR, tmp_path / "migrations")


@pytest.fixture
async def admin(empty_database_url):
    conn = await asyncpg.connect(empty_database_url)
    yield conn
    await conn.close()


async def test_an_empty_database_is_brought_to_the_newest_schema_once(empty_config, admin):
    assert await pending(empty_config) == SHIPPED
    assert await migrate(empty_config) == SHIPPED
    assert await migrate(empty_config) == []
    assert await pending(empty_config) == []
    rows = await admin.fetch("SELECT number, name FROM trovato_migration ORDER BY number")
    assert [tuple(row) for row in rows] == list(enumerate(SHIPPED, start=1))


async def test_programs_that_migrate_at_once_apply_each_file_once(empty_config):
    applied = await asyncio.gather(*(migrate(empty_config) for _ in range(4)))
    assert sorted(applied) == [[], [], [], SHIPPED]


async def test_everything_belongs_to_the_owner_role(empty_config, admin):
    await migrate(empty_config)
    owners = await admin.fetch("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert [row[0] for row in owners] == ["trovato_owner"]


async def test_a_later_file_is_applied_alone_and_its_table_has_the_usual_rights(fresh_database_url, folder):
    config = Config(database_url=fresh_database_url)
    name = f"{NEXT}_colours.sql"
    (folder / name).write_text("CREATE TABLE colour (name text PRIMARY KEY);")
    assert await pending(config, folder) == [name]
    assert await migrate(config, folder) == [name]
    conn = await asyncpg.connect(fresh_database_url)
    rights = await conn.fetchrow(
        """
        SELECT has_table_privilege('trovato_worker', 'colour', 'SELECT, INSERT') AS worker,
               has_table_privilege('trovato_web', 'colour', 'SELECT') AS web_reads,
               has_table_privilege('trovato_web', 'colour', 'INSERT') AS web_writes
        """
    )
    await conn.close()
    assert tuple(rights) == (True, True, False)


async def test_a_file_changed_after_it_was_applied_is_refused_by_name(fresh_database_url, folder):
    config = Config(database_url=fresh_database_url)
    with (folder / SHIPPED[0]).open("a") as file:
        file.write("-- a harmless remark\n")
    for act in (migrate, pending):
        with pytest.raises(MigrationError) as caught:
            await act(config, folder)
        assert caught.value.message == (
            f"{SHIPPED[0]} was changed after it had been applied to this database as {SHIPPED[0]}."
            " Restore the file as it was, and put the change into a new migration."
        )


async def test_a_database_of_a_newer_release_is_refused(fresh_database_url, folder):
    config = Config(database_url=fresh_database_url)
    newer = folder / f"{NEXT}_colours.sql"
    newer.write_text("CREATE TABLE colour (name text PRIMARY KEY);")
    await migrate(config, folder)
    newer.unlink()
    with pytest.raises(MigrationError, match=rf"newer release \({NEXT}_colours.sql\)"):
        await migrate(config, folder)


async def test_a_file_that_fails_names_its_line_and_leaves_nothing(fresh_database_url, folder):
    config = Config(database_url=fresh_database_url)
    name = f"{NEXT}_colours.sql"
    (folder / name).write_text("CREATE TABLE colour (name text);\n\nINSERT INTO color VALUES ('blue');\n")
    with pytest.raises(MigrationError) as caught:
        await migrate(config, folder)
    assert caught.value.message == (
        f'{name}, line 3, failed, and nothing of it was applied: relation "color" does not exist'
    )
    conn = await asyncpg.connect(fresh_database_url)
    assert await conn.fetchval("SELECT to_regclass('colour')") is None
    await conn.close()
    assert await pending(config, folder) == [name]


async def test_a_file_that_waits_for_a_table_gives_up_and_can_be_run_again(fresh_database_url, folder):
    config = Config(database_url=fresh_database_url)
    name = f"{NEXT}_variable_note.sql"
    (folder / name).write_text("ALTER TABLE variable ADD note text;")
    reader = await asyncpg.connect(fresh_database_url)
    transaction = reader.transaction()
    await transaction.start()
    await reader.execute("SELECT FROM variable")
    with pytest.raises(MigrationError, match=f"^{name} waited more than 4s for a table that is in use."):
        await migrate(config, folder)
    await transaction.rollback()
    await reader.close()
    assert await migrate(config, folder) == [name]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "There is no migration in"),
        (["0001_a.sql", "0003_c.sql"], "0003_c.sql should have the number 0002"),
        (["0001_a.sql", "0001_b.sql"], "0001_b.sql should have the number 0002"),
        (["0001_a.sql", "2_b.sql"], "2_b.sql is not named like"),
        (["0001_A.sql"], "0001_A.sql is not named like"),
    ],
    ids=["none", "gap", "double", "short number", "capital"],
)
def test_a_folder_out_of_order_is_refused(tmp_path, names, message):
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=message):
        read_migrations(tmp_path)


async def test_a_login_without_the_rights_is_told_what_it_needs_and_works_once_it_has_them(
    empty_database_url, admin, template_database
):
    """The template's migration has made the roles already: as if by another site on the same server."""
    database = urlsplit(empty_database_url).path.strip("/")
    login = f"guest_{database}"
    await admin.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'secret'")
    try:
        parts = urlsplit(empty_database_url)
        url = urlunsplit(parts._replace(netloc=f"{login}:secret@{parts.hostname}:{parts.port}"))
        with pytest.raises(MigrationError) as caught:
            await migrate(Config(database_url=url))
        assert f'GRANT trovato_owner, trovato_worker, trovato_web TO "{login}"' in caught.value.message
        await admin.execute(f"ALTER DATABASE {database} OWNER TO {login}")
        await admin.execute(f'GRANT trovato_owner, trovato_worker, trovato_web TO "{login}"')
        assert await migrate(Config(database_url=url)) == SHIPPED
    finally:
        await admin.execute(f"ALTER DATABASE {database} OWNER TO CURRENT_USER")
        await admin.execute(f"DROP OWNED BY {login}")
        await admin.execute(f"DROP ROLE {login}")


async def test_a_database_that_does_not_exist_is_named(services):
    url = urlunsplit(urlsplit(services.database_url)._replace(path="/not_there"))
    with pytest.raises(ConfigError, match='database "not_there" does not exist'):
        await migrate(Config(database_url=url))
