"""Finds the bytes of what is installed: in the folder of plugins, on this machine, or in the database."""

import asyncio
from pathlib import Path

from kernel.db.pool import Database
from kernel.errors import PluginError
from kernel.plugin.store import find_artefact, inflate_artefact
from kernel.sandbox.artefact import hash_artefact, missing_artefact, write_atomically


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


def _has_hash(name: str, path: Path, sha256: str) -> bool:
    try:
        return hash_artefact(name, path) == sha256
    except PluginError:
        return False


def _keep(path: Path, stored: bytes) -> None:
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    write_atomically(path, inflate_artefact(stored))
