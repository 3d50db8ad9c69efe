"""Recognises, awaits and ends the processes of the private servers, whoever started them."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kernel.embedded.place import Place

LOOPBACK = "127.0.0.1"
_POLL_S = 0.02


def is_running(pid: int, *words: str) -> bool:
    """Whether the process lives and its command line holds each of the words.

    A file that names a process outlives it, and the number is given to somebody else; the words tell who it
    is. A process that ended and was not yet waited for does not live.
    """
    entry = Path("/proc") / str(pid)
    try:
        state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (OSError, IndexError):
        return False
    return state not in {"Z", "X"} and all(word in command for word in words)


def start_process(
    place: Place, command: list[str], log: Path, *, environment: dict[str, str] | None = None, text: str = ""
) -> "subprocess.Popen[bytes]":
    """A program as the servers' user, with `text` as its input. Ctrl-C on a terminal does not reach it: that
    is for us, who stop it when we no longer use it."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd="/",
            env=environment,
            start_new_session=True,
            user=place.uid,
            group=place.gid,
            extra_groups=place.groups,
        )
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(text.encode())
    # Whoever stops it may be another program; only the parent can take note that it ended.
    threading.Thread(target=process.wait, name=f"wait for {Path(command[0]).name}", daemon=True).start()
    return process


def wait_until(is_so: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def end_process(pid: int, word: str, *signals: tuple[signal.Signals, float]) -> None:
    """Send each signal in turn and wait its number of seconds, until the process is gone."""
    for number, timeout_s in signals:
        if not is_running(pid, word):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        wait_until(lambda: not is_running(pid, word), timeout_s)


def choose_port(preferred: int | None) -> int:
    """The preferred port of the loopback interface if it is free, else any free one.

    Somebody may take it before the server does; whoever starts the server tries again then.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, preferred or 0))
        except OSError:
            return choose_port(None)
        return int(probe.getsockname()[1])


def read_tail(path: Path, lines: int = 8) -> str:
    """The end of a log, for an error's detail."""
    with suppress(OSError):
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    return ""
