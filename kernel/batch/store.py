"""Reads and writes what a batch is given, what it leaves and what it refused, and finds the items it is about."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from kernel import clock
from kernel.db.pool import Connection
from kernel.names import ANONYMOUS_ID

Part = Literal["input", "output"]

# Site variables that say when an operation last came to its end begin like this.
_LAST_RUN: Final = "batch_last_run_"
# So much of a refused line stands on a page.
HEAD_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """`number` is its place in the work, `ref` the id of the item, `content` the line as it was given."""

    number: int
    ref: str
    message: str
    content: str = ""


# Input and output -------------------------------------------------------------------------------------------


async def insert_input(conn: Connection, job_id: UUID, *, chunks: Iterable[str]) -> None:
    for number, content in enumerate(chunks):
        await insert_chunk(conn, job_id, "input", number, content)


async def insert_chunk(conn: Connection, job_id: UUID, part: Part, number: int, content: str) -> None:
    await conn.execute(
        "INSERT INTO job_chunk (job_id, part, number, content) VALUES ($1, $2, $3, $4)",
        job_id,
        part,
        number,
        content,
    )


async def find_chunk(conn: Connection, job_id: UUID, part: Part, number: int) -> str | None:
    content: str | None = await conn.fetchval(
        "SELECT content FROM job_chunk WHERE job_id = $1 AND part = $2 AND number = $3", job_id, part, number
    )
    return content


async def delete_input(conn: Connection, job_id: UUID, number: int) -> None:
    """What has been worked off is not kept."""
    await conn.execute(
        "DELETE FROM job_chunk WHERE job_id = $1 AND part = 'input' AND number = $2", job_id, number
    )


async def measure_output(conn: Connection, job_id: UUID) -> tuple[int, int]:
    """How many chunks of it there are, and how many bytes in all."""
    row = await conn.fetchrow(
        """
        SELECT count(*) AS chunks, coalesce(sum(octet_length(content)), 0)::bigint AS bytes
        FROM job_chunk WHERE job_id = $1 AND part = 'output'
        """,
        job_id,
    )
    return (row["chunks"], row["bytes"]) if row else (0, 0)


# Problems ---------------------------------------------------------------------------------------------------


async def insert_problems(conn: Connection, job_id: UUID, problems: Sequence[Problem]) -> None:
    if not problems:
        return
    await conn.executemany(
        "INSERT INTO job_problem (job_id, number, ref, message, content) VALUES ($1, $2, $3, $4, $5)",
        [(job_id, p.number, p.ref, p.message, p.content) for p in problems],
    )


async def list_problems(conn: Connection, job_id: UUID, after: int, limit: int) -> list[Problem]:
    """In the order of their numbers, those above `after`."""
    rows = await conn.fetch(
        """
        SELECT number, ref, message, content FROM job_problem WHERE job_id = $1 AND number > $2
        ORDER BY number LIMIT $3
        """,
        job_id,
        after,
        limit,
    )
    return [Problem(**row) for row in rows]


async def list_problem_heads(conn: Connection, job_id: UUID, after: int, limit: int) -> list[Problem]:
    """The same with the beginning of each line alone, for a page: a whole line may be as long as a book."""
    rows = await conn.fetch(
        """
        SELECT number, ref, message, left(content, $4) AS content FROM job_problem
        WHERE job_id = $1 AND number > $2 ORDER BY number LIMIT $3
        """,
        job_id,
        after,
        limit,
        HEAD_CHARS,
    )
    return [Problem(**row) for row in rows]


async def count_problems(conn: Connection, job_id: UUID) -> int:
    number: int = await conn.fetchval("SELECT count(*) FROM job_problem WHERE job_id = $1", job_id)
    return number


# Which items ------------------------------------------------------------------------------------------------

_MATCHES: Final = """
    (cardinality($1::text[]) = 0 OR type = ANY($1)) AND ($2::int IS NULL OR status = $2)
    AND ($3 = '' OR title ILIKE $3) AND ($4::uuid IS NULL OR status = 1 OR author_id = $4)
