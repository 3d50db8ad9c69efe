"""The SQL of limited kinds: how many of a group wait and run, and whose turn it is."""

from collections.abc import Mapping
from uuid import UUID

from kernel.db.pool import Connection, Record
from kernel.ledger.model import Job
from kernel.ledger.store import COLUMNS, read_job


async def count_unfinished(conn: Connection, kind: str, group_key: str, limit: int) -> int:
    """Waiting and running jobs of the group, counted up to `limit`."""
    number: int = await conn.fetchval(
        """
        SELECT count(*) FROM (
            SELECT 1 FROM job
            WHERE kind = $1 AND group_key = $2 AND status IN ('queued', 'running') LIMIT $3
        ) AS unfinished
        """,
        kind,
        group_key,
        limit,
    )
    return number


async def claim_limited(
    conn: Connection, job_id: UUID, limits: Mapping[str, int], lease_s: float
) -> Job | None:
    """As `claim_job`, for kinds of which so many may run at once: the job, now running or cancelled, or None. In a
    transaction: claims of one group are made one after another, so that none misses another."""
    row = await conn.fetchrow(
        "SELECT kind, group_key FROM job WHERE id = $1 AND status = 'queued' AND kind = ANY($2)",
        job_id,
        list(limits),
    )
    if row is None:
        return None
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtext('job group'), hashtext($1 || ' ' || $2))",
        row["kind"],
        row["group_key"],
    )
    claimed = await conn.fetchrow(
        f"""
        UPDATE job SET
            status = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'running' END,
            payload = CASE WHEN cancel_requested THEN '{{}}' ELSE payload END,
            finished = CASE WHEN cancel_requested THEN now() END,
            lease_until = CASE WHEN cancel_requested THEN NULL ELSE now() + make_interval(secs => $5) END,
            attempts = attempts + 1,
            started = coalesce(started, now())
        WHERE id = $1 AND status = 'queued' AND (cancel_requested OR run_at <= now() AND $4 > (
            SELECT count(*) FROM job WHERE kind = $2 AND group_key = $3 AND status = 'running'
        ))
        RETURNING {COLUMNS}
        """,  # noqa: S608  # the columns are a constant
        job_id,
        row["kind"],
        row["group_key"],
        limits[row["kind"]],
        lease_s,
    )
    return None if claimed is None else read_job(claimed)


async def count_next_delivery(
    conn: Connection, kind: str, group_key: str, trust_queue_s: float, limit: int
) -> list[Record]:
    """Counts another delivery for those of the group that have waited longest: `id, deliveries`. What was given to
    the queue a moment ago is left alone."""
    rows: list[Record] = await conn.fetch(
        """
        WITH due AS MATERIALIZED (
            SELECT id FROM job
            WHERE kind = $1 AND group_key = $2 AND status = 'queued' AND run_at <= now()
                AND (lease_until IS NULL OR lease_until <= now())
            ORDER BY run_at LIMIT $4
            FOR UPDATE SKIP LOCKED
        )
        UPDATE job SET deliveries = deliveries + 1, lease_until = now() + make_interval(secs => $3)
        FROM due WHERE job.id = due.id
        RETURNING job.id, job.deliveries
        """,
        kind,
        group_key,
        trust_queue_s,
        limit,
    )
    return rows


async def list_groups_with_room(conn: Connection, limits: Mapping[str, int]) -> list[Record]:
    """`kind, group_key, room`: groups in which something is due, and how many more of them may run."""
    rows: list[Record] = await conn.fetch(
        """
        SELECT kind, group_key, known.at_once - count(*) FILTER (WHERE status = 'running') AS room
        FROM job JOIN unnest($1::text[], $2::int[]) AS known (kind, at_once) USING (kind)
        WHERE status IN ('queued', 'running')
        GROUP BY kind, group_key, known.at_once
        HAVING bool_or(status = 'queued' AND run_at <= now())
            AND known.at_once > count(*) FILTER (WHERE status = 'running')
        """,
        list(limits),
        list(limits.values()),
    )
    return rows
