"""What every kind of change of the plugins is handed: who asked for what, and what is installed at that moment."""

from dataclasses import dataclass

from kernel.context import Context
from kernel.errors import ConfigError
from kernel.jobs import ChangePlugin
from kernel.ledger.run import JobRun
from kernel.lifecycle.plan import RefusedError
from kernel.plugin.live import PLUGINS_CHANGED, PluginFollower
from kernel.plugin.model import Installed, Manifest
from kernel.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Asked:
    """`ctx` acts as whoever asked, who may do it. `follower` is that of this process."""

    rt: Runtime
    run: JobRun
    ctx: Context
    follower: PluginFollower
    installed: tuple[Installed, ...]

    @property
    def change(self) -> ChangePlugin:
        change: ChangePlugin = self.run.payload
        return change

    @property
    def name(self) -> str:
        return self.change.plugin

    def find_installed(self) -> Installed | None:
        return next((row for row in self.installed if row.name == self.name), None)

    def get_installed(self) -> Installed:
        """Raises RefusedError."""
        row = self.find_installed()
        if row is None:
            raise RefusedError(f"The plugin '{self.name}' is not installed.")
        return row

    def read_manifest(self, text: str) -> Manifest:
        """Raises RefusedError."""
        try:
            return self.follower.loader.read_manifest(text, self.name)
        except ConfigError as error:
            raise RefusedError(*error.problems) from None

    async def spread_news(self) -> None:
        """Processes that do not hear of it look for themselves within a second."""
        await self.follower.refresh()
        await self.rt.bus.publish(PLUGINS_CHANGED, {"generation": self.rt.plugins.generation})
