"""What there is to say of every plugin: installed, enabled, on offer, in another version, or broken."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from kernel.config import Config
from kernel.errors import ConfigError
from kernel.lifecycle.compare import list_new_wishes, list_wishes
from kernel.plugin.manifest import parse_manifest
from kernel.plugin.model import Installed, Manifest, Offer, PluginSet, get_ceilings
from kernel.plugin.scan import Scan, scan_plugins
from kernel.plugin.store import select_installed, select_offers
from kernel.plugin_data.difference import compare_tables
from kernel.plugin_data.store import count_rows, read_tables
from kernel.runtime import Runtime

State = Literal["enabled", "disabled", "offered", "broken"]

# As many as a page can wait for.
ROWS_COUNTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class PluginLine:
    """`offered` is another version that stands in the folder, "" for none; `problems` are sentences. `manifest` is what
    is installed, else what is on offer; None when it cannot be read. `uploaded` is the version that somebody uploaded,
    "" for none, and `in_folder` the one that it hides in the folder."""

    name: str
    state: State
    version: str
    offered: str
    description: str
    problems: tuple[str, ...]
    wishes: tuple[str, ...]
    new_wishes: tuple[str, ...]
    manifest: Manifest | None
    changed: datetime | None
    uploaded: str = ""
    in_folder: str = ""

    @property
    def is_installed(self) -> bool:
        return self.state != "offered"


async def list_plugins(rt: Runtime) -> tuple[PluginLine, ...]:
    """By name: those that are installed, and those that the folder of plugins offers."""
    scan = await asyncio.to_thread(scan_plugins, rt.config.plugins_dir, get_ceilings(rt.config))
    async with rt.db.acquire() as conn:
        installed = await select_installed(conn)
        uploaded = await select_offers(conn)
    return build_lines(rt.config, rt.plugins, installed, uploaded, scan)


async def find_row(rt: Runtime, name: str) -> Installed | None:
    async with rt.db.acquire() as conn:
        installed = await select_installed(conn)
    return next((row for row in installed if row.name == name), None)


async def find_installed(rt: Runtime, name: str) -> Manifest | None:
    """What the installed version declares; None for one that is not installed, or cannot be read any more."""
    row = await find_row(rt, name)
    return _read(rt.config, row)[0] if row is not None else None


async def list_kept_rows(rt: Runtime, name: str) -> tuple[str, ...]:
    """What goes when the plugin is removed with its data: each table with how many rows it has."""
    async with rt.db.acquire() as conn:
        counts = await count_rows(conn, name, ROWS_COUNTED + 1)
    return tuple(f"{table} ({_describe_count(count)})" for table, count in counts.items())


def _describe_count(count: int) -> str:
    if count > ROWS_COUNTED:
        return f"over {ROWS_COUNTED:,} rows"
    return f"{count:,} row{'' if count == 1 else 's'}"


async def list_unsettled(rt: Runtime, line: PluginLine) -> tuple[str, ...]:
    """What the tables of a plugin that runs still lack of what it declares."""
    if line.state != "enabled" or line.manifest is None:
        return ()
    async with rt.db.acquire() as conn:
        tables = await read_tables(conn, line.name)
    return tuple(map(str, compare_tables(tables, line.manifest.may.tables).later))


def build_lines(
    config: Config,
    plugins: PluginSet,
    installed: Iterable[Installed],
    uploaded: Iterable[Offer],
    scan: Scan,
) -> tuple[PluginLine, ...]:
    """What was uploaded comes before what the folder holds."""
    in_folder = {manifest.name: manifest.version for manifest in scan.manifests}
    offers = {manifest.name: manifest for manifest in scan.manifests}
    broken = {failure.plugin: failure.problems for failure in scan.failures}
    versions: dict[str, str] = {}
    for offer in uploaded:
        versions[offer.name] = offer.version
        manifest, problems = _read(config, offer)
        if manifest is not None:
            offers[offer.name] = manifest
        else:
            broken[offer.name] = problems
    lines = {row.name: _describe_installed(config, plugins, row, offers.get(row.name)) for row in installed}
    for name in {*offers, *broken} - set(lines):
        lines[name] = _describe_offer(name, offers.get(name), broken.get(name, ()))
    for name, version in versions.items():
        lines[name] = replace(lines[name], uploaded=version, in_folder=in_folder.get(name, ""))
    return tuple(lines[name] for name in sorted(lines))


def _describe_installed(
    config: Config, plugins: PluginSet, row: Installed, offer: Manifest | None
) -> PluginLine:
    manifest, problems = _read(config, row)
    problems += next((f.problems for f in plugins.failures if f.plugin == row.name), ())
    state: State = "disabled"
    if row.is_enabled:
        # Without problems it is about to be loaded.
        state = "broken" if problems and row.name not in plugins.names else "enabled"
    is_other = offer is not None and offer.version != row.version
    return PluginLine(
        row.name,
        state,
        row.version,
        offer.version if offer is not None and is_other else "",
        manifest.description if manifest else "",
        problems,
        list_wishes(manifest) if manifest else (),
        list_new_wishes(manifest, offer) if offer is not None and is_other else (),
        manifest,
        row.changed,
    )


def _describe_offer(name: str, offer: Manifest | None, problems: tuple[str, ...]) -> PluginLine:
    return PluginLine(
        name,
        "offered",
        offer.version if offer else "",
        "",
        offer.description if offer else "",
        problems,
        list_wishes(offer) if offer else (),
        list_wishes(offer) if offer else (),
        offer,
        None,
    )


def _read(config: Config, row: Installed | Offer) -> tuple[Manifest | None, tuple[str, ...]]:
    place = config.plugins_dir / row.name / f"{row.name}.info.toml"
    try:
        return parse_manifest(row.manifest, place, get_ceilings(config)), ()
    except ConfigError as error:
        return None, tuple(error.problems)
