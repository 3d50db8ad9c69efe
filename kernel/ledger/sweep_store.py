"""The sweeper's SQL: bounded batches, on indexes that hold unfinished business alone.

Locked rows are passed over: a worker that was stopped in the middle of its finishing transaction must not
stop the sweeper too.
"""

from collections.abc import Sequence
from uuid import UUID

from kernel.db.pool import Connection, Record


async def return_expired(
    conn: Connection, kinds: Sequence[str], max_attempts: Sequence[int], limit: int
) -> list[Record]:
    """Ends the attempts whose lease ran out: `id, kind, status, attempts` of each job, which is now
    queued, dead when that was its last attempt, or cancelled."""
    rows: list[Record] = await conn.fetch(
        """
        WITH expired AS MATERIALIZED (
            SELECT job.id, CASE
                WHEN cancel_requested THEN 'cancelled'
                WHEN failures + 1 >= known.max_attempts THEN 'dead'
                ELSE 'queued' END AS next
            FROM job JOIN unnest($1::text[], $2::int[]) AS known (kind, max_attempts) USING (kind)
            WHERE status = 'running' AND lease_until < now()
            ORDER BY lease_until LIMIT $3
            FOR UPDATE OF job SKIP LOCKED
        )
        UPDATE job SET
            status = expired.next,
            failures = failures + 1,
            payload = CASE expired.next WHEN 'cancelled' THEN '{}' ELSE payload END,
            error = CASE expired.next WHEN 'dead' THEN $4::jsonb ELSE error END,
            run_at = CASE expired.next WHEN 'queued' THEN now() ELSE run_at END,
            lease_until = CASE expired.next WHEN 'queued' THEN now() END,
            finished = CASE expired.next WHEN 'queued' THEN NULL ELSE now() END
        FROM expired WHERE job.id = expired.id
        RETURNING job.id, job.kind, job.status, job.attempts
        """,
        kinds,
        max_attempts,
        limit,
        {
            "code": "worker-lost",
            "message": "The worker that did this stopped without a word, each time it was tried.",
        },
    )
    return rows


async def count_deliveries(
    conn: Connection, kinds: Sequence[str], trust_queue_s: float, longest_trust_s: float, limit: int
) -> list[Record]:
    """Counts another delivery for what is due, unclaimed and not trusted to the queue any more: `id, kind,
    deliveries`.

    A job that waits behind many others is delivered again ever more rarely: a backlog does not feed itself. One that
    was delivered often because it has had many turns is trusted for no longer than it has waited since the last.
    """
    rows: list[Record] = await conn.fetch(
        """
        WITH due AS MATERIALIZED (
            SELECT id FROM job
            WHERE status = 'queued' AND run_at <= now() AND kind = ANY($1)
                AND coalesce(
                    lease_until,
                    -- Who gave it a time of its own has not put it on the queue.
                    CASE WHEN run_at > created THEN run_at ELSE run_at + make_interval(secs => $2) END
                ) <= now()
            ORDER BY run_at LIMIT $4
            FOR UPDATE SKIP LOCKED
        )
        UPDATE job SET deliveries = deliveries + 1,
            lease_until = now() + make_interval(secs => least(
                $3, $2 * 2 ^ least(deliveries, 20), greatest($2, extract(epoch FROM now() - run_at)::float8)
            ))
        FROM due WHERE job.id = due.id
        RETURNING job.id, job.kind, job.deliveries
        """,
        kinds,
        trust_queue_s,
        longest_trust_s,
        limit,
    )
    return rows


async def list_undropped(
    conn: Connection, older_than_s: float, lease_s: float, limit: int
) -> list[tuple[UUID, list[str]]]:
    """Jobs whose cache tags were not dropped after their commit; younger ones are in their worker's hands. A job that
    goes on has renewed its lease when it committed; one that waits for its place in a limited kind has none."""
    rows = await conn.fetch(
        """
        SELECT id, drop_tags FROM job
        WHERE drop_tags IS NOT NULL
            AND coalesce(finished, lease_until - make_interval(secs => $2), run_at) < now() - make_interval(secs => $1)
        LIMIT $3
        """,
        older_than_s,
        lease_s,
        limit,
    )
    return [(row["id"], row["drop_tags"]) for row in rows]
