"""A pool of connections that speak as one of the three roles, and the transactions on them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg
import orjson

from kernel.config import Role
from kernel.db.connect import DISCONNECTED, REFUSED, explain_refusal
from kernel.db.timing import QueryClock, make_connection_class
from kernel.log import get_logger
from kernel.metrics import Metrics
from kernel.profile import note_time

Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)
Record: TypeAlias = asyncpg.Record

log = get_logger(__name__)


class Transaction:
    """A connection inside a transaction, and what to do once it has committed."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self._after_commit: list[Callable[[], Awaitable[None]]] = []

    def after_commit(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` when the commit has succeeded; an error in it is logged, since the commit stands."""
        self._after_commit.append(work)

    async def run_after_commit(self) -> None:
        for work in self._after_commit:
            try:
                await work()
            except (
                Exception
            ):  # the effect is committed; whoever repeats lost messages (the sweeper) repeats this
                log.exception("work after a commit failed")


class PoolSize(NamedTuple):
    """Connections of a pool: those in use, those that wait for work, and the most there may be."""

    in_use: int
    idle: int
    limit: int


class Database:
    """The pool of one process."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._long = asyncio.Semaphore(max(1, pool.get_max_size() // 2))
        self._pages = asyncio.Semaphore(max(1, pool.get_max_size() * 3 // 4))

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        role: Role,
        max_size: int = 10,
        statement_timeout_s: float = 30.0,
        metrics: Metrics | None = None,
    ) -> "Database":
        """Connect as `role`. Raises Unavailable or ConfigError: they name the server, never the password."""
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=max_size,
                init=_prepare_connection,
                reset=_keep_connection,
                connection_class=make_connection_class(QueryClock(metrics)),
                timeout=10,
                command_timeout=statement_timeout_s + 5,
                server_settings={
                    # Set at login and therefore also what RESET ROLE returns to.
                    "role": f"trovato_{role}",
                    "application_name": f"trovato {role}",
                    "statement_timeout": str(int(statement_timeout_s * 1000)),
                    "idle_in_transaction_session_timeout": "60000",
                    "timezone": "UTC",
                },
            )
        except (*DISCONNECTED, *REFUSED) as error:
            raise explain_refusal(url, error) from error
        return cls(pool)

    async def close(self) -> None:
        try:
            await asyncio.wait_for(self._pool.close(), timeout=10)
        except TimeoutError:
            self._pool.terminate()

    @property
    def size(self) -> PoolSize:
        idle = self._pool.get_idle_size()
        return PoolSize(self._pool.get_size() - idle, idle, self._pool.get_max_size())

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection on which every statement commits by itself."""
        asked = perf_counter()
        async with self._pool.acquire() as conn:
            note_time("database", perf_counter() - asked, count=0)
            yield conn

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self.acquire() as conn:
            async with conn.transaction():
                tx = Transaction(conn)
                yield tx
        await tx.run_after_commit()

    @asynccontextmanager
    async def long_transaction(self) -> AsyncIterator[Transaction]:
        """For one that stays open while its owner asks for other connections: at most half of the pool, so that they
        do not wait for each other."""
        async with self._long, self.transaction() as tx:
            yield tx

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """One consistent state to read from, however many statements it takes."""
        async with self.acquire() as conn:
            transaction = conn.transaction(isolation="repeatable_read", readonly=True)
            await transaction.start()
            try:
                yield conn
            finally:
                # Nothing was written: a server that is gone by now takes nothing of what was read away.
                with suppress(*DISCONNECTED):
                    await transaction.rollback()

    @asynccontextmanager
    async def page_snapshot(self) -> AsyncIterator[Connection]:
        """The same for a page, which stays open while plugins and caches ask for other connections: at most three
        quarters of the pool, so that pages do not wait for each other."""
        async with self._pages, self.snapshot() as conn:
            yield conn

    async def ping(self, timeout_s: float) -> bool:
        """Whether the server answers within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                async with self._pool.acquire() as conn:
                    await conn.fetchval("SELECT 1")
        except DISCONNECTED:
            return False
        return True


async def _keep_connection(_conn: Any) -> None:
    """asyncpg would ask the server to forget settings and locks, a round trip at every release. Ours end with their
    transaction (SET LOCAL, pg_advisory_xact_lock), so there is nothing to forget."""


async def _prepare_connection(conn: Any) -> None:
    await conn.set_type_codec(
        "jsonb",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
        schema="pg_catalog",
        format="binary",
    )
    # asyncpg has a class of its own for ids, which orjson refuses to write. Text is taken as an id too.
    await conn.set_type_codec(
        "uuid",
        encoder=lambda value: (value if isinstance(value, UUID) else UUID(value)).bytes,
        decoder=lambda data: UUID(bytes=data),
        schema="pg_catalog",
        format="binary",
    )
