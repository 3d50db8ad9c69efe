"""Reads and writes rows of `system`, which says which plugins are enabled."""

from collections.abc import Iterable

from kernel.db.pool import Connection
from kernel.plugin.model import Manifest


async def select_enabled_plugins(conn: Connection) -> frozenset[str]:
    rows = await conn.fetch("SELECT name FROM system WHERE status = 1")
    return frozenset(row["name"] for row in rows)


async def insert_new_plugins(conn: Connection, manifests: Iterable[Manifest]) -> tuple[str, ...]:
    """Enable plugins that the site has not met before; one that somebody disabled stays disabled."""
    added = [
        await conn.fetchval(
            "INSERT INTO system (name, version) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING name",
            manifest.name,
            manifest.version,
        )
        for manifest in manifests
    ]
    return tuple(name for name in added if name is not None)
