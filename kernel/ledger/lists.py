"""Jobs as people look at them: those of one actor, and how many need attention."""

from typing import Final
from uuid import UUID

from kernel.db.pool import Connection
from kernel.ledger.model import Job
from kernel.ledger.store import COLUMNS, read_job

# What people started themselves, as opposed to what follows from it.
_SHOWN_KINDS: Final = ("save_item", "delete_item", "set_password")


async def list_actor_jobs(conn: Connection, actor_id: UUID, limit: int) -> list[Job]:
    """Newest first."""
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM job WHERE actor_id = $1 AND kind = ANY($2) ORDER BY created DESC LIMIT $3",  # noqa: S608  # the columns are a constant
        actor_id,
        _SHOWN_KINDS,
        limit,
    )
    return [read_job(row) for row in rows]


async def count_open_jobs(conn: Connection) -> dict[str, int]:
    """How many wait, run, and have given up; each count is answered by an index that holds only those."""
    row = await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM job WHERE status = 'queued') AS queued,
               (SELECT count(*) FROM job WHERE status = 'running') AS running,
               (SELECT count(*) FROM job WHERE status IN ('failed', 'dead')) AS dead
        """
    )
    return dict(row or {})
