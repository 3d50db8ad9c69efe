"""Keeps native code of components, so that a plugin is compiled once per machine and then loads quickly.

wasmtime runs whatever native code it is given, so this cache is as trusted as a shared library: a folder of
its own that only this user may enter, written atomically, never accepted from anywhere else. Whoever can write
into that folder can run code as this user anyway, and no check here keeps them from it. The hash beside each file
is against accidents: a full disk, a copy that was cut short, another program's mistake. Hashing 40 MB takes
as long as all the rest of a load, so it is done once for each file as the system knows it: a file that was written,
replaced, or touched in any way since has another time of change, and is read again. What goes wrong below the file
system, on the disk itself, is not seen.

Compiling takes seconds and much memory, so it happens in a process of its own.
"""

import asyncio
import fcntl
import hashlib
import os
import stat
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from wasmtime import WasmtimeError

from kernel.errors import PluginError
from kernel.sandbox.engine import Engine, describe_native_target

# Code that no process has asked for in this time is compiled again when it is wanted.
UNUSED_S: Final = 14 * 86_400.0
# A clock of files ticks slowly, so that one written twice within a tick looks untouched. Younger ones are always read.
SETTLED_S: Final = 2.0

# How the process that compiles ends when the component is to blame, and not the machine.
BAD_COMPONENT: Final = 3

FindWasm: TypeAlias = Callable[[], Awaitable[Path]]

_PACKAGE_ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Artefact:
    """A loaded component and the hash of the .wasm bytes it came from."""

    native: Any
    sha256: str


@dataclass(frozen=True, slots=True)
class _Mark:
    """What stands beside native code: its hash, and which file it was when it was last read whole, "" for none."""

    sha256: str
    checked: str = ""

    @classmethod
    def read(cls, path: Path) -> "_Mark":
        """Raises OSError."""
        sha256, _, checked = path.read_text(encoding="ascii", errors="replace").partition("\n")
        return cls(sha256, checked)

    def write(self, path: Path) -> None:
        """Raises OSError."""
        write_atomically(path, f"{self.sha256}\n{self.checked}".encode())


class NativeCache:
    """Raises PermissionError when the folder belongs to, or is open to, somebody else."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.getuid():
            raise PermissionError(f"{folder} holds native code and belongs to another user.")
        if stat.S_IMODE(status.st_mode) != 0o700:
            folder.chmod(0o700)
        self.folder = folder.absolute()
        self._target = describe_native_target()

    def key(self, sha256: str) -> str:
        return hashlib.sha256(f"{sha256}\n{self._target}".encode()).hexdigest()

    def find(self, key: str) -> Path | None:
        """The native code, when it is there and whole."""
        path, beside = self._code(key), self._mark(key)
        try:
            mark = _Mark.read(beside)
            if mark.checked != _identify(path.stat()):
                checked = _check(path, mark.sha256)
                if checked is None:
                    return None
                if checked:
                    with suppress(OSError):
                        _Mark(mark.sha256, checked).write(beside)
        except OSError:
            return None
        with suppress(OSError):
            os.utime(beside)
        return path

    def put(self, key: str, code: bytes) -> None:
        self._mark(key).unlink(missing_ok=True)
        write_atomically(self._code(key), code)
        _Mark(hashlib.sha256(code).hexdigest()).write(self._mark(key))
        self._forget()

    def _forget(self) -> None:
        """Remove what nobody has asked for in a while: each version of each plugin leaves 40 MB here. A process that
        runs it goes on, since it holds the file."""
        for mark in self.folder.glob("*.sha256"):
            with suppress(OSError):
                if time.time() - mark.stat().st_mtime > UNUSED_S:
                    mark.with_suffix(".cwasm").unlink(missing_ok=True)
                    mark.with_suffix(".lock").unlink(missing_ok=True)
                    mark.unlink()

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Blocks while another process compiles the same."""
        with (self.folder / f"{key}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _code(self, key: str) -> Path:
        return self.folder / f"{key}.cwasm"

    def _mark(self, key: str) -> Path:
        return self.folder / f"{key}.sha256"


def _identify(status: os.stat_result) -> str:
    """Another one for another file, and after each change of this one; nobody can set the time of change."""
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _check(path: Path, sha256: str) -> str | None:
    """None unless it has that hash. Else what it need not be read again for, "" when it is too young to tell. Raises
    OSError."""
    with path.open("rb") as code:
        # Before it is read: a change after this is one that the next comparison sees.
        status = os.fstat(code.fileno())
        if hashlib.file_digest(code, "sha256").hexdigest() != sha256:
            return None
    return _identify(status) if time.time() - status.st_ctime > SETTLED_S else ""


def write_atomically(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(name).rename(path)


async def load_artefact(engine: Engine, cache: NativeCache, name: str, wasm: Path) -> Artefact:
    """Raises PluginError when the file is missing, is not a component, or does not compile."""
    sha256 = await asyncio.to_thread(hash_artefact, name, wasm)

    async def find_wasm() -> Path:
        return wasm

    return await load_known(engine, cache, name, sha256, find_wasm)


def hash_artefact(name: str, wasm: Path) -> str:
    """Raises PluginError when there is no such file."""
    try:
        with wasm.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise missing_artefact(name, wasm) from None


async def load_known(
    engine: Engine, cache: NativeCache, name: str, sha256: str, find_wasm: FindWasm
) -> Artefact:
    """By its hash: `find_wasm` is asked for the bytes where this machine has not compiled them. Raises PluginError."""
    code = await prepare_native(cache, name, sha256, find_wasm)
    try:
        native = await asyncio.to_thread(engine.load, code)
    except WasmtimeError as error:
        raise PluginError(
            name, "stale-artefact", "its native code cannot be loaded", detail=str(error), may_pass=True
        ) from error
    return Artefact(native, sha256)


async def prepare_native(cache: NativeCache, name: str, sha256: str, find_wasm: FindWasm) -> Path:
    """Where the native code is, compiled first where this machine has none. Raises PluginError."""
    key = cache.key(sha256)
    code = await asyncio.to_thread(cache.find, key)
    if code is None:
        await _compile(name, await find_wasm(), cache)
        code = await asyncio.to_thread(cache.find, key)
    if code is None:
        raise PluginError(name, "stale-artefact", "changed while it was compiled; try again.", may_pass=True)
    return code


def missing_artefact(name: str, wasm: Path) -> PluginError:
    """Its message has no colon behind the plugin's name, unlike all others: people search for this one."""
    message = f"Plugin '{name}' wasm file not found at {wasm}. Build it: trovato plugin build {name}"
    return PluginError(name, "stale-artefact", message, is_whole=True, may_pass=True)


def _command(wasm: Path, cache: NativeCache) -> list[str]:
    return [sys.executable, "-m", "kernel.sandbox.compile", str(wasm.absolute()), str(cache.folder)]


async def _compile(name: str, wasm: Path, cache: NativeCache) -> None:
    process = await asyncio.create_subprocess_exec(
        *_command(wasm, cache),
        cwd=_PACKAGE_ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode is not None and process.returncode < 0:
        raise PluginError(
            name, "link-error", "takes too much time or memory to compile", detail=str(wasm), may_pass=True
        )
    if process.returncode != 0:
        detail = errors.decode(errors="replace")
        may_pass = process.returncode != BAD_COMPONENT
        raise PluginError(name, "link-error", f"{wasm} cannot be compiled", detail=detail, may_pass=may_pass)
