"""A plugin's manifest, and the set of plugins that a process runs with."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from kernel.config import Config
from kernel.tap.answers import Permission
from kernel.tap.capability import Capabilities
from kernel.tap.menu import MenuRegistry
from kernel.tap.registry import TapOptions, TapRegistry

# The contract that a plugin is built for: major and minor number of the package in kernel.wit.
API_VERSION: Final = "0.1"


@dataclass(frozen=True, slots=True)
class Budgets:
    """What one call of a plugin may use, and, with the site's numbers in it, the most a manifest may ask for.

    `cpu_ms` is for taps of a request; `memory_mb` for an instance; `host_calls` for one call."""

    cpu_ms: float = 100.0
    memory_mb: int = 64
    host_calls: int = 100


def get_ceilings(config: Config) -> Budgets:
    """What the site allows a plugin to ask for."""
    return Budgets(cpu_ms=config.plugin_cpu_ms, memory_mb=config.plugin_memory_mb)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `{name}.info.toml` says. `taps` maps the name of each implemented tap to its options, `may` is what it asks
    to use, `functions` what it offers to other plugins."""

    name: str
    version: str
    folder: Path
    description: str = ""
    dependencies: tuple[str, ...] = ()
    taps: Mapping[str, TapOptions] = field(default_factory=dict)
    may: Capabilities = field(default_factory=Capabilities)
    functions: frozenset[str] = frozenset()
    budgets: Budgets = Budgets()

    @property
    def wasm(self) -> Path:
        return self.folder / f"{self.name}.wasm"


@dataclass(frozen=True, slots=True)
class Installed:
    """A row of `system`. `manifest` is the text that was approved, `sha256` the hash of the artefact."""

    name: str
    version: str
    is_enabled: bool
    sha256: str
    manifest: str
    installed: datetime
    changed: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """A tap that is not called any more, since the plugin failed there too often; `message` is the last failure."""

    plugin: str
    tap: str
    since: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A row of `plugin_offer`."""

    name: str
    version: str
    sha256: str
    manifest: str
    created: datetime


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """What is wrong with a plugin, each problem a sentence for whoever can mend it. It is left out altogether
    unless it stands in the set's manifests: then only what it declared is left out. `may_pass` says that another try
    may go better."""

    plugin: str
    problems: tuple[str, ...]
    may_pass: bool = False


@dataclass(frozen=True, eq=False)
class PluginSet:
    """The plugins of one process, in loading order, with what they declared. Never changed: a set with other
    plugins in it is another set, with a higher `generation`, or at least with another `epoch`: that tells apart what
    is made with all that is enabled, and what is made while something of it could not be loaded."""

    manifests: tuple[Manifest, ...] = ()
    registry: TapRegistry = field(default_factory=TapRegistry)
    menu: MenuRegistry = field(default_factory=MenuRegistry)
    permissions: tuple[Permission, ...] = ()
    failures: tuple[LoadFailure, ...] = ()
    generation: int = 0
    stops: tuple[Stop, ...] = ()

    @cached_property
    def epoch(self) -> str:
        loaded = sorted((plugin.name, plugin.component.sha256) for plugin in self.registry.plugins)
        parts = repr((self.generation, loaded, sorted(failure.plugin for failure in self.failures)))
        return hashlib.sha256(parts.encode()).hexdigest()[:32]

    @property
    def names(self) -> Sequence[str]:
        return [manifest.name for manifest in self.manifests]
