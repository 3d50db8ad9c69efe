"""Where the host functions that read and write what plugins keep do so: in the job's transaction, or beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kernel.db.connect import BUSY
from kernel.db.pool import Connection, Database
from kernel.sandbox.host import HostError
from kernel.tap.effects import Effects, JobEffects, TooManyWishesError, Wishes
from kernel.tap.scope import PluginState


@asynccontextmanager
async def open_reader(db: Database, state: PluginState) -> AsyncIterator[Connection]:
    """Sees what the job that is running wrote; in a request nothing is written yet. A transaction, or a savepoint that
    keeps what fails here from the writes before it."""
    conn = find_job_conn(state)
    if conn is None:
        async with db.snapshot() as snapshot:
            yield snapshot
    else:
        async with conn.transaction():
            yield conn


def find_job_conn(state: PluginState) -> "Connection | None":
    """Where plugins have written already in the job that is running; None where there is no such thing."""
    effects = state.scope.effects
    return None if effects is None or isinstance(effects, Wishes) else effects.conn


@asynccontextmanager
async def open_writer(effects: JobEffects) -> AsyncIterator[Connection]:
    """A savepoint, so that what fails is as if it had not been tried. Raises HostError when others are in the way."""
    conn = await effects.open()
    try:
        async with conn.transaction():
            yield conn
    except BUSY as error:
        effects.spoil(error)
        raise HostError("conflict", "Others write the same just now; the job is tried again.") from None


def get_effects(state: PluginState) -> Effects:
    """Where the writes of the running tap go. Raises HostError in a tap that may not write."""
    tap, effects = state.tap, state.scope.effects
    if tap is not None and tap.combine == "accumulate":
        raise HostError("not-available", f"{tap.function} comes before the save and may not write.")
    if tap is not None and tap.combine == "deny_wins":
        raise HostError("not-available", f"{tap.function} decides about items and may not write.")
    if effects is None:
        name = tap.function if tap is not None else "This tap"
        raise HostError("not-available", f"{name} says what the plugin brings, and may not write.")
    state.record.note_obstacle("it writes")
    return effects


def add_wish(wishes: Wishes, state: PluginState, change: dict[str, object], length: int) -> None:
    """Raises HostError when the request has asked for too much already."""
    try:
        wishes.add(state.plugin.name, change, length)
    except TooManyWishesError as refusal:
        raise HostError("too-large", str(refusal)) from None
