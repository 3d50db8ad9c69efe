"""The one connection that may change tables, opened for as long as that takes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kernel.config import Config
from kernel.db.pool import Connection, Database


@asynccontextmanager
async def open_owner(config: Config) -> AsyncIterator[Connection]:
    """Raises Unavailable or ConfigError as `Database.open` does: a worker needs DATABASE_URL for it."""
    db = await Database.open(config.url_for_role("owner"), role="owner", max_size=1)
    try:
        async with db.acquire() as conn:
            yield conn
    finally:
        await db.close()
