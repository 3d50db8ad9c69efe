"""The web and worker processes of a run, each started again at once when it ends, as a supervisor does it."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import httpx
import orjson

from kernel.app.processes import PROJECT_ROOT, child_environment, open_listener
from kernel.embedded.process import read_tail

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0
_CANNOT_START = "cannot start"
# After this time it usually works.
_READY_S = 4.0


@dataclass(slots=True)
class Member:
    """One process, in all its lives. `is_paused`: it was sent SIGSTOP."""

    name: str
    role: str
    command: list
    log: Path
    fds: tuple = ()
    process: asyncio.subprocess.Process | None = None
    started: float = 0.0
    is_paused: bool = False
    is_condemned: bool = False

    @property
    def is_running(self):
        return self.process is not None and self.process.returncode is None and not self.is_condemned

    @property
    def is_ready(self):
        return monotonic() - self.started > _READY_S

    def send(self, number):
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill(self):
        """As a machine dies: nothing is tidied."""
        self.is_condemned = True
        self.send(signal.SIGKILL)

    def pause(self):
        self.is_paused = True
        self.send(signal.SIGSTOP)

    def resume(self):
        self.is_paused = False
        self.send(signal.SIGCONT)


class Fleet:
    """`deaths` are the ends that nobody caused; `failed_starts` those of processes that found no server."""

    def __init__(self, config, folder):
        self._config = config
        self._folder = folder
        self._listeners = []
        self._tasks = []
        self._is_closing = False
        self.members = []
        self.deaths = []
        self.failed_starts = 0

    @property
    def web(self):
        return [member for member in self.members if member.role == "web"]

    @property
    def workers(self):
        return [member for member in self.members if member.role == "worker"]

    @property
    def doors(self):
        """The addresses of the web processes, each of which has a port of its own."""
        return [f"http://127.0.0.1:{listener.getsockname()[1]}" for listener in self._listeners]

    def add_web(self, count):
        for number in range(1, count + 1):
            listener = open_listener(replace(self._config, port=0))
            self._listeners.append(listener)
            fd = listener.fileno()
            self._add(f"web-{number}", "web", ["-m", "web", f"--fd={fd}"], (fd,))

    def add_workers(self, count, settings, without):
        """`settings` are values of the configuration that the environment does not name, such as a short lease."""
        command = ["-m", "tests.chaos.worker_process", orjson.dumps(settings).decode(), *without]
        for number in range(1, count + 1):
            self._add(f"worker-{number}", "worker", command)

    def _add(self, name, role, command, fds=()):
        self.members.append(Member(name, role, command, self._folder / f"{name}.log", fds))

    async def start(self):
        for member in self.members:
            await self._spawn(member)
            self._tasks.append(asyncio.create_task(self._keep_alive(member), name=f"keep {member.name}"))
        await self.wait_until_healthy()

    async def wait_until_healthy(self):
        """Raises RuntimeError with what the processes said last."""
        try:
            async with asyncio.timeout(_START_TIMEOUT_S), httpx.AsyncClient(timeout=2.0) as client:
                for door in self.doors:
                    while not await _is_healthy(client, door):
                        await asyncio.sleep(0.1)
        except TimeoutError:
            last = "\n".join(read_tail(member.log) for member in self.members)
            raise RuntimeError(f"the site does not become healthy\n{last}") from None

    async def close(self):
        self._is_closing = True
        for member in self.members:
            member.resume()
            member.send(signal.SIGTERM)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_TIMEOUT_S)
            if late:
                for member in self.members:
                    member.kill()
                await asyncio.wait(late)
        for listener in self._listeners:
            listener.close()

    async def _spawn(self, member):
        with member.log.open("ab") as output:
            member.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *member.command,
                cwd=PROJECT_ROOT,
                env=self._environment(member.role),
                stdout=output,
                stderr=output,
                pass_fds=member.fds,
                start_new_session=True,
            )
        member.started = monotonic()
        member.is_paused = member.is_condemned = False

    def _environment(self, role):
        own = {
            "PORT": str(self._config.port),
            "REDIS_PREFIX": self._config.redis_prefix,
            "SAVE_WAIT_S": str(self._config.save_wait_s),
            "LOG_FORMAT": "json",
            "RATE_LIMITS": "false",
        }
        return child_environment(self._config, {**os.environ, **own}, role)

    async def _keep_alive(self, member):
        while True:
            status = await member.process.wait()
            if self._is_closing:
                return
            # A process that is starting may give up because a server is away just then, and says so.
            if not member.is_condemned and _CANNOT_START in read_tail(member.log, 1):
                self.failed_starts += 1
            elif not member.is_condemned:
                lived_s = monotonic() - member.started
                self.deaths.append(f"{member.name} ended by itself after {lived_s:.1f} s, status {status}")
            await self._spawn(member)


async def _is_healthy(client, door):
    try:
        return (await client.get(f"{door}/health")).status_code == 200
    except httpx.TransportError:
        return False


@asynccontextmanager
async def open_fleet(config, folder, *, web, workers, settings, without):
    fleet = Fleet(config, folder)
    fleet.add_web(web)
    fleet.add_workers(workers, settings, without)
    try:
        await fleet.start()
        yield fleet
    finally:
        await asyncio.shield(fleet.close())
