"""Where writes of plugins go: into the transaction of a job, or, where nobody may write, onto a list for later."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, TypeAlias

from kernel.db.pool import Connection
from kernel.jobs import PluginWrite

# Of one request, over all plugins: changes, and characters of JSON.
WISHES_MAX: Final = 100
WISHES_LENGTH_MAX: Final = 500_000


class JobEffects(Protocol):
    """The transaction that will finish a job, or a step of it. Its reader and its writer are the same connection, so
    that a plugin sees what it wrote."""

    @property
    def conn(self) -> "Connection | None":
        """None as long as nothing was written."""

    async def open(self) -> Connection:
        """Opened by the first write, and, for a call that is running, with a savepoint."""

    def drop_tags(self, *tags: str) -> None:
        """Cache tags to drop after the commit."""

    def spoil(self, error: BaseException) -> None:
        """The job is tried again in the end: what was asked for could not be done just now."""

    def call(self) -> AbstractAsyncContextManager[None]:
        """One call of a plugin, or one within it: what was written in it vanishes when it raises."""


class TooManyWishesError(Exception):
    """One request asked for more than a job should have to do."""


class Wishes:
    """What plugins asked to have written in one request, in order."""

    def __init__(self) -> None:
        self.writes: list[PluginWrite] = []
        self._length = 0
        self._calls = 0
        self._depth = 0

    def add(self, plugin: str, change: dict[str, Any], length: int) -> None:
        """`length` in characters of JSON. Raises TooManyWishesError."""
        if len(self.writes) >= WISHES_MAX or self._length + length > WISHES_LENGTH_MAX:
            raise TooManyWishesError(
                f"One request may ask for {WISHES_MAX} changes, of {WISHES_LENGTH_MAX:,} characters of JSON together."
            )
        self.writes.append(PluginWrite(self._calls, plugin, change))
        self._length += length

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """One call of a plugin, or one within it: what was asked for in it is forgotten when it raises."""
        mark = len(self.writes)
        self._calls += not self._depth
        self._depth += 1
        try:
            yield
        except BaseException:
            del self.writes[mark:]
            raise
        finally:
            self._depth -= 1


Effects: TypeAlias = JobEffects | Wishes
