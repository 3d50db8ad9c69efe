"""The site's connection to Redis: a bounded pool that reconnects by itself, and the prefix of every key."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Self
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError

from kernel.errors import Unavailable
from kernel.profile import note_time

# What redis-py raises when the server is away, is loading, is full or refuses a command: for a caller these
# are one thing, the value cannot be had now.
AWAY = (RedisError, OSError, TimeoutError)
# Connecting included. Everything asked of Redis here takes a millisecond.
COMMAND_S = 2.0


class _Client(Redis):
    """Gives up on a command after a while, and takes its time.

    Not by redis-py's `socket_timeout`: that goes through `asyncio.wait_for`, which in Python 3.11 may swallow the
    cancellation of a task, so that whoever closes a part would wait for it for ever.
    """

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        started = perf_counter()
        try:
            async with asyncio.timeout(COMMAND_S):
                return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # theirs is bare
        finally:
            note_time("redis", perf_counter() - started)


class Shared:
    """The client of one process. Values go in and come out as bytes."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self.client = client
        self.prefix = prefix

    @classmethod
    async def open(cls, url: str, prefix: str) -> Self:
        """Connect and ask for a sign of life. Raises Unavailable, with the host but never the password."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=32,
            timeout=2,
            socket_connect_timeout=1,
            # One more try covers a connection that the server closed while it was idle.
            retry=Retry(ConstantBackoff(0.02), 1),
            health_check_interval=30,
        )
        shared = cls(_Client(connection_pool=pool), prefix)
        try:
            await shared.client.ping()
        except AWAY as error:
            await shared.close()
            parts = urlsplit(url)
            raise Unavailable(
                f"Redis at {parts.hostname or 'its socket'}:{parts.port or 6379} does not answer. "
                "Check REDIS_URL and that the server runs.",
                detail=repr(error),
            ) from error
        return shared

    def key(self, *parts: str) -> str:
        return ":".join((self.prefix, *parts))

    async def ping(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self.client.ping()
        except AWAY:
            return False
        return True

    async def close(self) -> None:
        await self.client.aclose()
        await self.client.connection_pool.disconnect()


class Script:
    """A Lua script of ours: one round trip, atomic, loaded again by itself after Redis lost it."""

    def __init__(self, shared: Shared, text: str) -> None:
        self._script = shared.client.register_script(text)

    async def run(self, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        """Raises Unavailable when Redis does not answer or refuses."""
        try:
            return await self._script(keys=list(keys), args=list(args))
        except AWAY as error:
            raise unavailable(error) from error


def unavailable(error: BaseException) -> Unavailable:
    return Unavailable(
        "A part of this site that keeps short-lived data is not answering. Please try again in a moment.",
        detail=f"Redis: {error!r}",
    )
