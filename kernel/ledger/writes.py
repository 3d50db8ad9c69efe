"""What plugins write while a job runs: a transaction that the first write opens, and that a step of the job brings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from kernel.db.connect import DISCONNECTED
from kernel.db.pool import Connection, Database, Transaction
from kernel.log import get_logger

# A tap of a plugin may take its time between two writes; then nobody asks the connection anything.
_IDLE_MAX: Final = "150s"

log = get_logger(__name__)


class JobWrites:
    """Fulfils kernel.tap.effects.JobEffects.

    The job's row is not locked before the transaction is joined: meanwhile the lease is renewed on another connection,
    and whoever takes the job over does not wait for this attempt. `tags` are to be dropped with the commit.
    """

    def __init__(self, db: Database) -> None:
        self.tags: dict[str, None] = {}
        self._db = db
        self._stack: AsyncExitStack | None = None
        self._tx: Transaction | None = None
        # For each call that is running, outermost first, the savepoint that its first write has set.
        self._calls: list[list[Any]] = []
        self._broken: BaseException | None = None

    @property
    def conn(self) -> "Connection | None":
        return self._tx.conn if self._tx else None

    @property
    def is_open(self) -> bool:
        return self._tx is not None

    async def open(self) -> Connection:
        if self._tx is None:
            stack = AsyncExitStack()
            self._tx = await stack.enter_async_context(self._db.long_transaction())
            self._stack = stack
            await self._tx.conn.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{_IDLE_MAX}'")
        for savepoints in self._calls:
            if not savepoints:
                savepoint = self._tx.conn.transaction()
                await self._or_break(savepoint.start())
                savepoints.append(savepoint)
        return self._tx.conn

    def drop_tags(self, *tags: str) -> None:
        self.tags.update(dict.fromkeys(tags))

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        savepoints: list[Any] = []
        self._calls.append(savepoints)
        try:
            yield
        except BaseException:
            if savepoints:
                await self._or_break(savepoints[0].rollback())
            raise
        else:
            if savepoints:
                await self._or_break(savepoints[0].commit())
        finally:
            self._calls.pop()

    def spoil(self, error: BaseException) -> None:
        """What was written cannot be told from what was not, or must not stand: the attempt fails at its end with this,
        and is made again."""
        self._broken = self._broken or error

    @asynccontextmanager
    async def join(self) -> AsyncIterator[Transaction]:
        """The transaction as it is, or a new one, committed at the end."""
        tx, stack = self._tx, self._stack
        if tx is None or stack is None:
            async with self._db.transaction() as new:
                yield new
            return
        self._tx = self._stack = None
        async with stack:
            if self._broken is not None:
                raise self._broken
            yield tx
        self.tags.clear()

    async def abandon(self) -> None:
        """What was written and not joined vanishes; nothing happens where that is nothing."""
        stack = self._stack
        self._tx = self._stack = self._broken = None
        self.tags.clear()
        if stack is None:
            return
        try:
            async with stack:
                raise _AbandonedError
        except _AbandonedError:
            log.debug("what plugins wrote in a failed attempt was rolled back")
        except DISCONNECTED as error:
            # The server ends a transaction whose connection is lost.
            log.warning("a transaction of plugins was lost", error=type(error).__name__)

    async def _or_break(self, statement: Any) -> None:
        try:
            await statement
        except BaseException as error:
            self.spoil(error)
            raise


class _AbandonedError(Exception):
    """Ends a transaction without a commit."""
