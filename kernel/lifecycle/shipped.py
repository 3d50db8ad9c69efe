"""Brings the plugins of a folder into a site that is prepared: new ones, and new versions that ask for no more."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Final

from kernel.clock import now
from kernel.context import Context
from kernel.errors import BadInput
from kernel.lifecycle.ask import install_source
from kernel.lifecycle.compare import list_new_wishes
from kernel.lifecycle.overview import find_installed
from kernel.lifecycle.source import Source
from kernel.plugin.store import select_generation, select_installed
from kernel.runtime import Runtime

Report = Callable[[str], None]

# What a new site begins with.
FIRST: Final = frozenset({"page", "blog"})


async def list_wanted(rt: Runtime) -> Collection[str]:
    """The names of the plugins that a site has, or begins with."""
    async with rt.db.acquire() as conn:
        return {row.name for row in await select_installed(conn)} or FIRST


async def install_shipped(rt: Runtime, ctx: Context, sources: Sequence[Source], report: Report) -> None:
    """`sources` in an order in which each comes after what it needs. A site without any plugin gets those of `FIRST`;
    later ones are merely on offer, and one that somebody removed stays away."""
    async with rt.db.acquire() as conn:
        is_fresh = not await select_installed(conn)
    for source in sources:
        name = source.manifest.name
        async with rt.db.acquire() as conn:
            generation = await select_generation(conn)
            row = next((row for row in await select_installed(conn) if row.name == name), None)
        if row is None and not (is_fresh and name in FIRST):
            continue
        if row is not None and (row.sha256, row.manifest) == (source.sha256, source.text):
            continue
        if (
            row is not None
            and row.manifest
            and list_new_wishes(await find_installed(rt, name), source.manifest)
        ):
            version = source.manifest.version
            report(
                f"Plugin {name}: version {version} asks for more, so it waits: trovato plugin upgrade {name}"
            )
            continue
        try:
            await install_source(rt, ctx, source, dedupe_key=_make_key(source, generation))
        except BadInput as refusal:
            report(f"  {name} is left out: {refusal.message}")
        else:
            report(f"Plugin {name}: {'installed' if row is None else 'brought up to date'}")


def _make_key(source: Source, generation: int) -> str:
    """Two processes that prepare the same site at once ask for the same; a later start asks anew, since what was
    refused may have been mended."""
    digest = hashlib.sha256(f"{source.sha256} {source.text}".encode()).hexdigest()
    return f"install {source.manifest.name} {digest} {generation} {now():%Y-%m-%dT%H:%M}"
