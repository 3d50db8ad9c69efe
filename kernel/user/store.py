"""Reads and writes users, roles, permissions and API tokens.

Names are compared as the unique index on them compares: without regard to case. The row of the anonymous user
stands for everybody who is not logged in; it is no account, and what looks for accounts leaves it out.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from kernel.context import Actor
from kernel.db.pool import Connection, Record
from kernel.errors import NotFound
from kernel.ids import uuid7
from kernel.names import ANONYMOUS_ID, ANONYMOUS_ROLE, AUTHENTICATED_ROLE
from kernel.user.model import ApiToken, Credentials, Role, User
from kernel.user.skeleton import build_skeleton

_ADMINISTRATOR_LOCK: Final = 7_025_318_264
_SHOWN: Final = "id, user_id, label, created, expires, scope, last_used"


# Users ------------------------------------------------------------------------------------------------------


async def insert_user(
    conn: Connection, *, name: str, pass_hash: str | None, mail: str | None, is_admin: bool
) -> User | None:
    """None when the name is taken, or looks like one that is."""
    row = await conn.fetchrow(
        """
        INSERT INTO users (id, name, pass, mail, is_admin, skeleton) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING RETURNING *
        """,
        uuid7(),
        name,
        pass_hash,
        mail,
        is_admin,
        build_skeleton(name),
    )
    return None if row is None else read_user(row)


async def find_user(conn: Connection, user_id: UUID) -> User | None:
    row = await conn.fetchrow(
        "SELECT * FROM users WHERE id = $1 AND id <> $2",
        user_id,
        ANONYMOUS_ID,
    )
    return None if row is None else read_user(row)


async def find_user_by_name(conn: Connection, name: str) -> User | None:
    row = await conn.fetchrow(
        "SELECT * FROM users WHERE lower(name) = lower($1) AND id <> $2",
        name,
        ANONYMOUS_ID,
    )
    return None if row is None else read_user(row)


async def has_lookalike(conn: Connection, skeleton: str, but: UUID | None) -> bool:
    """Whether somebody else than `but` has a name of that skeleton."""
    found = await conn.fetchval(
        "SELECT true FROM users WHERE skeleton = $1 AND id IS DISTINCT FROM $2 LIMIT 1", skeleton, but
    )
    return found is True


async def list_without_skeleton(conn: Connection, limit: int) -> list[tuple[UUID, str]]:
    """Ids and names of accounts whose skeleton was never stored, the oldest first."""
    rows = await conn.fetch(
        "SELECT id, name FROM users WHERE skeleton IS NULL AND id <> $2 ORDER BY created, id LIMIT $1",
        limit,
        ANONYMOUS_ID,
    )
    return [(row["id"], row["name"]) for row in rows]


async def lock_users(conn: Connection) -> None:
    """Until the transaction ends nobody else writes an account; everybody may read them."""
    await conn.execute("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")


async def update_skeletons(conn: Connection, skeletons: Sequence[tuple[UUID, str]]) -> None:
    """Of accounts without one. `conn` has users locked. Where several have the same, they are numbered as twins, in the
    order in which they are given here."""
    await conn.execute(
        """
        UPDATE users SET skeleton = named.skeleton, twin = named.twin
        FROM (
            SELECT user_id, skeleton, row_number() OVER (PARTITION BY skeleton ORDER BY place) - 1
                + coalesce((SELECT max(twin) + 1 FROM users WHERE skeleton = given.skeleton), 0) AS twin
            FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS given (user_id, skeleton, place)
        ) named
        WHERE users.id = named.user_id AND users.skeleton IS NULL
        """,
        [user_id for user_id, _ in skeletons],
        [skeleton for _, skeleton in skeletons],
    )


async def list_users(conn: Connection, *, limit: int = 500) -> list[User]:
    """By name."""
    rows = await conn.fetch(
        "SELECT * FROM users WHERE id <> $2 ORDER BY lower(name), id LIMIT $1",
        limit,
        ANONYMOUS_ID,
    )
    return [read_user(row) for row in rows]


async def lock_administrator(conn: Connection) -> User | None:
    """The first administrator who may log in; whoever asks next waits until this transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock($1)", _ADMINISTRATOR_LOCK)
    row = await conn.fetchrow(
        "SELECT * FROM users WHERE is_admin AND status = 1 AND id <> $1 ORDER BY created, id LIMIT 1",
        ANONYMOUS_ID,
    )
    return None if row is None else read_user(row)


