"""Builds a plugin written in Python into a component, unless nothing it is made of has changed."""

import asyncio
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from kernel.errors import PluginError
from kernel.names import is_machine_name
from kernel.sandbox.contract import WIT_FILE
from kernel.sandbox.instance import Limits
from kernel.sandbox.sandbox import Sandbox

SDK_FOLDER: Final = Path(__file__).parents[2] / "plugins" / "sdk"
# The first start of an interpreter in a component, which also reads the plugin's modules.
_CHECK_LIMITS: Final = Limits(memory_mb=256, cpu_ms=2_000.0, timeout_s=20.0)
_ENTRY: Final = "trovato_plugin_entry"
# The builder sees the entry's folder as /0, the plugin's as /1 and the SDK's as /2.
_PLUGIN_LINE: Final = re.compile(r'^ *File "/1/([^"]+)", line (\d+)', re.MULTILINE)
_NO_SOURCES: Final = frozenset({"tests", "__pycache__"})

# What the SDK has for an author's tests; it is imported by no plugin, and an artefact does not change with it.
_NATIVE_ONLY: Final = ("mock_", "replay", "stand_ins", "testing")


@dataclass(frozen=True, slots=True)
class BuildResult:
    """`was_built` is False when the artefact at hand was made of the same inputs; `taps` as described."""

    wasm: Path
    sha256: str
    taps: tuple[str, ...]
    was_built: bool
    seconds: float


def build_plugin(source_dir: Path, name: str, out: Path, *, cache_dir: Path | None = None) -> BuildResult:
    """Make `out` (a .wasm, with a .build beside it) of `{name}.py` and what else is in `source_dir`.

    The new artefact is asked to describe itself, for which it is compiled; with the site's `cache_dir` that
    work is kept. Takes seconds, so it is for a thread when an event loop runs. Raises PluginError.
    """
    started = time.perf_counter()
    _check_source(source_dir, name)
    inputs = _hash_inputs(source_dir, name)
    record = out.with_suffix(".build")
    out.parent.mkdir(parents=True, exist_ok=True)
    with _locked(record) as file:
        known = _read_record(file.read())
        if _is_made_of(inputs, out, known):
            return BuildResult(
                out,
                known["sha256"],
                tuple(known["taps"]),
                was_built=False,
                seconds=time.perf_counter() - started,
            )
        with tempfile.TemporaryDirectory(prefix="trovato-build-") as folder:
            made = Path(folder) / out.name
            _componentize(source_dir, name, made, Path(folder))
            taps = asyncio.run(_check_artefact(name, made, cache_dir or Path(folder) / "native"))
            data = made.read_bytes()
        _replace(out, data)
        sha256 = hashlib.sha256(data).hexdigest()
        file.seek(0)
        file.truncate()
        json.dump({"inputs": inputs, "sha256": sha256, "size": len(data), "taps": taps}, file, indent=1)
    return BuildResult(out, sha256, tuple(taps), was_built=True, seconds=time.perf_counter() - started)


def is_current(source_dir: Path, name: str, out: Path) -> bool:
    """Whether the artefact is there and was made of the sources as they are now."""
    record = out.with_suffix(".build")
    known = _read_record(record.read_text(encoding="utf-8")) if record.is_file() else {}
    return _is_made_of(_hash_inputs(source_dir, name), out, known)


def _is_made_of(inputs: str, out: Path, known: Mapping[str, Any]) -> bool:
    return known.get("inputs") == inputs and out.is_file() and out.stat().st_size == known.get("size")


def _check_source(source_dir: Path, name: str) -> None:
    if not is_machine_name(name):
        raise PluginError(name, "stale-artefact", "its name must be a-z, 0-9 and _, 32 characters at most")
    if not (source_dir / f"{name}.py").is_file():
        raise PluginError(name, "stale-artefact", f"has no source at {source_dir / name}.py")


def list_sources(folder: Path) -> list[Path]:
    """What a plugin is made of: all Python below its folder but its tests, which never become part of it."""
    return sorted(
        path
        for path in folder.rglob("*.py")
        if path.is_file() and path.relative_to(folder).parts[0] not in _NO_SOURCES
    )


def _hash_inputs(source_dir: Path, name: str) -> str:
    total = hashlib.sha256(f"{name} componentize-py {version('componentize-py')}\n".encode())
    for folder, paths in (
        (source_dir, list_sources(source_dir)),
        (SDK_FOLDER, [path for path in list_sources(SDK_FOLDER) if not path.stem.startswith(_NATIVE_ONLY)]),
        (WIT_FILE.parent, [WIT_FILE]),
    ):
        for path in paths:
            data = path.read_bytes()
            total.update(f"{path.relative_to(folder)} {len(data)}\n".encode())
            total.update(data)
    return total.hexdigest()


@contextmanager
def _locked(record: Path) -> Iterator[Any]:
    """The record, held against other builds of the same artefact for as long as it is open."""
    with record.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield file


def _read_record(text: str) -> dict[str, Any]:
    """Of an earlier build; empty when there was none, or it was killed while it wrote."""
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _componentize(source_dir: Path, name: str, out: Path, folder: Path) -> None:
    entry = (
        f'import {name}\nfrom trovato_sdk.guest import make_world\nWitWorld = make_world("{name}", {name})\n'
    )
    (folder / f"{_ENTRY}.py").write_text(entry, encoding="utf-8")
    paths = [part for path in (folder, source_dir, SDK_FOLDER) for part in ("-p", str(path.absolute()))]
    finished = subprocess.run(
        [
            str(Path(sys.executable).parent / "componentize-py"),
            *("--quiet", "--wit-path", str(WIT_FILE), "--world", "plugin"),
            *("componentize", _ENTRY, *paths, "--output", str(out)),
        ],
        # An environment without packages: only the plugin, the SDK and the standard library may come in.
        env={"PATH": os.defpath, "VIRTUAL_ENV": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        output = finished.stderr.partition("Stack backtrace:")[0].strip()
        message = f"cannot be built: {_find_place(output)}{_find_cause(output.splitlines())}"
        raise PluginError(name, "stale-artefact", message, detail=output)


def _find_place(output: str) -> str:
    """The line of the plugin that was running when the builder gave up."""
    places = _PLUGIN_LINE.findall(output)
    return "{}:{}: ".format(*places[-1]) if places else ""


def _find_cause(output: Sequence[str]) -> str:
    """The builder ends with the innermost error, in the words of whoever raised it."""
    return next((line.strip() for line in reversed(output) if line.strip()), "the builder says nothing")


async def _check_artefact(name: str, wasm: Path, cache_dir: Path) -> list[str]:
    sandbox = await Sandbox.open((), cache_dir=cache_dir, ready_instances=0)
    try:
        component = await sandbox.load(name, wasm, _CHECK_LIMITS)
    finally:
        await sandbox.close()
    taps: list[str] = component.description["taps"]
    return taps


def _replace(out: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(temporary).chmod(0o644)
    Path(temporary).rename(out)
