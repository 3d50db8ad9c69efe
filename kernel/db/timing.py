"""Takes the time of every statement, for the metrics of the process and the profile of the request.

Measured on the way: about 4 µs a statement. asyncpg's own query loggers cost three times that, and tell of a statement
only after whoever asked has gone on.
"""

import re
from time import perf_counter
from typing import Any, Final

import asyncpg

from kernel.metrics import Metrics
from kernel.profile import note_time

# Every other first word is counted as "other", so that the label has an end.
_STATEMENTS: Final = frozenset(
    ("select", "insert", "update", "delete", "with", "begin", "commit", "rollback", "savepoint", "release")
)
_FIRST_WORD: Final = re.compile(r"\s*([a-z]+)", re.IGNORECASE)
# Most statements are constants; those that gather builds are many, and forgotten together.
_KNOWN_MAX: Final = 1_000


class QueryClock:
    """`metrics` may be None where a pool is opened for one errand."""

    def __init__(self, metrics: Metrics | None) -> None:
        self._metrics = metrics
        self._known: dict[str, str] = {}

    def note(self, query: str, started: float) -> None:
        """`started` is the reading of `perf_counter` before the statement."""
        seconds = perf_counter() - started
        note_time("database", seconds)
        if self._metrics is not None:
            statement = self._known.get(query)
            if statement is None:
                if len(self._known) >= _KNOWN_MAX:
                    self._known.clear()
                statement = self._known[query] = name_statement(query)
            self._metrics.count_query(statement, seconds)


def name_statement(query: str) -> str:
    match = _FIRST_WORD.match(query)
    word = match[1].lower() if match else ""
    return word if word in _STATEMENTS else "other"


def make_connection_class(clock: QueryClock) -> Any:
    """A class for one pool, since asyncpg makes the connections itself and hands nothing through to them."""

    class TimedConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types of its own
        async def execute(self, query: str, *args: Any, **options: Any) -> Any:
            started = perf_counter()
            try:
                return await super().execute(query, *args, **options)
            finally:
                clock.note(query, started)

        async def executemany(self, command: str, *args: Any, **options: Any) -> Any:
            started = perf_counter()
            try:
                return await super().executemany(command, *args, **options)
            finally:
                clock.note(command, started)

        async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
            started = perf_counter()
            try:
                return await super().fetch(query, *args, **options)
            finally:
                clock.note(query, started)

        async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
            started = perf_counter()
            try:
                return await super().fetchrow(query, *args, **options)
            finally:
                clock.note(query, started)

        async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
            started = perf_counter()
            try:
                return await super().fetchval(query, *args, **options)
            finally:
                clock.note(query, started)

    return TimedConnection
