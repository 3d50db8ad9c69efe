"""Finds the bytes of what is installed: in the folder of plugins, on this machine, or in the database."""

import asyncio
import os
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from kernel.db.pool import Database
from kernel.errors import PluginError
from kernel.plugin.store import find_artefact, inflate_artefact, select_used_hashes
from kernel.sandbox.artefact import hash_artefact, missing_artefact, write_atomically

# Longer than it takes to compile what somebody has just looked for.
UNUSED_S: Final = 3_600.0


class Artefacts:
    """Those of one machine. `plugins_dir` holds the sources, `folder` what came from the database."""

    def __init__(self, db: Database, plugins_dir: Path, folder: Path) -> None:
        self._db = db
        self._plugins_dir = plugins_dir
        self._folder = folder

    async def find(self, name: str, sha256: str) -> Path:
        """A file with exactly these bytes. Raises PluginError where there is none."""
        built = self._plugins_dir / name / f"{name}.wasm"
        kept = self._folder / f"{sha256}.wasm"
        for path in (built, kept):
            if await asyncio.to_thread(_has_hash, name, path, sha256):
                await asyncio.to_thread(_touch, kept)
                return path
        async with self._db.acquire() as conn:
            stored = await find_artefact(conn, sha256)
        if stored is None:
            raise missing_artefact(name, built)
        await asyncio.to_thread(_keep, kept, stored)
        if not await asyncio.to_thread(_has_hash, name, kept, sha256):
            kept.unlink(missing_ok=True)
            raise PluginError(
                name, "stale-artefact", "its artefact in the database is not what its hash says"
            )
        return kept

    async def forget_unused(self) -> None:
        """Remove from this machine what nothing is made of any more, and what a process left that died while it wrote;
        not what somebody has looked for in the last hour, who may be about to compile it."""
        old = await asyncio.to_thread(_list_old, self._folder)
        if not old:
            return
        async with self._db.acquire() as conn:
            used = await select_used_hashes(conn)
        await asyncio.to_thread(_remove, old, {f"{sha256}.wasm" for sha256 in used})


def _has_hash(name: str, path: Path, sha256: str) -> bool:
    try:
        return hash_artefact(name, path) == sha256
    except PluginError:
        return False


def _keep(path: Path, stored: bytes) -> None:
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    write_atomically(path, inflate_artefact(stored))


def _touch(path: Path) -> None:
    with suppress(FileNotFoundError):
        os.utime(path)


def _list_old(folder: Path) -> list[Path]:
    """Another process may remove one while it is looked at."""
    old: list[Path] = []
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > UNUSED_S:
                    old.append(path)
    return old


def _remove(paths: Collection[Path], used: Collection[str]) -> None:
    for path in paths:
        if path.name not in used:
            path.unlink(missing_ok=True)
