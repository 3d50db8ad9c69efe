"""Removes finished jobs by age, so that the ledger stays as large as its work and not as its past."""

from collections.abc import Sequence
from datetime import datetime

from kernel.db.pool import Connection
from kernel.ids import first_uuid7
from kernel.ledger.model import JobStatus


async def prune_jobs(conn: Connection, statuses: Sequence[JobStatus], before: datetime, limit: int) -> int:
    """Removes jobs of these statuses that were over before that moment, the oldest first, with what they left to
    download; how many. One that still has cache tags to drop stays.

    The ids tell the age, so no index is kept for this: it reads the old end of the primary key.
    """
    number: int = await conn.fetchval(
        """
        WITH old AS MATERIALIZED (
            SELECT id FROM job
            WHERE id < $1 AND finished < $2 AND status = ANY($3) AND drop_tags IS NULL
            ORDER BY id LIMIT $4
            FOR UPDATE SKIP LOCKED
        ), gone AS (DELETE FROM job USING old WHERE job.id = old.id RETURNING 1)
        SELECT count(*) FROM gone
        """,
        first_uuid7(before),
        before,
        [status.value for status in statuses],
        limit,
    )
    return number