"""


async def find_last_id(conn: Connection) -> UUID | None:
    last: UUID | None = await conn.fetchval("SELECT id FROM item ORDER BY id DESC LIMIT 1")
    return last


async def count_matching(
    conn: Connection, types: Collection[str], status: int | None, pattern: str, *, viewer: UUID | None
) -> int:
    """`pattern` is for ILIKE; "" matches every title. With a `viewer` drafts of others are not there."""
    number: int = await conn.fetchval(
        f"SELECT count(*) FROM item WHERE {_MATCHES}",  # noqa: S608  # a constant of this module
        list(types),
        status,
        pattern,
        viewer,
    )
    return number


async def list_matching(
    conn: Connection,
    types: Collection[str],
    status: int | None,
    pattern: str,
    *,
    viewer: UUID | None,
    after: UUID | None,
    until: UUID,
    limit: int,
) -> list[UUID]:
    """In the order of their ids, which never changes: above `after`, up to and with `until`."""
    rows = await conn.fetch(
        f"""
        SELECT id FROM item WHERE {_MATCHES} AND ($5::uuid IS NULL OR id > $5) AND id <= $6
        ORDER BY id LIMIT $7
        """,  # noqa: S608  # a constant of this module
        list(types),
        status,
        pattern,
        viewer,
        after,
        until,
        limit,
    )
    return [row["id"] for row in rows]


async def find_user_ids(conn: Connection, names: Collection[str]) -> dict[str, UUID]:
    """By name as it is given, in whichever case; "" is nobody's account, as of content by strangers."""
    rows = await conn.fetch(
        """
        SELECT given.name, users.id FROM unnest($1::text[]) AS given (name)
            JOIN users ON lower(users.name) = lower(given.name)
        """,
        list(names),
    )
    return {row["name"]: row["id"] for row in rows}


# What is somebody's -----------------------------------------------------------------------------------------

# So far what somebody wrote is counted.
COUNTED_TO: Final = 10_000


async def count_content(conn: Connection, user_id: UUID, limit: int = COUNTED_TO) -> int | None:
    """How many items the account has; None for more than the limit."""
    number: int = await conn.fetchval(
        "SELECT count(*) FROM (SELECT FROM item WHERE author_id = $1 LIMIT $2) counted", user_id, limit + 1
    )
    return None if number > limit else number


async def list_content(conn: Connection, user_id: UUID, limit: int) -> list[UUID]:
    rows = await conn.fetch("SELECT id FROM item WHERE author_id = $1 ORDER BY id LIMIT $2", user_id, limit)
    return [row["id"] for row in rows]


async def move_content(conn: Connection, item_ids: Sequence[UUID], user_id: UUID) -> None:
    """To another account. It is no edit: neither a revision nor the time of the last change tells of it."""
    await conn.execute("UPDATE item SET author_id = $2 WHERE id = ANY($1)", list(item_ids), user_id)


async def move_revisions(conn: Connection, user_id: UUID, limit: int | None) -> int:
    """What the account wrote in the history of items, its own and others', is nobody's from now on; how many. None for
    all of it."""
    number: int = await conn.fetchval(
        """
        WITH mine AS MATERIALIZED (SELECT id FROM item_revision WHERE author_id = $1 LIMIT $3),
            moved AS (
                UPDATE item_revision SET author_id = $2 FROM mine WHERE item_revision.id = mine.id RETURNING 1)
        SELECT count(*) FROM moved
        """,
        user_id,
        ANONYMOUS_ID,
        limit,
    )
    return number


async def keep_account(conn: Connection, user_id: UUID) -> bool:
    """Whether it is there, and then until the transaction ends."""
    found = await conn.fetchval("SELECT true FROM users WHERE id = $1 FOR KEY SHARE", user_id)
    return found is True


# Notes of the site ------------------------------------------------------------------------------------------


async def _set_note(conn: Connection, name: str, value: Mapping[str, Any]) -> None:
    await conn.execute(
        "INSERT INTO variable (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name,
        value,
    )


async def note_last_run(conn: Connection, operation: str, job_id: UUID, result: Mapping[str, Any]) -> str:
    """The name of the variable in which it stands, for longer than the job itself."""
    last = {
        "job": str(job_id),
        "at": clock.now().isoformat(),
        "done": result["done"],
        "refused": result["refused"],
    }
    await _set_note(conn, f"{_LAST_RUN}{operation}", last)
    return f"{_LAST_RUN}{operation}"


async def list_last_runs(conn: Connection, operations: Collection[str]) -> dict[str, dict[str, Any]]:
    """By operation, of those that came to an end: `job`, `at`, `done` and `refused` of the last time."""
    rows = await conn.fetch(
        "SELECT name, value FROM variable WHERE name = ANY($1)", [f"{_LAST_RUN}{name}" for name in operations]
    )
    return {row["name"].removeprefix(_LAST_RUN): row["value"] for row in rows}