async def find_credentials(conn: Connection, name: str) -> Credentials | None:
    row = await conn.fetchrow(
        "SELECT * FROM users WHERE lower(name) = lower($1) AND id <> $2",
        name,
        ANONYMOUS_ID,
    )
    return None if row is None else _read_credentials(row)


async def find_credentials_of(conn: Connection, user_id: UUID) -> Credentials | None:
    row = await conn.fetchrow("SELECT * FROM users WHERE id = $1 AND id <> $2", user_id, ANONYMOUS_ID)
    return None if row is None else _read_credentials(row)


async def find_pass_hash(conn: Connection, user_id: UUID) -> str | None:
    pass_hash: str | None = await conn.fetchval("SELECT pass FROM users WHERE id = $1", user_id)
    return pass_hash


async def update_pass_hash(conn: Connection, user_id: UUID, pass_hash: str) -> None:
    """A new password in place of whatever it is."""
    await conn.execute(
        "UPDATE users SET pass = $2, device_epoch = device_epoch + 1 WHERE id = $1 AND id <> $3",
        user_id,
        pass_hash,
        ANONYMOUS_ID,
    )


async def replace_pass_hash(
    conn: Connection, user_id: UUID, pass_hash: str, replaces: str | None, *, is_rehash: bool
) -> bool:
    """False when there is no such account, it is blocked, or its hash is no longer `replaces` (None: it has none)."""
    updated = await conn.fetchval(
        """
        UPDATE users SET pass = $2, device_epoch = device_epoch + CASE WHEN $5 THEN 0 ELSE 1 END
        WHERE id = $1 AND id <> $4 AND status = 1 AND pass IS NOT DISTINCT FROM $3
        RETURNING true
        """,
        user_id,
        pass_hash,
        replaces,
        ANONYMOUS_ID,
        is_rehash,
    )
    return updated is not None


async def update_login_time(conn: Connection, user_id: UUID, at: datetime) -> None:
    """Only ever forward, since jobs may arrive late and twice."""
    await conn.execute(
        "UPDATE users SET login = greatest(login, $2), access = greatest(access, $2) WHERE id = $1",
        user_id,
        at,
    )


async def update_access_times(conn: Connection, seen: Sequence[tuple[UUID, datetime]]) -> int:
    """When these people were last seen, each of them once; only ever forward. How many it was news of."""
    number: int = await conn.fetchval(
        """
        WITH moved AS (
            UPDATE users SET access = seen.at FROM unnest($1::uuid[], $2::timestamptz[]) AS seen (user_id, at)
            WHERE users.id = seen.user_id AND users.id <> $3 AND (access IS NULL OR access < seen.at)
            RETURNING 1
        )
        SELECT count(*) FROM moved
        """,
        [user_id for user_id, _ in seen],
        [at for _, at in seen],
        ANONYMOUS_ID,
    )
    return number


async def select_actor(conn: Connection, user_id: UUID) -> Actor | None:
    """With the permissions of all roles; None when the account is gone or blocked.

    Everybody with an account has the role of those who are logged in, whether it was assigned or not; the
    anonymous user has its own role and no other.
    """
    row = await conn.fetchrow(
        """
        SELECT u.id, u.name, u.is_admin, u.timezone, array(
            SELECT DISTINCT p.permission FROM role_permission p JOIN role r ON r.id = p.role_id
            WHERE r.name = CASE WHEN u.id = $2 THEN $3 ELSE $4 END
               OR u.id <> $2 AND r.id IN (SELECT role_id FROM users_roles WHERE user_id = u.id)
        ) AS permissions
        FROM users u WHERE u.id = $1 AND u.status = 1
        """,
        user_id,
        ANONYMOUS_ID,
        ANONYMOUS_ROLE,
        AUTHENTICATED_ROLE,
    )
    if row is None:
        return None
    is_anonymous = row["id"] == ANONYMOUS_ID
    return Actor(
        id=row["id"],
        name=row["name"],
        is_admin=row["is_admin"] and not is_anonymous,
        permissions=frozenset(row["permissions"]),
        timezone=row["timezone"],
    )


# Roles: whoever changes one drops the cache tag "permissions" after the commit ------------------------------


async def insert_role(conn: Connection, name: str) -> bool:
    """False when there is a role of that name."""
    inserted = await conn.fetchval(
        "INSERT INTO role (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true", uuid7(), name
    )
    return inserted is not None


