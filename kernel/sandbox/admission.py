"""Decides when a plugin may run, so that a burst neither stalls the event loop nor starves others."""

import asyncio
from collections import deque
from typing import Final

# Plugins may use this much of one turn of the event loop before others must wait for a later turn.
TURN_S: Final = 0.004


class Admission:
    """A permit is held while a plugin runs or is about to go on, never while it waits for the host.

    All plugins share one thread, so permits bound how many take turns on it: with a hundred at once, each
    would be slow. Nested calls cannot deadlock, since who waits for another plugin holds no permit.
    """

    def __init__(self, permits: int) -> None:
        self._free = permits
        self._spent_s = 0.0
        self._turn_end: asyncio.Handle | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._newcomers: deque[asyncio.Future[None]] = deque()
        self._paused: deque[asyncio.Future[None]] = deque()

    async def enter(self, *, is_new: bool = False) -> None:
        """Take a permit, in the order of asking. A new instance comes after all calls into older ones: a
        request that has begun is finished before the next one begins."""
        if self._free and self._spent_s < TURN_S and not self._waiting and not (is_new and self._newcomers):
            self._free -= 1
            return
        turn = self._queue(self._newcomers if is_new else self._waiting)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.leave()  # the permit was handed over in the same moment
            raise

    async def pause(self) -> None:
        """Let the event loop and other plugins have their turn; the permit is kept."""
        await self._queue(self._paused)

    def spend(self, seconds: float) -> None:
        """Count the time that a plugin has used of this turn."""
        self._spent_s += seconds
        self._expect_turn_end()

    def leave(self) -> None:
        self._free += 1
        if self._waiting or self._newcomers:
            self._expect_turn_end()

    def _queue(self, line: deque[asyncio.Future[None]]) -> asyncio.Future[None]:
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        self._expect_turn_end()
        return turn

    def _expect_turn_end(self) -> None:
        if self._turn_end is None:
            self._turn_end = asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        """One of each line a turn: what they do next takes up to a tick each, and nothing else runs then."""
        self._turn_end = None
        self._spent_s = 0.0
        _wake_first(self._paused)
        if self._free and (_wake_first(self._waiting) or _wake_first(self._newcomers)):
            self._free -= 1
        if self._paused or (self._free and (self._waiting or self._newcomers)):
            self._expect_turn_end()


def _wake_first(line: deque[asyncio.Future[None]]) -> bool:
    while line:
        turn = line.popleft()
        if not turn.done():
            turn.set_result(None)
            return True
    return False
