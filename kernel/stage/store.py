"""Reads rows of `stage`."""

from kernel.db.pool import Connection
from kernel.stage.model import Stage


async def select_stages(conn: Connection) -> tuple[Stage, ...]:
    """Live first, then by label."""
    rows = await conn.fetch("SELECT id, label FROM stage ORDER BY id <> 'live', label, id")
    return tuple(Stage(row["id"], row["label"]) for row in rows)
