"""Reads and writes accounts and roles as the administration does.

What changes an account or who is granted what takes `lock_people` first, so that what it has checked stays true.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from kernel.db.pool import Connection, Record
from kernel.names import ANONYMOUS_ID, ANONYMOUS_ROLE, AUTHENTICATED_ROLE
from kernel.people.model import AssignedRole, CountedRole, PeopleFilter, PeoplePage, Person, Sort
from kernel.user.skeleton import build_skeleton
from kernel.user.store import lock_administrator, read_user

# So far people are counted for a page.
COUNTED_TO: Final = 10_000

_ROLES: Final = """
    array(
        SELECT jsonb_build_object('id', r.id, 'name', r.name, 'permissions', array(
            SELECT permission FROM role_permission WHERE role_id = r.id))
        FROM role r JOIN users_roles ur ON ur.role_id = r.id WHERE ur.user_id = u.id ORDER BY r.name
    ) AS roles
"""
_MATCHES: Final = """
    u.id <> '00000000-0000-0000-0000-000000000000'
    AND ($1 = '' OR strpos(lower(u.name), lower($1)) > 0 OR strpos(lower(coalesce(u.mail, '')), lower($1)) > 0)
    AND ($2::int IS NULL OR u.status = $2)
    AND (NOT $3::bool OR u.is_admin)
    AND ($4::uuid IS NULL OR EXISTS (SELECT FROM users_roles ur WHERE ur.user_id = u.id AND ur.role_id = $4))
"""
# What is sorted by, and whether the greatest comes first.
_KEYS: Final[Mapping[Sort, tuple[str, bool]]] = {
    "name": ("lower({0}name)", False),
    "created": ("{0}created", True),
    "access": ("coalesce({0}access, '-infinity')", True),
}


# People -----------------------------------------------------------------------------------------------------


async def lock_people(conn: Connection) -> None:
    """Until the transaction ends, nobody else changes who is an administrator or what a role may do."""
    await lock_administrator(conn)


async def has_administrator_besides(conn: Connection, user_ids: Collection[UUID]) -> bool:
    """Whether somebody else is an administrator who may log in. True only as long as people are locked."""
    found = await conn.fetchval(
        "SELECT true FROM users WHERE is_admin AND status = 1 AND id <> ALL($1) AND id <> $2 LIMIT 1",
        list(user_ids),
        ANONYMOUS_ID,
    )
    return found is True


async def find_person(conn: Connection, user_id: UUID) -> Person | None:
    people = await select_people(conn, [user_id])
    return people[0] if people else None


async def select_people(conn: Connection, user_ids: Collection[UUID]) -> list[Person]:
    """By name; who is gone is left out."""
    rows = await conn.fetch(
        f"SELECT u.*, {_ROLES} FROM users u WHERE u.id = ANY($1) AND u.id <> $2 ORDER BY lower(u.name)",  # noqa: S608  # built of constants of this module alone
        list(user_ids),
        ANONYMOUS_ID,
    )
    return [_read_person(row) for row in rows]


async def list_people(
    conn: Connection, chosen: PeopleFilter, *, after: UUID | None, before: UUID | None, limit: int
) -> PeoplePage:
    """Those behind `after`, or those right before `before`, in the order of the filter; the first ones without either.
    A place that is gone is as none."""
    is_back = before is not None
    place = before or after
    if place is not None and not await conn.fetchval("SELECT true FROM users WHERE id = $1", place):
        is_back, place = False, None
    rows = await _fetch_page(conn, chosen, place, is_back, limit + 1)
    has_more = len(rows) > limit
    people = [_read_person(row) for row in rows[:limit]]
    if is_back:
        people.reverse()
    total = await count_people(conn, chosen)
    has_before = has_more if is_back else place is not None
    has_after = is_back or has_more
    return PeoplePage(
        people,
        before=people[0].id if people and has_before else None,
        after=people[-1].id if people and has_after else None,
        total=min(total, COUNTED_TO),
        is_capped=total > COUNTED_TO,
    )


async def count_people(conn: Connection, chosen: PeopleFilter) -> int:
    """Up to one more than is counted."""
    number: int = await conn.fetchval(
        f"SELECT count(*) FROM (SELECT FROM users u WHERE {_MATCHES} LIMIT {COUNTED_TO + 1}) counted",  # noqa: S608  # built of constants of this module alone
        *_arguments(chosen),
    )
    return number


async def insert_person(
    conn: Connection, *, user_id: UUID, name: str, mail: str | None, pass_hash: str | None, now: datetime
) -> None:
    await conn.execute(
        "INSERT INTO users (id, name, mail, pass, created, skeleton) VALUES ($1, $2, $3, $4, $5, $6)",
        user_id,
        name,
        mail,
        pass_hash,
        now,
        build_skeleton(name),
    )


async def update_person(
    conn: Connection, *, user_id: UUID, name: str, mail: str | None, is_active: bool, is_admin: bool
) -> None:
    await conn.execute(
        """
        UPDATE users SET name = $2, mail = $3, status = $4, is_admin = $5,
            awaits_approval = awaits_approval AND NOT $7,
            skeleton = CASE WHEN name = $2 OR skeleton IS NULL THEN skeleton ELSE $8 END,
            twin = CASE WHEN name = $2 OR skeleton = $8 THEN twin ELSE 0 END
        WHERE id = $1 AND id <> $6
        """,
        user_id,
        name,
        mail,
        int(is_active),
        is_admin,
        ANONYMOUS_ID,
        is_active,
        build_skeleton(name),
    )


async def update_timezone(conn: Connection, user_id: UUID, timezone: str) -> bool:
    """False when there is no such account."""
    updated = await conn.fetchval(
        "UPDATE users SET timezone = $2 WHERE id = $1 AND id <> $3 RETURNING true",
        user_id,
        timezone,
        ANONYMOUS_ID,
    )
    return updated is not None


async def find_mail_owner(conn: Connection, mail: str) -> UUID | None:
    """Somebody's account with this address, in whichever case."""
    owner: UUID | None = await conn.fetchval(
        "SELECT id FROM users WHERE lower(mail) = lower($1) ORDER BY created LIMIT 1", mail
    )
    return owner


