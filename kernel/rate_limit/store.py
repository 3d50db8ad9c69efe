"""The SQL behind the report of whom the limits refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kernel.db.pool import Connection


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often one requester was refused at one door; `who` is an address or, of a `user` or `token`, an account's id,
    and `label` what people call it."""

    door: str
    who_kind: str
    who: str
    label: str
    number: int
    latest: datetime


async def write_refusals(
    conn: Connection, since: datetime, counted: Sequence[tuple[str, str, str, int]]
) -> None:
    """Door, kind of requester, requester and number in the stretch that began at `since`. Written again it is the same:
    the numbers of a stretch that is over do not change."""
    if not counted:
        return
    await conn.execute(
        """
        INSERT INTO rate_refusal (since, door, who_kind, who, number)
        SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::int[])
        ON CONFLICT (since, door, who_kind, who) DO UPDATE SET number = excluded.number
        """,
        since,
        [door for door, _, _, _ in counted],
        [who_kind for _, who_kind, _, _ in counted],
        [who for _, _, who, _ in counted],
        [number for _, _, _, number in counted],
    )


async def list_refusals(conn: Connection, since: datetime, limit: int) -> list[Refusals]:
    """Those who were refused most often first."""
    rows = await conn.fetch(
        """
        WITH counted AS (
            SELECT door, who_kind, who, sum(number)::int AS number, max(since) AS latest
            FROM rate_refusal WHERE since >= $1
            GROUP BY door, who_kind, who ORDER BY number DESC, latest DESC, door, who LIMIT $2
        )
        SELECT door, who_kind, who, coalesce(users.name, who) AS label, number, latest
        FROM counted LEFT JOIN users ON who_kind IN ('user', 'token') AND users.id::text = who
        ORDER BY number DESC, latest DESC, door, who
        """,
        since,
        limit,
    )
    return [Refusals(**row) for row in rows]


async def prune_refusals(conn: Connection, before: datetime, addresses_before: datetime, limit: int) -> int:
    """Rows of before `before`, those with an address also of before `addresses_before`; how many were deleted."""
    status = await conn.execute(
        """
        DELETE FROM rate_refusal WHERE ctid IN (
            SELECT ctid FROM rate_refusal WHERE since < $1 OR (who_kind = 'address' AND since < $2) LIMIT $3
        )
        """,
        before,
        addresses_before,
        limit,
    )
    return int(status.rpartition(" ")[2])
