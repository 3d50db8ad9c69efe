"""The SQL of plugins' queues: they are jobs of one kind, in a group per plugin."""

from kernel.db.pool import Connection
from kernel.jobs import WORK_PLUGIN_QUEUE


async def count_waiting(conn: Connection, plugin: str, limit: int) -> int:
    """How much waits on the queues of a plugin, counted up to `limit`."""
    number: int = await conn.fetchval(
        """
        SELECT count(*) FROM (
            SELECT 1 FROM job WHERE kind = $1 AND group_key = $2 AND status = 'queued' LIMIT $3
        ) AS waiting
        """,
        WORK_PLUGIN_QUEUE.name,
        plugin,
        limit,
    )
    return number