async def set_roles(conn: Connection, user_id: UUID, role_ids: Collection[UUID]) -> None:
    await conn.execute(
        "DELETE FROM users_roles WHERE user_id = $1 AND role_id <> ALL($2)", user_id, list(role_ids)
    )
    await conn.execute(
        """
        INSERT INTO users_roles (user_id, role_id) SELECT $1, role_id FROM unnest($2::uuid[]) AS given (role_id)
        ON CONFLICT DO NOTHING
        """,
        user_id,
        list(role_ids),
    )


async def set_active(conn: Connection, user_ids: Collection[UUID], *, is_active: bool) -> None:
    await conn.execute(
        """
        UPDATE users SET status = $2, awaits_approval = awaits_approval AND NOT $4
        WHERE id = ANY($1) AND id <> $3
        """,
        list(user_ids),
        int(is_active),
        ANONYMOUS_ID,
        is_active,
    )


async def add_role(conn: Connection, user_ids: Collection[UUID], role_id: UUID) -> None:
    await conn.execute(
        """
        INSERT INTO users_roles (user_id, role_id) SELECT user_id, $2 FROM unnest($1::uuid[]) AS given (user_id)
        ON CONFLICT DO NOTHING
        """,
        list(user_ids),
        role_id,
    )


async def remove_role(conn: Connection, user_ids: Collection[UUID], role_id: UUID) -> None:
    await conn.execute(
        "DELETE FROM users_roles WHERE user_id = ANY($1) AND role_id = $2", list(user_ids), role_id
    )


async def delete_person(conn: Connection, user_id: UUID) -> bool:
    """With roles and tokens. False when there is none."""
    deleted = await conn.fetchval(
        "DELETE FROM users WHERE id = $1 AND id <> $2 RETURNING true", user_id, ANONYMOUS_ID
    )
    return deleted is not None


