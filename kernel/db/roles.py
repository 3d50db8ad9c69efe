"""Makes the three database roles, and lets the login act as them."""

from typing import Any, Final
from urllib.parse import unquote, urlsplit

import asyncpg

from kernel.config import Config, Role
from kernel.errors import MigrationError

ROLES: Final[tuple[Role, ...]] = ("owner", "worker", "web")

# Roles belong to the whole server: a migration of another database may make the same role at the same moment.
_RACED = (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError, asyncpg.InternalServerError)
_TRIES = 5


async def ensure_roles(conn: Any, config: Config) -> None:
    """Roles, their membership, their logins, the owner's right to make tables and schemas. Raises MigrationError."""
    for attempt in range(_TRIES):
        try:
            async with conn.transaction():
                await _create_roles(conn)
                await _set_logins(conn, config)
                await _grant_database(conn)
            return
        except _RACED:
            if attempt == _TRIES - 1:
                raise
        except asyncpg.InsufficientPrivilegeError as error:
            login = await conn.fetchval("SELECT session_user")
            raise MigrationError(
                f"The login '{login}' may not prepare the database: {error}. It must own the database"
                " and have CREATEROLE. Where another login made the roles, a superuser must also run:"
                f' GRANT trovato_owner, trovato_worker, trovato_web TO "{login}"'
            ) from error


async def _create_roles(conn: Any) -> None:
    # Before release 16 the server knows no membership without the right to SET ROLE.
    privilege = "SET" if conn.get_server_version().major >= 16 else "MEMBER"
    for role in ROLES:
        name = f"trovato_{role}"
        if not await conn.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", name):
            await conn.execute(f"CREATE ROLE {name} NOLOGIN")
        if not await conn.fetchval("SELECT pg_has_role(session_user, $1, $2)", name, privilege):
            await conn.execute(f"GRANT {name} TO SESSION_USER")


async def _set_logins(conn: Any, config: Config) -> None:
    """A URL that logs in as the role itself gives that role its password."""
    for role, url in (("worker", config.database_url_worker), ("web", config.database_url_web)):
        parts = urlsplit(url)
        name = f"trovato_{role}"
        if parts.username != name:
            continue
        password = await conn.fetchval("SELECT quote_literal($1)", unquote(parts.password or ""))
        await conn.execute(f"ALTER ROLE {name} LOGIN PASSWORD {password if parts.password else 'NULL'}")


async def _grant_database(conn: Any) -> None:
    if not await conn.fetchval("SELECT has_schema_privilege('trovato_owner', 'public', 'CREATE')"):
        await conn.execute("GRANT CREATE, USAGE ON SCHEMA public TO trovato_owner")
        # Without the right to grant, the server only warns.
        if not await conn.fetchval("SELECT has_schema_privilege('trovato_owner', 'public', 'CREATE')"):
            raise asyncpg.InsufficientPrivilegeError("permission denied for schema public")
    if not await conn.fetchval(
        "SELECT has_database_privilege('trovato_owner', current_database(), 'CREATE')"
    ):
        # Each plugin with tables has a schema of its own.
        database = await conn.fetchval("SELECT quote_ident(current_database())")
        await conn.execute(f"GRANT CREATE ON DATABASE {database} TO trovato_owner")
        if not await conn.fetchval(
            "SELECT has_database_privilege('trovato_owner', current_database(), 'CREATE')"
        ):
            raise asyncpg.InsufficientPrivilegeError("permission denied for the database")
