"""Live pages: sends what is known about a job to the browser as it changes, as server-sent events.

A stream says `state` whenever something changed and `end` once the job is over, or `gone` when there is nothing to
tell any more; each carries JSON except `gone`. Messages of the bus only say when to look: the rows are what is
told, so a lost message costs a few seconds and never a wrong state. Between two looks a stream holds no connection.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final, TypeAlias
from uuid import UUID

import orjson
from quart import Response, current_app

from kernel.context import Context
from kernel.db.connect import DISCONNECTED
from kernel.errors import Forbidden, TooMany, Unavailable
from kernel.ledger.access import may_oversee
from kernel.ledger.ledger import JOB_FINISHED, JOB_PROGRESS, Ledger
from kernel.ledger.model import Job
from kernel.ledger.store import find_job
from kernel.shared.bus import CONNECTED
from web.respond import NO_STORE
from web.standing import stand_by
from web.visit import Visit

# What the page's own JSON shows, with `is_finished`; None when the row is gone.
State: TypeAlias = dict[str, Any]
Read: TypeAlias = Callable[[], Awaitable[State | None]]
Describe: TypeAlias = Callable[[Context, Job], State]

EXTENSION: Final = "trovato.live"

# A browser holds six connections to a site at most: as many live pages would leave none for anything else.
STREAMS_PER_PERSON: Final = 4
STREAMS_PER_PROCESS: Final = 200

# How soon a browser whose stream has ended asks for it again.
RECONNECT_MS: Final = 2_000


class News:
    """What a stream waits for: a reason to look, and a reason not to put it off."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.urgent = asyncio.Event()

    def hurry(self) -> None:
        self.urgent.set()
        self.changed.set()

    def clear(self) -> None:
        self.urgent.clear()
        self.changed.clear()


class LiveStreams:
    """The streams that this process keeps open, and when they have to end.

    Between two states pass `pause_s`, unless the second one is the last. A row is looked at after `look_s` without a
    message. A silent connection hears something every `keep_alive_s`, so that nothing on the way takes it for dead.
    After `longest_s` the browser has to ask again. A right that was taken away, and a session that has ended, end the
    stream at the next look.
    """

    def __init__(
        self,
        *,
        pause_s: float = 0.25,
        look_s: float = 3.0,
        keep_alive_s: float = 15.0,
        longest_s: float = 300.0,
    ) -> None:
        self.pause_s = pause_s
        self.look_s = look_s
        self.keep_alive_s = keep_alive_s
        self.longest_s = longest_s
        self.is_closing = False
        self._open: Counter[str] = Counter()
        self._news: set[News] = set()

    @property
    def count(self) -> int:
        return len(self._news)

    def close(self) -> None:
        """End every stream now; browsers ask again, and reach another process."""
        self.is_closing = True
        for news in self._news:
            news.hurry()

    def require_room(self, person: str) -> None:
        """Raises TooMany; the page then asks now and then instead."""
        if self.is_closing or self.count >= STREAMS_PER_PROCESS:
            raise TooMany("Too many pages are followed live just now. This one still shows how far it is.")
        if self._open[person] >= STREAMS_PER_PERSON:
            raise TooMany("You follow several jobs already. This page still shows how far it is.")

    @contextmanager
    def opened(self, person: str) -> Iterator[News]:
        """Counts a stream while it is open."""
        news = News()
        self._news.add(news)
        self._open[person] += 1
        try:
            yield news
        finally:
            self._news.discard(news)
            self._open[person] -= 1
            if not self._open[person]:
                del self._open[person]


async def stream_job(visit: Visit, job: Job, describe: Describe) -> Response:
    """An answer that lasts until the job is over.

    Whether the visitor may read is the caller's question, before this is called; from then on it is asked at each
    look. Raises TooMany.
    """
    live: LiveStreams = current_app.extensions[EXTENSION]
    db, look = visit.rt.db, stand_by(visit)

    async def read() -> State | None:
        """Runs after the request, and gives back its connection each time."""
        ctx = await look()
        async with db.acquire() as conn:
            current = await find_job(conn, job.id)
        if current is not None and not may_oversee(ctx, current):
            raise Forbidden("This job is not theirs to follow any more.")
        return None if current is None else describe(ctx, current)

    person = visit.ctx.session_key or str(visit.actor.id)
    live.require_room(person)
    await visit.release()
    response = Response(
        follow_job(visit.rt.ledger, live, person, job.id, read),
        content_type="text/event-stream; charset=utf-8",
        # The second header asks a proxy not to collect what is sent.
        headers={**NO_STORE, "X-Accel-Buffering": "no"},
    )
    response.timeout = None
    return response


async def follow_job(
    ledger: Ledger, live: LiveStreams, person: str, job_id: UUID, read: Read
) -> AsyncGenerator[bytes, None]:
    """The stream itself, event by event. `read` raises Forbidden for who may not follow it any more; whether they may
    do something else, the browser is told when it asks again."""
    with live.opened(person) as news, _listening(ledger, job_id, news):
        ends = monotonic() + live.longest_s
        said = monotonic()
        last: State | None = None
        yield b"retry: %d\n\n" % RECONNECT_MS
        while not live.is_closing and monotonic() < ends:
            news.clear()
            looked = monotonic()
            try:
                state = await read()
            except Forbidden:
                return
            except (*DISCONNECTED, Unavailable):
                state = last  # it comes back, and the job goes on
            else:
                if state is None:
                    yield b"event: gone\ndata:\n\n"
                    return
                if state["is_finished"]:
                    yield _event("end", state)
                    return
            if state is not None and state != last:
                yield _event("state", state)
                last, said = state, monotonic()
            elif monotonic() - said >= live.keep_alive_s:
                yield b": still here\n\n"
                said = monotonic()
            await _wait(news.changed, live.look_s)
            await _wait(news.urgent, looked + live.pause_s - monotonic())


@contextmanager
def _listening(ledger: Ledger, job_id: UUID, news: News) -> Iterator[None]:
    ours = str(job_id)

    def hear_progress(message: dict[str, Any]) -> None:
        if message.get("id") == ours:
            news.changed.set()

    def hear_end(message: dict[str, Any]) -> None:
        if message.get("id") == ours:
            news.hurry()

    unsubscribe = [
        ledger.bus.subscribe(JOB_PROGRESS, hear_progress),
        ledger.bus.subscribe(JOB_FINISHED, hear_end),
        ledger.bus.subscribe(CONNECTED, lambda _: news.changed.set()),  # messages may have been lost
    ]
    try:
        yield
    finally:
        for end in unsubscribe:
            end()


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return


def _event(name: str, state: State) -> bytes:
    """orjson writes no line breaks, so that the data is one line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(state))
