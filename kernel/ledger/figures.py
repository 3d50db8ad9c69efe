"""How many jobs wait, run or gave up, by kind, for the metrics; and whether anybody works at all."""

from dataclasses import dataclass
from typing import Final

from kernel.db.pool import Connection

# Counting a kind ends here, so that a question asked every few seconds stays cheap in the worst of times.
MOST_COUNTED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Backlog:
    """Of one kind. `waiting` are due, `oldest_s` the longest that one of them has been; the time of those that are
    `scheduled` has not come."""

    kind: str
    waiting: int
    oldest_s: float
    scheduled: int
    running: int


async def list_backlog(conn: Connection) -> list[Backlog]:
    """By kind; read from the index of unfinished jobs alone, in which it goes from kind to kind."""
    rows = await conn.fetch(
        """
        WITH RECURSIVE known AS (
            (SELECT kind FROM job WHERE status IN ('queued', 'running') ORDER BY kind LIMIT 1)
            UNION ALL
            SELECT higher.kind FROM known CROSS JOIN LATERAL (
                SELECT kind FROM job WHERE job.kind > known.kind AND status IN ('queued', 'running')
                ORDER BY kind LIMIT 1
            ) AS higher
        )
        SELECT known.kind, figures.* FROM known CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE status = 'queued' AND run_at <= now()) AS waiting,
                coalesce(extract(epoch FROM now() - min(run_at)
                    FILTER (WHERE status = 'queued' AND run_at <= now())), 0)::float8 AS oldest_s,
                count(*) FILTER (WHERE status = 'queued' AND run_at > now()) AS scheduled,
                count(*) FILTER (WHERE status = 'running') AS running
            FROM (
                SELECT status, run_at FROM job
                WHERE job.kind = known.kind AND status IN ('queued', 'running')
                ORDER BY group_key, status, run_at LIMIT $1
            ) AS unfinished
        ) AS figures
        ORDER BY known.kind
        """,
        MOST_COUNTED,
    )
    return [Backlog(**row) for row in rows]


async def count_given_up(conn: Connection) -> dict[tuple[str, str], int]:
    """Jobs that are `failed` or `dead`, by kind and status; in the same way, from an index that holds nothing else."""
    rows = await conn.fetch(
        """
        WITH RECURSIVE known AS (
            (SELECT kind, status FROM job WHERE status IN ('failed', 'dead') ORDER BY kind, status LIMIT 1)
            UNION ALL
            SELECT higher.kind, higher.status FROM known CROSS JOIN LATERAL (
                SELECT kind, status FROM job
                WHERE (job.kind, job.status) > (known.kind, known.status) AND status IN ('failed', 'dead')
                ORDER BY kind, status LIMIT 1
            ) AS higher
        )
        SELECT kind, status, given_up.count FROM known CROSS JOIN LATERAL (
            SELECT count(*) FROM (
                SELECT FROM job
                WHERE job.kind = known.kind AND job.status = known.status AND job.status IN ('failed', 'dead')
                LIMIT $1
            ) AS counted
        ) AS given_up
        """,
        MOST_COUNTED,
    )
    return {(row["kind"], row["status"]): row["count"] for row in rows}


async def is_anybody_working(conn: Connection) -> bool:
    """Whether some worker keeps the lease of a job; read from the index of running jobs alone."""
    return bool(
        await conn.fetchval(
            "SELECT EXISTS (SELECT FROM job WHERE status = 'running' AND lease_until > now())"
        )
    )
