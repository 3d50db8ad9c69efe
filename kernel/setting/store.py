"""The SQL of the site's own variables."""

from typing import Any

from kernel.db.pool import Connection


async def select_setting(conn: Connection, name: str) -> Any:
    """The JSON value; None when nobody has set it."""
    return await conn.fetchval("SELECT value FROM variable WHERE name = $1", name)


async def upsert_setting(conn: Connection, name: str, value: object) -> None:
    """Whoever sets one drops its tag after the commit."""
    await conn.execute(
        "INSERT INTO variable (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2",
        name,
        value,
    )
