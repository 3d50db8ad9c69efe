"""The SQL of limited kinds: how many of a group wait and run, and whose turn it is."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from kernel.db.pool import Connection, Record
from kernel.ledger.model import Job
from kernel.ledger.store import COLUMNS, read_job

# Those of a group that wait, longest first, are read with these two. Written like this they fit the index of
# unfinished jobs alone (job_unfinished_idx); asked for as `status = 'queued'` they are looked for among the jobs of
# every group, or in the whole table with all that is over.
_IS_DUE: Final = "status IN ('queued', 'running') AND status < 'running' AND run_at <= now()"
_LONGEST_FIRST: Final = "status, run_at"


async def count_unfinished(conn: Connection, kind: str, group_key: str, limit: int) -> int:
    """Jobs of the group that run or are due, each of both counted up to `limit`. What waits for its time, as after a
    failure, needs no room yet."""
    number: int = await conn.fetchval(
        f"""
        SELECT count(*) FROM (
            (
                SELECT 1 FROM job WHERE kind = $1 AND group_key = $2 AND status = 'running'
                ORDER BY run_at LIMIT $3
            )
            UNION ALL
            (SELECT 1 FROM job WHERE kind = $1 AND group_key = $2 AND {_IS_DUE} ORDER BY {_LONGEST_FIRST} LIMIT $3)
        ) AS unfinished
        """,  # noqa: S608  # constants of this module
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
    if claimed is None:
        # The queue has given it back, so another delivery is due when there is room.
        await conn.execute(
            "UPDATE job SET lease_until = NULL WHERE id = $1 AND status = 'queued' AND run_at <= now()",
            job_id,
        )
        return None
    return read_job(claimed)


async def count_next_delivery(
    conn: Connection, kind: str, group_key: str, *, trust_queue_s: float, longest_trust_s: float, limit: int
) -> list[Record]:
    """Counts another delivery for those of the group that have waited longest: `id, deliveries`. What is trusted to
    the queue is left alone, for as long as `count_deliveries` says."""
    rows: list[Record] = await conn.fetch(
        f"""
        WITH due AS MATERIALIZED (
            SELECT id FROM job
            WHERE kind = $1 AND group_key = $2 AND {_IS_DUE} AND (lease_until IS NULL OR lease_until <= now())
            ORDER BY {_LONGEST_FIRST} LIMIT $5
            FOR UPDATE SKIP LOCKED
        )
        UPDATE job SET deliveries = deliveries + 1,
            lease_until = now() + make_interval(secs => least(
                $4, $3 * 2 ^ least(deliveries, 20), greatest($3, extract(epoch FROM now() - run_at)::float8)
            ))
        FROM due WHERE job.id = due.id
        RETURNING job.id, job.deliveries
        """,  # noqa: S608  # constants of this module
        kind,
        group_key,
        trust_queue_s,
        longest_trust_s,
        limit,
    )
    return rows


async def list_groups_with_room(conn: Connection, limits: Mapping[str, int]) -> list[Record]:
    """`kind, group_key, room`: groups in which something is due, and how many more of them belong on the queue. Goes
    from group to group in the index, so that it does not matter how many jobs wait in one."""
    rows: list[Record] = await conn.fetch(
        f"""
        WITH RECURSIVE busy AS (
            SELECT known.kind, known.at_once, lowest.group_key
            FROM unnest($1::text[], $2::int[]) AS known (kind, at_once)
            CROSS JOIN LATERAL (
                SELECT group_key FROM job
                WHERE job.kind = known.kind AND status IN ('queued', 'running')
                ORDER BY group_key LIMIT 1
            ) AS lowest
            UNION ALL
            SELECT busy.kind, busy.at_once, higher.group_key
            FROM busy CROSS JOIN LATERAL (
                SELECT group_key FROM job
                WHERE job.kind = busy.kind AND job.group_key > busy.group_key AND status IN ('queued', 'running')
                ORDER BY group_key LIMIT 1
            ) AS higher
        )
        SELECT kind, group_key, (at_once - running.number - due.trusted)::int AS room
        FROM busy CROSS JOIN LATERAL (
            SELECT count(*) AS number FROM job
            WHERE job.kind = busy.kind AND job.group_key = busy.group_key AND status = 'running'
        ) AS running CROSS JOIN LATERAL (
            -- The queue has those that came first.
            SELECT count(*) AS number, count(*) FILTER (WHERE lease_until > now()) AS trusted FROM (
                SELECT lease_until FROM job
                WHERE job.kind = busy.kind AND job.group_key = busy.group_key AND {_IS_DUE}
                ORDER BY {_LONGEST_FIRST} LIMIT busy.at_once
            ) AS oldest
        ) AS due
        WHERE due.number > 0 AND at_once > running.number + due.trusted
        """,  # noqa: S608  # constants of this module
        list(limits),
        list(limits.values()),
    )
    return rows
