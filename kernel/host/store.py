"""The SQL behind what plugins may ask for."""

from typing import Any

from kernel.db.pool import Connection


async def select_variable(conn: Connection, name: str) -> Any:
    """The variable's JSON value; None when nobody has set it."""
    return await conn.fetchval("SELECT value FROM variable WHERE name = $1", name)
