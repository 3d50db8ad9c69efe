"""The one connection that may change tables, opened for as long as that takes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from kernel.config import Config
from kernel.db.pool import Connection, Database

# An index over a table of some million rows takes minutes.
STATEMENT_TIMEOUT_S: Final = 600.0


@asynccontextmanager
async def open_owner(config: Config) -> AsyncIterator[Connection]:
    """Raises Unavailable or ConfigError as `Database.open` does: a worker needs DATABASE_URL for it."""
    url = config.url_for_role("owner")
    db = await Database.open(url, role="owner", max_size=1, statement_timeout_s=STATEMENT_TIMEOUT_S)
    try:
        async with db.acquire() as conn:
            yield conn
    finally:
        await db.close()
