"""Finds the plugins in a folder and reads their manifests."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kernel.errors import ConfigError
from kernel.plugin.manifest import read_manifest
from kernel.plugin.model import Budgets, LoadFailure, Manifest

# What stands among the plugins and is none.
_NO_PLUGINS: Final = frozenset({"sdk"})


@dataclass(frozen=True, slots=True)
class Scan:
    """`failures` are the plugins whose manifest is wrong; the others can be used nevertheless."""

    manifests: tuple[Manifest, ...]
    failures: tuple[LoadFailure, ...]


def scan_plugins(folder: Path, ceilings: Budgets) -> Scan:
    """By name. A folder without a manifest is a mistake too, unless it is hidden."""
    manifests: list[Manifest] = []
    failures: list[LoadFailure] = []
    for place in list_plugin_folders(folder):
        path = place / f"{place.name}.info.toml"
        if not path.is_file():
            problem = f"{path} is missing. A folder in {folder} holds a plugin, with a manifest of that name."
            failures.append(LoadFailure(place.name, (problem,)))
            continue
        try:
            manifests.append(read_manifest(path, ceilings))
        except ConfigError as error:
            failures.append(LoadFailure(place.name, tuple(error.problems)))
    return Scan(tuple(manifests), tuple(failures))


def list_plugin_folders(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        place
        for place in folder.iterdir()
        if place.is_dir() and place.name not in _NO_PLUGINS and not place.name.startswith((".", "__"))
    )
