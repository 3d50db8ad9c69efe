"""Starts the private servers, or joins those that another program uses already; the last user stops them."""

import asyncio
import fcntl
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kernel.embedded.place import Place, prepare_place
from kernel.embedded.postgres import DATABASE, LOGIN, SUPERUSER, Postgres
from kernel.embedded.process import LOOPBACK
from kernel.embedded.redis_server import RedisServer
from kernel.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Urls:
    """`database_url` logs in as the owner of the database, who is not a superuser; the worker's and the web's
    logins get their passwords from the migration. `superuser_url` names the maintenance database."""

    database_url: str
    database_url_worker: str
    database_url_web: str
    superuser_url: str
    redis_url: str


class EmbeddedServices:
    """The servers of one folder, for as long as this object uses them.

    Programs that use the same folder share its servers. Each holds a lock on a file while it uses them, which
    the system takes away from a program that was killed: who stops and finds no other holder stops them.
    """

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._use: int | None = None
        self._place: Place | None = None

    async def start(self, var: Path, report: Callable[[str], None]) -> Urls:
        """Servers that answer. `report` is called on the event loop with what is going on.

        Raises ConfigError (the machine does not allow it) and Unavailable (a server did not start).
        """
        loop = asyncio.get_running_loop()

        def report_on_loop(text: str) -> None:
            loop.call_soon_threadsafe(report, text)

        return await asyncio.to_thread(self._start, var, report_on_loop)

    async def stop(self) -> None:
        """Give the servers up; may be called after a start that failed or was cancelled, and twice."""
        await asyncio.to_thread(self._stop)

    def _start(self, var: Path, report: Callable[[str], None]) -> Urls:
        with self._busy:
            place = prepare_place(var)
            with _alone(place, report):
                self._place = place
                self._use = _open_lock(place, "users.lock")
                fcntl.flock(self._use, fcntl.LOCK_SH)
                ports = _start_servers(place, report)
        return _make_urls(place, *ports)

    def _stop(self) -> None:
        with self._busy:
            if self._use is None or self._place is None:
                return
            with _alone(self._place, lambda _: None):
                try:
                    with suppress(BlockingIOError):  # somebody else still uses them
                        fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        _stop_servers(self._place)
                finally:
                    os.close(self._use)
                    self._use = None


def remove_services(var: Path) -> None:
    """Stop the servers of a folder and delete their data, wherever it is. Raises ConfigError when they are in use."""
    if not (var / "embedded").exists():
        return
    place = prepare_place(var)
    use = _open_lock(place, "users.lock")
    try:
        with _alone(place, lambda _: None):
            fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _stop_servers(place)
            shutil.rmtree(place.servers)
            shutil.rmtree(place.folder, ignore_errors=True)  # where it is not the same
    except BlockingIOError:
        raise ConfigError(
            [f"The servers in {place.folder} are in use. Stop the program that uses them."]
        ) from None
    finally:
        os.close(use)


def _start_servers(place: Place, report: Callable[[str], None]) -> tuple[int, int]:
    """The ports of PostgreSQL and Redis."""
    state = _read_state(place)
    postgres, redis = Postgres.prepare(place), RedisServer.prepare(place)
    redis_port, redis_pid = state.get("redis_port"), state.get("redis_pid")
    postgres_port = postgres.find_port() or postgres.start(state.get("postgres_port"), report)
    postgres.ensure_database(postgres_port)
    answering_pid = redis.find(redis_port)
    if redis_port is None or answering_pid is None:
        if redis_port is not None and redis_pid is not None:
            redis.stop(redis_port, redis_pid)  # one that runs and does not answer
        redis_port, redis_pid = redis.start(redis_port, report)
    else:
        redis_pid = answering_pid
    _write_state(place, {"postgres_port": postgres_port, "redis_port": redis_port, "redis_pid": redis_pid})
    return postgres_port, redis_port


def _stop_servers(place: Place) -> None:
    state = _read_state(place)
    if "redis_port" in state and "redis_pid" in state:
        RedisServer.prepare(place).stop(state["redis_port"], state["redis_pid"])
    Postgres.prepare(place).stop()


def _make_urls(place: Place, postgres_port: int, redis_port: int) -> Urls:
    def database(login: str, name: str = DATABASE) -> str:
        return f"postgresql://{login}:{place.password_for(login)}@{LOOPBACK}:{postgres_port}/{name}"

    return Urls(
        database_url=database(LOGIN),
        database_url_worker=database("trovato_worker"),
        database_url_web=database("trovato_web"),
        superuser_url=database(SUPERUSER, "postgres"),
        redis_url=f"redis://:{place.password_for('redis')}@{LOOPBACK}:{redis_port}/0",
    )


@contextmanager
def _alone(place: Place, report: Callable[[str], None]) -> Iterator[None]:
    """One program at a time starts or stops the servers of a folder."""
    lock = _open_lock(place, "start.lock")
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Waiting for another program that starts or stops the same servers")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open_lock(place: Place, name: str) -> int:
    return os.open(place.folder / name, os.O_RDWR | os.O_CREAT, 0o600)


def _read_state(place: Place) -> dict[str, int]:
    """Where the servers were last; nothing when the file is missing or damaged, which costs a new port."""
    try:
        state = json.loads((place.folder / "servers.json").read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(state, dict):
        return {}
    return {name: value for name, value in state.items() if isinstance(value, int)}


def _write_state(place: Place, state: dict[str, int]) -> None:
    path = place.folder / "servers.json"
    making = path.with_suffix(".new")
    making.write_text(json.dumps(state))
    making.rename(path)
