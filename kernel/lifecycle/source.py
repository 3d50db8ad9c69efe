"""A plugin on its way to being installed: what its manifest says, and the bytes of its artefact."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from uuid import UUID

from kernel.context import Context
from kernel.db.pool import Connection
from kernel.errors import NotFound, PluginError
from kernel.jobs import CHANGE_PLUGIN, ChangePlugin, PluginOperation
from kernel.ledger.submit import submit_job
from kernel.plugin.manifest import parse_manifest, read_manifest_text
from kernel.plugin.model import Budgets, Manifest, get_ceilings
from kernel.plugin.store import deflate_artefact, has_artefact, insert_artefact, select_offers
from kernel.runtime import Runtime
from kernel.sandbox.artefact import missing_artefact
from kernel.sandbox.build import is_current

# A plugin in Python has 18 MB, nearly all of it the interpreter.
WASM_MAX: Final = 64 * 2**20

Also: TypeAlias = Callable[[Connection, UUID], Awaitable[None]] | None


@dataclass(frozen=True, slots=True)
class Source:
    """`wasm` is empty where the database has the artefact already."""

    manifest: Manifest
    text: str
    wasm: bytes
    sha256: str


def read_source(folder: Path, name: str, ceilings: Budgets) -> Source:
    """From a folder of plugins; blocks for some 30 ms. Raises NotFound, ConfigError, and
    PluginError also for an artefact that is not of these sources."""
    place = folder / name / f"{name}.info.toml"
    if not place.is_file():
        raise NotFound(f"There is no plugin '{name}' in {folder}: {place} is missing.")
    text = read_manifest_text(place)
    manifest = parse_manifest(text, place, ceilings)
    if not manifest.wasm.is_file():
        raise missing_artefact(name, manifest.wasm)
    if _is_stale(manifest):
        raise PluginError(
            name, "stale-artefact", f"was changed since it was built. Build it: trovato plugin build {name}"
        )
    return make_source(manifest, text, manifest.wasm.read_bytes())


def _is_stale(manifest: Manifest) -> bool:
    """Whether it was built here, of sources that are others by now. One that came without sources, or in another
    language, is as it is."""
    source = manifest.folder / f"{manifest.name}.py"
    if not source.is_file() or not manifest.wasm.with_suffix(".build").is_file():
        return False
    return not is_current(manifest.folder, manifest.name, manifest.wasm)


def make_source(manifest: Manifest, text: str, wasm: bytes) -> Source:
    """Raises PluginError for an artefact that is too large."""
    if len(wasm) > WASM_MAX:
        raise PluginError(manifest.name, "link-error", f"its artefact may have {WASM_MAX >> 20} MB at most.")
    return Source(manifest, text, wasm, hashlib.sha256(wasm).hexdigest())


async def submit_install(
    rt: Runtime, ctx: Context, source: Source, *, enables: bool, dedupe_key: str | None = None
) -> UUID:
    """The id of the job. The artefact goes into the database with it, where every machine finds it."""
    return await _submit(rt, ctx, "install", source, enables=enables, dedupe_key=dedupe_key)


async def submit_offer(rt: Runtime, ctx: Context, source: Source) -> UUID:
    """The id of the job that checks what somebody uploaded, for somebody to approve."""
    return await _submit(rt, ctx, "offer", source)


async def find_offered(rt: Runtime, name: str) -> Source | None:
    """What can be installed under that name: what was uploaded, else what the folder of plugins holds. Raises
    ConfigError or PluginError for what stands there and is not whole."""
    async with rt.db.acquire() as conn:
        offers = await select_offers(conn)
    ceilings = get_ceilings(rt.config)
    for offer in offers:
        if offer.name == name:
            place = rt.config.plugins_dir / name / f"{name}.info.toml"
            manifest = parse_manifest(offer.manifest, place, ceilings)
            return Source(manifest, offer.manifest, b"", offer.sha256)
    try:
        return await asyncio.to_thread(read_source, rt.config.plugins_dir, name, ceilings)
    except NotFound:
        return None


async def _submit(
    rt: Runtime,
    ctx: Context,
    operation: PluginOperation,
    source: Source,
    *,
    enables: bool = False,
    dedupe_key: str | None = None,
) -> UUID:
    change = ChangePlugin(operation, source.manifest.name, source.sha256, source.text, enables=enables)
    return await submit_job(
        rt.ledger, ctx, CHANGE_PLUGIN, change, dedupe_key=dedupe_key, also=await _bring_artefact(rt, source)
    )


async def _bring_artefact(rt: Runtime, source: Source) -> Also:
    """What writes the artefact in the transaction that inserts its job; None where it is there already."""
    async with rt.db.acquire() as conn:
        if await has_artefact(conn, source.sha256):
            return None
    stored = await asyncio.to_thread(deflate_artefact, source.wasm)
    return lambda conn, _job_id: insert_artefact(conn, source.sha256, stored)
