"""Runs the web and worker processes of a site as children, starts again what dies, and ends them together."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

from kernel.app.figures_folder import FiguresFolder
from kernel.config import Config, Role
from kernel.errors import ConfigError
from kernel.log import get_logger
from kernel.metrics import FOLDER_VARIABLE, forget_gauges

log = get_logger(__name__)

STOP_GRACE_S: Final = 15.0
# A process that dies sooner than this after its start does so for a reason that a new start will not mend at once.
QUICK_DEATH_S: Final = 5.0
RESTART_DELAYS_S: Final = (0.0, 1.0, 5.0, 15.0)

_PR_SET_PDEATHSIG: Final = 1

PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class _Child:
    """`number` is its place among those of its role, from 1 on; whoever comes after it takes the same."""

    module: str
    role: Role
    number: int
    fd: int | None = None
    process: asyncio.subprocess.Process | None = None
    started: float = 0.0
    quick_deaths: int = 0

    @property
    def name(self) -> str:
        return f"{self.role} {self.number}"


@dataclass(slots=True)
class Processes:
    """`base` is the environment that children get, with what `config` says in it. Web processes share one listening
    socket, so that any number serves one port."""

    config: Config
    base: Mapping[str, str]
    _children: list[_Child] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _figures: FiguresFolder | None = None

    def add_web(self, listener: socket.socket, count: int) -> None:
        for _ in range(count):
            self._children.append(_Child("web", "web", self._next_number("web"), listener.fileno()))

    def add_workers(self, count: int) -> None:
        for _ in range(count):
            self._children.append(_Child("workers", "worker", self._next_number("worker")))

    def _next_number(self, role: Role) -> int:
        return 1 + sum(child.role == role for child in self._children)

    async def start(self) -> None:
        self._figures = FiguresFolder.open(self.config.var)
        for child in self._children:
            await self._spawn(child)
            self._tasks.append(asyncio.create_task(self._keep_alive(child), name=f"keep {child.name}"))

    async def stop(self) -> None:
        """Ask every child to finish what it does, and kill what has not ended after STOP_GRACE_S."""
        self._stopping.set()
        for child in self._children:
            if child.process is not None and child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGTERM)
        _, late = await asyncio.wait(self._tasks, timeout=STOP_GRACE_S) if self._tasks else (set(), set())
        for child in self._children:
            if late and child.process is not None and child.process.returncode is None:
                log.warning("a process did not end in time and is killed", process=child.name)
                with contextlib.suppress(ProcessLookupError):
                    child.process.kill()
        if late:
            await asyncio.wait(late)
        if self._figures is not None:
            self._figures.close()

    async def _spawn(self, child: _Child) -> None:
        child.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            child.module,
            *([] if child.fd is None else [f"--fd={child.fd}", f"--place={child.number}"]),
            cwd=PROJECT_ROOT,
            env=self._build_environment(child),
            pass_fds=() if child.fd is None else (child.fd,),
            # A Ctrl-C in the terminal reaches the parent alone, which then ends its children in order.
            start_new_session=True,
        )
        child.started = monotonic()

    def _build_environment(self, child: _Child) -> dict[str, str]:
        """Web processes count together, since they share a port; each worker has a port of its own."""
        environment = child_environment(self.config, self.base, child.role)
        environment.pop(FOLDER_VARIABLE, None)
        if child.role == "web" and self._figures is not None:
            environment[FOLDER_VARIABLE] = str(self._figures.path)
        if child.role == "worker" and self.config.metrics.port:
            environment["METRICS_PORT"] = str(self.config.metrics.port + child.number - 1)
        return environment

    async def _keep_alive(self, child: _Child) -> None:
        while child.process is not None:
            status = await child.process.wait()
            if self._figures is not None and child.role == "web":
                forget_gauges(self._figures.path, child.number)
            if self._stopping.is_set():
                return
            lived_s = monotonic() - child.started
            child.quick_deaths = child.quick_deaths + 1 if lived_s < QUICK_DEATH_S else 0
            delay_s = RESTART_DELAYS_S[min(child.quick_deaths, len(RESTART_DELAYS_S) - 1)]
            log.error("a process ended", process=child.name, status=status, again_in_s=delay_s)
            await asyncio.sleep(delay_s)
            if self._stopping.is_set():
                return
            await self._spawn(child)


def open_listener(config: Config) -> socket.socket:
    """The socket of the site. Raises ConfigError when the port is taken or not ours to use."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            [
                (
                    f"PORT {config.port} on {config.host} cannot be used: {os.strerror(error.errno or 0)}."
                    f" Choose another, for example PORT={config.port + 1}."
                )
            ]
        ) from error
    listener.listen(1024)
    listener.set_inheritable(True)
    return listener


def end_with_parent() -> None:
    """Called by a child: when its parent is killed with no chance to stop it, it is asked to stop by the system, so
    that no orphan keeps the port. Elsewhere than on Linux this does nothing."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:  # it was gone before this was arranged
        os.kill(os.getpid(), signal.SIGTERM)


def child_environment(config: Config, base: Mapping[str, str], role: Role) -> dict[str, str]:
    """What a child reads: the parent's environment with the addresses that the configuration ended up with. A child is
    told the login of its own role alone."""
    environment = {name: value for name, value in base.items() if not name.startswith("DATABASE_URL")}
    return {
        **environment,
        "DATABASE_URL": config.url_for_role(role),
        "REDIS_URL": config.redis_url,
        "TROVATO_VAR": str(config.var),
        "LOG_LEVEL": config.log_level,
        "PYTHONPATH": os.pathsep.join(_prepend(str(PROJECT_ROOT), base.get("PYTHONPATH", ""))),
    }


def _prepend(first: str, rest: str) -> Sequence[str]:
    return [first, *(part for part in rest.split(os.pathsep) if part and part != first)]