async def list_roles(conn: Connection) -> list[Role]:
    """By name; a site has few."""
    rows = await conn.fetch(
        """
        SELECT r.id, r.name, array(SELECT permission FROM role_permission WHERE role_id = r.id) AS permissions
        FROM role r ORDER BY r.name LIMIT 500
        """
    )
    return [Role(row["id"], row["name"], frozenset(row["permissions"])) for row in rows]


async def grant_permission(conn: Connection, role: str, permission: str) -> None:
    """Granting twice is harmless. Raises NotFound."""
    await conn.execute(
        "INSERT INTO role_permission (role_id, permission) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        await _get_role_id(conn, role),
        permission,
    )


async def revoke_permission(conn: Connection, role: str, permission: str) -> None:
    """Raises NotFound when there is no such role."""
    await conn.execute(
        "DELETE FROM role_permission WHERE role_id = $1 AND permission = $2",
        await _get_role_id(conn, role),
        permission,
    )


async def assign_role(conn: Connection, user_id: UUID, role: str) -> None:
    """Raises NotFound when there is no such role."""
    await conn.execute(
        "INSERT INTO users_roles (user_id, role_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        user_id,
        await _get_role_id(conn, role),
    )


async def unassign_role(conn: Connection, user_id: UUID, role: str) -> None:
    """Raises NotFound when there is no such role."""
    await conn.execute(
        "DELETE FROM users_roles WHERE user_id = $1 AND role_id = $2",
        user_id,
        await _get_role_id(conn, role),
    )


async def _get_role_id(conn: Connection, name: str) -> UUID:
    role_id: UUID | None = await conn.fetchval("SELECT id FROM role WHERE name = $1", name)
    if role_id is None:
        known = ", ".join(role.name for role in await list_roles(conn))
        raise NotFound(f"There is no role {name[:60]!r}. This site has: {known}.")
    return role_id


# API tokens -------------------------------------------------------------------------------------------------


async def insert_api_token(
    conn: Connection,
    *,
    token_id: UUID,
    user_id: UUID,
    digest: bytes,
    label: str,
    expires: datetime | None,
    scope: Collection[str] | None,
) -> None:
    await conn.execute(
        """
        INSERT INTO api_token (id, user_id, digest, label, expires, scope) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO NOTHING
        """,
        token_id,
        user_id,
        digest,
        label,
        expires,
        None if scope is None else sorted(scope),
    )


async def find_api_token(conn: Connection, digest: bytes, now: datetime) -> ApiToken | None:
    """Unless it has expired by `now`."""
    row = await conn.fetchrow(
        f"SELECT {_SHOWN} FROM api_token WHERE digest = $1 AND (expires IS NULL OR expires > $2)",  # noqa: S608  # a constant
        digest,
        now,
    )
    return None if row is None else ApiToken(**row)


async def list_api_tokens(conn: Connection, user_id: UUID) -> list[ApiToken]:
    """Newest first."""
    rows = await conn.fetch(
        f"""
        SELECT {_SHOWN} FROM api_token WHERE user_id = $1
        ORDER BY created DESC, id DESC LIMIT 500
        """,  # noqa: S608  # a constant
        user_id,
    )
    return [ApiToken(**row) for row in rows]


async def update_token_use(conn: Connection, token_id: UUID, at: datetime) -> None:
    """Only ever forward."""
    await conn.execute("UPDATE api_token SET last_used = greatest(last_used, $2) WHERE id = $1", token_id, at)


async def delete_api_token(conn: Connection, token_id: UUID) -> bool:
    """False when there is none."""
    deleted = await conn.fetchval("DELETE FROM api_token WHERE id = $1 RETURNING true", token_id)
    return deleted is not None


async def delete_expired_tokens(conn: Connection, now: datetime, limit: int) -> int:
    """Those that do not open anything any more; how many."""
    number: int = await conn.fetchval(
        """
        WITH old AS MATERIALIZED (SELECT id FROM api_token WHERE expires <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED),
            gone AS (DELETE FROM api_token USING old WHERE api_token.id = old.id RETURNING 1)
        SELECT count(*) FROM gone
        """,
        now,
        limit,
    )
    return number


def read_user(row: Record) -> User:
    return User(
        id=row["id"],
        name=row["name"],
        mail=row["mail"],
        is_admin=row["is_admin"],
        is_active=row["status"] == 1,
        has_password=row["pass"] is not None,
        created=row["created"],
        access=row["access"],
        login=row["login"],
        timezone=row["timezone"],
        language=row["language"],
        awaits_approval=row["awaits_approval"] and row["status"] == 0,
    )


def _read_credentials(row: Record) -> Credentials:
    return Credentials(read_user(row), row["pass"], row["device_epoch"])
