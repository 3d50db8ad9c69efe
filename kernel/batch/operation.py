"""What a batch can do, as a value, and what its code is given while it does it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from kernel.batch.store import Problem, insert_problems, note_last_run
from kernel.context import Context
from kernel.db.pool import Connection
from kernel.ledger.run import Effects, Finish, JobRun, Step
from kernel.ledger.writes import JobWrites
from kernel.plugin_data.tags import name_variable_tag
from kernel.runtime import Runtime


class Slice:
    """One portion of the work while its transaction is open.

    `place` is where the next slice begins, any JSON that the operation understands; `is_last` ends the batch.
    """

    def __init__(self, step: Step, place: Any) -> None:
        self.step = step
        self.place = place
        self.is_last = False
        self.unchanged = 0
        self.problems: list[Problem] = []

    @property
    def conn(self) -> Connection:
        return self.step.conn

    @property
    def effects(self) -> Effects:
        """For jobs that follow and cache tags to drop."""
        return self.step

    def count(self, number: int) -> None:
        """So many more were looked at, those that were refused among them."""
        self.step.done += number

    def leave(self, number: int) -> None:
        """So many of those that were counted were as they should be already."""
        self.unchanged += number

    def end_at(self, next_place: Any) -> None:
        """Where the next slice begins; None: this one is the last."""
        if next_place is None:
            self.is_last = True
        else:
            self.place = next_place

    def refuse(self, number: int, message: str, *, ref: str = "", content: str = "") -> None:
        """One that is not done, by its place in the work, which is its own within the batch."""
        self.problems.append(Problem(number, ref, message, content))


class Batch:
    """One attempt at a batch. `ctx` has the actor with their rights as they are now, `place` is None at the very
    beginning."""

    def __init__(self, run: JobRun, operation: "Operation", ctx: Context, arguments: Any) -> None:
        cursor = run.cursor or {}
        self.operation = operation
        self.ctx = ctx
        self.arguments = arguments
        self.place: Any = cursor.get("place")
        self.is_over: bool = cursor.get("is_over", False)
        self.refused: int = cursor.get("refused", 0)
        self.unchanged: int = cursor.get("unchanged", 0)
        self.done: int = run.job.progress_done
        self.has_begun = run.cursor is not None
        # What the operation has made ready for its next slice, lost with the attempt.
        self.ahead: Any = None
        self._run = run

    @property
    def id(self) -> UUID:
        return self._run.job.id

    @property
    def writes(self) -> JobWrites:
        """Where plugins write before a slice, which brings it with it."""
        return self._run.writes

    @property
    def asked(self) -> datetime:
        """The moment at which somebody asked for it."""
        return self._run.job.created

    @asynccontextmanager
    async def slice(self) -> AsyncIterator[Slice]:
        """Effect, problems, progress and the place to go on at, in one transaction. Raises LeaseLost."""
        async with self._run.step() as step:
            part = Slice(step, self.place)
            yield part
            await insert_problems(part.conn, self.id, part.problems)
            refused = self.refused + len(part.problems)
            unchanged = self.unchanged + part.unchanged
            # How much there is was counted at the beginning, and may have changed since.
            step.total = step.done if part.is_last else max(step.done, step.total)
            step.note = self.operation.doing
            # The payload is emptied when the job is over; what its page then says stands here.
            step.cursor = {
                "operation": self.operation.name,
                "arguments": self._run.payload.arguments,
                "place": part.place,
                "is_over": part.is_last,
                "refused": refused,
                "unchanged": unchanged,
            }
        self.place, self.is_over, self.done = part.place, part.is_last, step.done
        self.refused, self.unchanged = refused, unchanged
        self.has_begun = True


@dataclass(frozen=True, slots=True)
class Beginning:
    """How much there is to do, and where the first slice begins."""

    total: int
    place: Any


# Code that prepares a slice, where plugins take their time, ends it early after so long, and the rest is the next one.
PREPARE_S: Final = 20.0

Begin: TypeAlias = Callable[[Runtime, Batch], Awaitable[Beginning]]
Work: TypeAlias = Callable[[Runtime, Batch], Awaitable[None]]
Complete: TypeAlias = Callable[[Runtime, Batch, Finish], Awaitable[None]]


async def note_completion(_rt: Runtime, batch: Batch, finish: Finish) -> None:
    """For operations over the whole site, of which people ask when the last was; a second try of what one refused is
    none."""
    if batch.arguments.retry_of is None:
        name = await note_last_run(finish.conn, batch.operation.name, batch.id, finish.result)
        finish.drop_tags(name_variable_tag(name))


async def complete_quietly(_rt: Runtime, _batch: Batch, _finish: Finish) -> None:
    """For operations whose effect needs no last word."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`begin` is called once per batch, `work` until a slice was the last: each call does one `batch.slice()`.

    `complete` is called back in the transaction that ends the batch, so that its effect happens exactly once. The
    actor needs `permission` at the start and at every attempt; what may be done to a single thing is the operation's
    own question. `arguments` is a dataclass. With `takes_refused` those that were refused can be tried again, by
    arguments that name the earlier batch.
    """

    name: str
    label: str
    doing: str
    permission: str
    arguments: type
    begin: Begin = field(compare=False)
    work: Work = field(compare=False)
    complete: Complete = field(compare=False, default=complete_quietly)
    changes_items: bool = True
    takes_refused: bool = False
