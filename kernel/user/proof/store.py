"""The SQL of links in mails, and of what is proven by following one."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from kernel.db.pool import Connection
from kernel.ids import uuid7
from kernel.names import ANONYMOUS_ID
from kernel.user.skeleton import build_skeleton

Purpose = Literal["reset", "register", "address"]


@dataclass(frozen=True, slots=True)
class MailedLink:
    """`mail` is the address that it was sent to; `name` and `pass_hash` are those of somebody who registers."""

    purpose: Purpose
    user_id: UUID | None = None
    name: str | None = None
    mail: str | None = None
    pass_hash: str | None = field(default=None, repr=False)


async def insert_link(conn: Connection, digest: bytes, link: MailedLink, expires: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO mailed_link (digest, purpose, user_id, name, mail, pass, expires)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        digest,
        link.purpose,
        link.user_id,
        link.name,
        link.mail,
        link.pass_hash,
        expires,
    )


_GOOD_LINK: Final = """
    digest = $1 AND purpose = $2 AND expires > $3
    AND (user_id IS NULL OR user_id IN (
        SELECT id FROM users
        WHERE status = 1 AND ($2 <> 'reset' OR lower(users.mail) = lower(mailed_link.mail))
    ))
"""


async def find_link(conn: Connection, digest: bytes, purpose: Purpose, now: datetime) -> MailedLink | None:
    """Looking does not spend it. None also when its account is blocked, or has another address
    than the one that a new password was promised to."""
    row = await conn.fetchrow(
        f"SELECT purpose, user_id, name, mail, pass AS pass_hash FROM mailed_link WHERE {_GOOD_LINK}",  # noqa: S608  # a constant
        digest,
        purpose,
        now,
    )
    return None if row is None else MailedLink(**row)


async def take_link(conn: Connection, digest: bytes, purpose: Purpose, now: datetime) -> MailedLink | None:
    """Spends it with the transaction: of several at the same moment one gets it."""
    row = await conn.fetchrow(
        f"""
        DELETE FROM mailed_link WHERE {_GOOD_LINK}
        RETURNING purpose, user_id, name, mail, pass AS pass_hash
        """,  # noqa: S608  # a constant
        digest,
        purpose,
        now,
    )
    return None if row is None else MailedLink(**row)


async def delete_links(conn: Connection, user_id: UUID, purposes: Collection[Purpose]) -> None:
    if user_id == ANONYMOUS_ID:
        return
    await conn.execute(
        "DELETE FROM mailed_link WHERE user_id = $1 AND purpose = ANY($2)", user_id, list(purposes)
    )


async def delete_expired_links(conn: Connection, now: datetime, limit: int) -> int:
    """How many."""
    number: int = await conn.fetchval(
        """
        WITH old AS MATERIALIZED (
                SELECT digest FROM mailed_link WHERE expires <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
            ),
            gone AS (DELETE FROM mailed_link USING old WHERE mailed_link.digest = old.digest RETURNING 1)
        SELECT count(*) FROM gone
        """,
        now,
        limit,
    )
    return number


@dataclass(frozen=True, slots=True)
class Addressee:
    """An account as far as mail is concerned."""

    id: UUID
    name: str
    mail: str | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody who awaits approval."""

    id: UUID
    name: str
    mail: str
    created: datetime


_ADDRESSEE: Final = "SELECT id, name, mail, status = 1 AS is_active FROM users"


async def find_addressee(conn: Connection, user_id: UUID) -> Addressee | None:
    row = await conn.fetchrow(f"{_ADDRESSEE} WHERE id = $1 AND id <> $2", user_id, ANONYMOUS_ID)
    return None if row is None else Addressee(**row)


async def find_addressee_by_name(conn: Connection, name: str) -> Addressee | None:
    row = await conn.fetchrow(f"{_ADDRESSEE} WHERE lower(name) = lower($1) AND id <> $2", name, ANONYMOUS_ID)
    return None if row is None else Addressee(**row)


async def find_addressee_by_mail(conn: Connection, mail: str) -> Addressee | None:
    row = await conn.fetchrow(f"{_ADDRESSEE} WHERE lower(mail) = lower($1) AND id <> $2", mail, ANONYMOUS_ID)
    return None if row is None else Addressee(**row)


async def list_administrators(conn: Connection, limit: int) -> list[Addressee]:
    """Those who may log in and have an address, the first ones first."""
    rows = await conn.fetch(
        f"{_ADDRESSEE} WHERE is_admin AND status = 1 AND mail IS NOT NULL ORDER BY created, id LIMIT $1",
        limit,
    )
    return [Addressee(**row) for row in rows]


async def insert_registered(
    conn: Connection, *, name: str, mail: str, pass_hash: str, awaits_approval: bool
) -> UUID | None:
    """None when the name, one that looks like it, or the address is taken."""
    user_id: UUID | None = await conn.fetchval(
        """
        INSERT INTO users (id, name, mail, pass, status, awaits_approval, skeleton)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT DO NOTHING RETURNING id
        """,
        uuid7(),
        name,
        mail,
        pass_hash,
        0 if awaits_approval else 1,
        awaits_approval,
        build_skeleton(name),
    )
    return user_id


async def list_waiting(conn: Connection, limit: int) -> list[Waiting]:
    """Who has waited longest first."""
    rows = await conn.fetch(
        """
        SELECT id, name, mail, created FROM users WHERE awaits_approval AND status = 0 AND mail IS NOT NULL
        ORDER BY created, id LIMIT $1
        """,
        limit,
    )
    return [Waiting(**row) for row in rows]


async def let_in(conn: Connection, user_id: UUID) -> Addressee | None:
    """None when this account does not wait any more."""
    row = await conn.fetchrow(
        """
        UPDATE users SET status = 1, awaits_approval = false WHERE id = $1 AND awaits_approval AND status = 0
        RETURNING id, name, mail, true AS is_active
        """,
        user_id,
    )
    return None if row is None else Addressee(**row)


async def turn_away(conn: Connection, user_id: UUID) -> Addressee | None:
    """As `let_in`, and the account is removed: nobody has ever used it."""
    row = await conn.fetchrow(
        """
        DELETE FROM users WHERE id = $1 AND awaits_approval AND status = 0
        RETURNING id, name, mail, false AS is_active
        """,
        user_id,
    )
    return None if row is None else Addressee(**row)


async def update_mail(conn: Connection, user_id: UUID, mail: str) -> bool:
    """False when the address belongs to somebody else. Of two who take it at once, one fails and may try again."""
    updated = await conn.fetchval(
        """
        UPDATE users SET mail = $2 WHERE id = $1 AND status = 1
            AND NOT EXISTS (SELECT FROM users other WHERE lower(other.mail) = lower($2) AND other.id <> $1)
        RETURNING true
        """,
        user_id,
        mail,
    )
    return updated is not None