# Roles ------------------------------------------------------------------------------------------------------


async def list_counted_roles(conn: Connection) -> list[CountedRole]:
    """The two seeded ones first, the others by name."""
    rows = await conn.fetch(
        """
        SELECT r.id, r.name, array(SELECT permission FROM role_permission WHERE role_id = r.id) AS permissions,
            CASE WHEN r.name = ANY($1) THEN NULL
                ELSE (SELECT count(*) FROM users_roles WHERE role_id = r.id) END AS people
        FROM role r ORDER BY array_position($1::text[], r.name), lower(r.name), r.name LIMIT 500
        """,
        [ANONYMOUS_ROLE, AUTHENTICATED_ROLE],
    )
    return [CountedRole(row["id"], row["name"], frozenset(row["permissions"]), row["people"]) for row in rows]


async def list_assignable_roles(conn: Connection) -> list[AssignedRole]:
    """What somebody can be given, by name."""
    rows = await conn.fetch(
        """
        SELECT r.id, r.name, array(SELECT permission FROM role_permission WHERE role_id = r.id) AS permissions
        FROM role r WHERE r.name <> ALL($1) ORDER BY lower(r.name), r.name LIMIT 500
        """,
        [ANONYMOUS_ROLE, AUTHENTICATED_ROLE],
    )
    return [AssignedRole(row["id"], row["name"], frozenset(row["permissions"])) for row in rows]


async def insert_role(conn: Connection, role_id: UUID, name: str) -> None:
    await conn.execute("INSERT INTO role (id, name) VALUES ($1, $2)", role_id, name)


async def rename_role(conn: Connection, role_id: UUID, name: str) -> None:
    await conn.execute("UPDATE role SET name = $2 WHERE id = $1", role_id, name)


async def delete_role(conn: Connection, role_id: UUID) -> None:
    """With what it was granted, and from whoever has it."""
    await conn.execute("DELETE FROM role WHERE id = $1", role_id)


async def insert_grants(conn: Connection, pairs: Sequence[tuple[UUID, str]]) -> None:
    await conn.executemany(
        "INSERT INTO role_permission (role_id, permission) VALUES ($1, $2) ON CONFLICT DO NOTHING", pairs
    )


async def delete_grants(conn: Connection, pairs: Sequence[tuple[UUID, str]]) -> None:
    await conn.executemany("DELETE FROM role_permission WHERE role_id = $1 AND permission = $2", pairs)


async def _fetch_page(
    conn: Connection, chosen: PeopleFilter, place: UUID | None, is_back: bool, limit: int
) -> list[Record]:
    expression, is_falling = _KEYS[chosen.sort]
    is_down = is_falling != is_back
    key, order = expression.format("u."), "DESC" if is_down else "ASC"
    behind = ""
    arguments: list[Any] = [*_arguments(chosen), limit]
    if place is not None:
        comparison = "<" if is_down else ">"
        arguments.append(place)
        behind = (
            f"AND ({key}, u.id) {comparison} (SELECT {expression.format('')}, id FROM users WHERE id = $6)"  # noqa: S608  # built of constants of this module alone
        )
    rows: list[Record] = await conn.fetch(
        f"""
        SELECT u.*, {_ROLES} FROM users u WHERE {_MATCHES} {behind}
        ORDER BY {key} {order}, u.id {order} LIMIT $5
        """,  # noqa: S608  # constants of this module
        *arguments,
    )
    return rows


def _arguments(chosen: PeopleFilter) -> tuple[Any, ...]:
    is_admin = chosen.role == "admin"
    status = {"": None, "active": 1, "blocked": 0}[chosen.status]
    return chosen.text, status, is_admin, UUID(chosen.role) if chosen.role and not is_admin else None


def _read_person(row: Record) -> Person:
    roles = tuple(
        AssignedRole(UUID(role["id"]), role["name"], frozenset(role["permissions"])) for role in row["roles"]
    )
    stamp = hashlib.sha256((row["pass"] or "").encode()).hexdigest()
    return Person(read_user(row), roles, stamp)
