"""Brings a database forward: roles first, then every migration file that was not applied yet, in order."""

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from kernel.config import Config
from kernel.db.connect import connect
from kernel.db.roles import ensure_roles
from kernel.errors import MigrationError
from kernel.log import get_logger

log = get_logger(__name__)

MIGRATIONS_DIR = Path(__file__).resolve().parents[2] / "migrations"

# Session locks belong to one database, so two sites on one server do not wait for each other.
_LOCK_KEY = 0x74726F7661746F  # "trovato"
_LOCK_WAIT = "60s"
# A migration that waits for a table holds up every reader behind it; rather fail, and be run again.
_TABLE_LOCK_TIMEOUT = "4s"

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """`name` is the whole file name, such as `0001_foundation.sql`."""

    number: int
    name: str
    sql: str
    sha256: str


async def migrate(config: Config, migrations_dir: Path = MIGRATIONS_DIR) -> list[str]:
    """Apply what is pending and answer the names of the files applied; several may run this at once.

    Raises MigrationError (a file is wrong, or the login may not do what is needed) and Unavailable.
    """
    migrations = read_migrations(migrations_dir)
    async with _connection(config) as conn:
        await _take_lock(conn)
        await ensure_roles(conn, config)
        await _create_ledger(conn)
        missing = _select_pending(migrations, await _read_applied(conn))
        for migration in missing:
            await _apply(conn, migration)
            log.info("migration applied", name=migration.name)
    return [migration.name for migration in missing]


async def pending(config: Config, migrations_dir: Path = MIGRATIONS_DIR) -> list[str]:
    """Names of the files that `migrate` would apply. Changes nothing; raises as `migrate` does."""
    migrations = read_migrations(migrations_dir)
    async with _connection(config) as conn:
        exists = await conn.fetchval("SELECT to_regclass('public.trovato_migration') IS NOT NULL")
        applied = await _read_applied(conn) if exists else {}
    return [migration.name for migration in _select_pending(migrations, applied)]


def read_migrations(folder: Path) -> list[Migration]:
    """Every `NNNN_what.sql` of the folder, numbered without a gap or a double. Raises MigrationError."""
    migrations: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path} is not named like 0002_what_it_does.sql. Rename it.")
        content = path.read_bytes()
        expected = len(migrations) + 1
        if int(match[1]) != expected:
            raise MigrationError(
                f"{path} should have the number {expected:04}: numbers have no gaps and no doubles."
            )
        migrations.append(
            Migration(expected, path.name, content.decode(), hashlib.sha256(content).hexdigest())
        )
    if not migrations:
        raise MigrationError(
            f"There is no migration in {folder.absolute()}. Run this in the project's folder."
        )
    return migrations


@asynccontextmanager
async def _connection(config: Config) -> AsyncIterator[Any]:
    conn = await connect(config.database_url, application_name="trovato migrate")
    try:
        yield conn
    finally:
        await conn.close()  # which also gives up the lock


async def _take_lock(conn: Any) -> None:
    await conn.execute(f"SET lock_timeout = '{_LOCK_WAIT}'")
    try:
        await conn.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
    except asyncpg.LockNotAvailableError as error:
        raise MigrationError(
            f"Another migration of this database has been running for more than {_LOCK_WAIT}."
            " Try again when it has ended."
        ) from error
    await conn.execute(f"SET lock_timeout = '{_TABLE_LOCK_TIMEOUT}'")


async def _create_ledger(conn: Any) -> None:
    async with conn.transaction():
        await _become_owner(conn)
        await conn.execute(
            """
            CREATE TABLE IF NOT EXISTS trovato_migration (
                number   integer PRIMARY KEY,
                name     text NOT NULL,
                sha256   text NOT NULL,
                applied  timestamptz NOT NULL DEFAULT now()
            )
            """
        )


async def _read_applied(conn: Any) -> dict[int, tuple[str, str]]:
    rows = await conn.fetch("SELECT number, name, sha256 FROM public.trovato_migration ORDER BY number")
    return {row["number"]: (row["name"], row["sha256"]) for row in rows}


def _select_pending(migrations: list[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    """What is left to do; raises MigrationError when the files do not continue what was applied."""
    known = {migration.number: migration for migration in migrations}
    for number, (name, sha256) in applied.items():
        migration = known.get(number)
        if migration is None:
            raise MigrationError(
                f"This database was migrated by a newer release ({name})."
                " Run that release, or restore a backup."
            )
        if migration.sha256 != sha256:
            raise MigrationError(
                f"{migration.name} was changed after it had been applied to this database as {name}."
                " Restore the file as it was, and put the change into a new migration."
            )
    return [migration for migration in migrations if migration.number not in applied]


async def _apply(conn: Any, migration: Migration) -> None:
    try:
        async with conn.transaction():
            await _become_owner(conn)
            await conn.execute(migration.sql)
            await conn.execute(
                "INSERT INTO public.trovato_migration (number, name, sha256) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
    except asyncpg.LockNotAvailableError as error:
        raise MigrationError(
            f"{migration.name} waited more than {_TABLE_LOCK_TIMEOUT} for a table that is in use."
            " Nothing of it was applied. Run it again at a quieter moment."
        ) from error
    except asyncpg.PostgresError as error:
        place = _find_line(migration.sql, getattr(error, "position", None))
        raise MigrationError(
            f"{migration.name}{place} failed, and nothing of it was applied: {error}"
        ) from error


async def _become_owner(conn: Any) -> None:
    """For the rest of the transaction: the tables belong to trovato_owner, whoever logged in."""
    await conn.execute("SET LOCAL ROLE trovato_owner")
    await conn.execute("SET LOCAL search_path = public")


def _find_line(sql: str, position: str | None) -> str:
    """Where the server saw the mistake; it counts characters from 1."""
    if position is None:
        return ""
    return f", line {sql.count(chr(10), 0, int(position) - 1) + 1},"
