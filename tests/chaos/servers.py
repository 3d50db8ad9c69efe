"""A PostgreSQL and a Redis for one run alone, to be crashed, emptied and started again on the same ports."""

import asyncio
import random
import shutil
import signal
import socket
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import redis.asyncio

from kernel.embedded.place import prepare_place
from kernel.embedded.postgres import DATABASE, Postgres
from kernel.embedded.process import LOOPBACK, end_process
from kernel.embedded.redis_server import RedisServer
from kernel.embedded.servers import _make_urls
from tests.fixtures.database import with_database

# Below those that the system gives to outgoing connections: a server that is down for a moment finds its port free.
_PORTS = range(20_000, 30_000)
_STOP_TIMEOUT_S = 20.0


class Servers:
    """`urls` stay the same for the whole run. PostgreSQL's commits are durable, as on a site."""

    def __init__(self, folder):
        place = prepare_place(folder)
        self._place = place
        self._postgres = Postgres.prepare(place)
        self._redis = RedisServer.prepare(place)
        self._postgres_port = find_port()
        self._redis_port = find_port()
        self._redis_pid = 0
        self.urls = _make_urls(place, self._postgres_port, self._redis_port)
        # The site's database as a superuser sees it.
        self.database_url = with_database(self.urls.superuser_url, DATABASE)

    async def start(self):
        await self.start_postgres()
        await asyncio.to_thread(self._postgres.ensure_database, self._postgres_port)
        await self.start_redis()

    async def start_postgres(self):
        port = await asyncio.to_thread(self._postgres.start, self._postgres_port, _say_nothing)
        _require_same(port, self._postgres_port)

    async def stop_postgres(self, how):
        """`SIGINT`: sessions end, everything is written. `SIGQUIT`: as in a crash; the next start recovers."""
        found = self._postgres._read_pid_file()
        if found is not None:
            steps = ((how, _STOP_TIMEOUT_S), (signal.SIGKILL, 5.0))
            await asyncio.to_thread(end_process, found[0], str(self._postgres.data), *steps)

    async def start_redis(self):
        port, self._redis_pid = await asyncio.to_thread(self._redis.start, self._redis_port, _say_nothing)
        _require_same(port, self._redis_port)

    async def kill_redis(self):
        """It keeps nothing on disk: all that was in it is lost."""
        word = f"{LOOPBACK}:{self._redis_port}"
        await asyncio.to_thread(end_process, self._redis_pid, word, (signal.SIGKILL, 5.0))

    async def flush_redis(self):
        async with redis.asyncio.Redis.from_url(self.urls.redis_url) as client:
            await client.flushall()

    async def close(self):
        await asyncio.to_thread(self._redis.stop, self._redis_port, self._redis_pid)
        await asyncio.to_thread(self._postgres.stop)
        for folder in {self._place.servers, self._place.folder}:
            shutil.rmtree(folder, ignore_errors=True)


def find_port():
    chance = random.SystemRandom()
    while True:
        port = chance.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def _require_same(port, wanted):
    if port != wanted:
        raise RuntimeError(f"port {wanted} was taken by somebody else while its server was down")


def _say_nothing(_text):
    """The servers' starts are told by the run itself."""


@asynccontextmanager
async def open_folder(kept):
    """A folder for everything that a run writes; nothing of it is left, but for the logs in the folder `kept`."""
    folder = Path(tempfile.mkdtemp(prefix="trovato-chaos-"))
    folder.chmod(0o755)  # the servers may belong to another user, who has to come through
    try:
        yield folder
    finally:
        if kept is not None:
            kept.mkdir(parents=True, exist_ok=True)
            for log in [*folder.glob("*.log"), *folder.glob("embedded/*.log")]:
                shutil.copy(log, kept)
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def open_servers(folder):
    servers = Servers(folder)
    try:
        await servers.start()
        yield servers
    finally:
        # Even when the run is interrupted: nobody else stops them.
        await asyncio.shield(servers.close())
