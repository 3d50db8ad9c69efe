"""Makes the set of plugins of this process from what is installed, and keeps what did not change loaded."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kernel.db.connect import DISCONNECTED
from kernel.errors import ConfigError
from kernel.plugin.artefacts import Artefacts
from kernel.plugin.load import check_component, get_limits, load_plugins
from kernel.plugin.manifest import parse_manifest
from kernel.plugin.model import Budgets, Installed, LoadFailure, Manifest, PluginSet, Stop
from kernel.sandbox.sandbox import Component, Sandbox
from kernel.tap.watch import Watch


@dataclass(frozen=True, slots=True)
class _Key:
    """What makes a loaded component the one that is wanted."""

    name: str
    sha256: str
    budgets: Budgets


class PluginLoader:
    """`ceilings` are the budgets that the site allows. Only the last set that `keep` was called with stays loaded."""

    def __init__(self, sandbox: Sandbox, artefacts: Artefacts, plugins_dir: Path, ceilings: Budgets) -> None:
        self._sandbox = sandbox
        self._artefacts = artefacts
        self._plugins_dir = plugins_dir
        self._ceilings = ceilings
        self.watch = Watch()
        self._components: dict[_Key, Component] = {}

    def read_manifest(self, text: str, name: str) -> Manifest:
        """Raises ConfigError."""
        return parse_manifest(text, self._plugins_dir / name / f"{name}.info.toml", self._ceilings)

    async def prepare(self, name: str, sha256: str) -> None:
        """Have it compiled on this machine. Raises PluginError."""
        await self._sandbox.prepare(name, sha256, lambda: self._artefacts.find(name, sha256))

    async def check(self, manifest: Manifest, sha256: str) -> None:
        """Compile it and compare what it says about itself with its manifest. Raises PluginError."""
        component = await self._open(_Key(manifest.name, sha256, manifest.budgets))
        check_component(manifest, component)

    async def load(
        self, installed: Iterable[Installed], generation: int, stops: Sequence[Stop] = ()
    ) -> PluginSet:
        """Those that are enabled. What cannot be loaded is left out and stands in the set's failures."""
        hashes: dict[str, str] = {}
        manifests: list[Manifest] = []
        failures: list[LoadFailure] = []
        installed = list(installed)
        for row in installed:
            if not row.is_enabled:
                continue
            try:
                manifests.append(self.read_manifest(row.manifest, row.name))
            except ConfigError as error:
                failures.append(LoadFailure(row.name, tuple(error.problems)))
            hashes[row.name] = row.sha256

        async def open_component(manifest: Manifest) -> Component:
            return await self._open(_Key(manifest.name, hashes[manifest.name], manifest.budgets))

        return await load_plugins(
            open_component,
            manifests,
            failures=failures,
            generation=generation,
            stops=stops,
            watch=self.watch,
            installed=[row.name for row in installed],
        )

    async def keep(self, plugins: PluginSet) -> None:
        """Give back what this set does not use; whoever still works with an older one can go on."""
        used = {id(plugin.component) for plugin in plugins.registry.plugins}
        for key, component in list(self._components.items()):
            if id(component) not in used:
                del self._components[key]
                await self._sandbox.drop(component)
        # What is left because the database is away goes another time.
        with suppress(*DISCONNECTED):
            await self._artefacts.forget_unused()

    async def _open(self, key: _Key) -> Component:
        component = self._components.get(key)
        if component is None:
            component = await self._sandbox.load_known(
                key.name,
                key.sha256,
                lambda: self._artefacts.find(key.name, key.sha256),
                get_limits(key.budgets),
            )
            self._components[key] = component
        return component
