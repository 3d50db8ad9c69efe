"""Keeps a few instances of a component ready: used by nobody before, their memory already touched."""

import asyncio
import json
from collections import deque
from typing import Final

from kernel.errors import PluginError
from kernel.log import get_logger
from kernel.sandbox.contract import WARM_UP
from kernel.sandbox.instance import Blueprint, Host, Instance

log = get_logger(__name__)

# About what a tap gets, so that the plugin's memory is touched, and grows, as it will be.
_WARM_UP_PAYLOAD: Final = json.dumps(
    {
        "ctx": {"stage": "live", "language": "en"},
        "items": [
            {
                "id": "00000000-0000-0000-0000-000000000000",
                "type": "page",
                "title": "A title of some length",
                "author_id": "00000000-0000-0000-0000-000000000000",
                "created": "2000-01-01T00:00:00+00:00",
                "fields": {
                    "field_body": {"value": "x" * 2_000, "format": "filtered_html"},
                    "field_summary": {"value": "x" * 200},
                    "field_count": {"value": 1},
                },
            }
        ],
    }
).encode()


# Whoever has just taken an instance is still busy with it, and comes first.
_REST_S: Final = 0.005


class ReadyPool:
    """Creating an instance and its first call cost about 2 ms; taking one from here costs microseconds."""

    def __init__(self, host: Host, blueprint: Blueprint, size: int) -> None:
        self._host = host
        self._blueprint = blueprint
        self._size = size
        self._ready: deque[Instance] = deque()
        self._refill: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def ready(self) -> int:
        return len(self._ready)

    async def take(self, state: object) -> Instance:
        """An instance that serves `state` alone. Raises PluginError."""
        instance = self._ready.popleft() if self._ready else await self._create()
        instance.state = state
        # That is how an interpreter began, and none of what it will answer.
        instance.asked_chance = False
        instance.host_calls = 0
        instance.cpu_ms = 0.0
        self.start_refill()
        return instance

    async def fill(self) -> None:
        """Wait until the pool is full."""
        self.start_refill()
        while self._refill is not None and not self._refill.done():
            await asyncio.wait({self._refill})

    async def close(self) -> None:
        self._closed = True
        if self._refill is not None:
            self._refill.cancel()
            await asyncio.wait({self._refill})
        while self._ready:
            self._ready.popleft().close()

    async def prepare(self, instance: Instance) -> None:
        """Touch the memory that a first call would, at somebody else's expense."""
        try:
            await instance.invoke(WARM_UP, _WARM_UP_PAYLOAD)
        except PluginError as error:
            if error.reason != "tap-not-implemented":
                raise

    async def _create(self) -> Instance:
        """After a first call, since an interpreter seeds its hash tables then."""
        instance = Instance(self._host, self._blueprint)
        await instance.start()
        try:
            await instance.describe()
        except BaseException:
            instance.close()
            raise
        return instance

    def start_refill(self) -> None:
        """Make what is missing, in the background."""
        if self._closed or len(self._ready) >= self._size:
            return
        if self._refill is None or self._refill.done():
            self._refill = asyncio.get_running_loop().create_task(self._fill_up(), name="sandbox-refill")

    async def _fill_up(self) -> None:
        while len(self._ready) < self._size:
            await asyncio.sleep(_REST_S)
            try:
                self._ready.append(await self._make_ready())
            except PluginError as error:
                # Whoever takes an instance is told; here nobody listens.
                log.warning(
                    "a plugin's instance could not be prepared", plugin=error.plugin, reason=error.reason
                )
                return

    async def _make_ready(self) -> Instance:
        instance = await self._create()
        try:
            await self.prepare(instance)
        except BaseException:
            instance.close()
            raise
        return instance
