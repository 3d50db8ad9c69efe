"""The few long-lived things that a verb may touch, opened by kernel.app and handed down."""

from dataclasses import dataclass

from kernel.config import Config
from kernel.db.pool import Database
from kernel.ledger.ledger import Ledger
from kernel.metrics import Metrics
from kernel.plugin.live import LivePlugins
from kernel.plugin.model import PluginSet
from kernel.render.renderer import Renderer
from kernel.shared.bus import Bus
from kernel.shared.cache import Cache
from kernel.shared.connection import Shared


@dataclass(frozen=True, slots=True)
class Runtime:
    """Frozen, and small on purpose: what is not here a verb is given as an argument."""

    config: Config
    db: Database
    shared: Shared
    bus: Bus
    cache: Cache
    ledger: Ledger
    live_plugins: LivePlugins
    renderer: Renderer
    metrics: Metrics

    @property
    def plugins(self) -> PluginSet:
        """As of now. A request or job that asks twice may be told of another set."""
        return self.live_plugins.current
