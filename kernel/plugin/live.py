"""The plugins that this process runs with, exchanged for others while it runs."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from kernel.db.connect import DISCONNECTED
from kernel.db.pool import Database
from kernel.errors import PluginError, Unavailable
from kernel.log import get_logger
from kernel.plugin.loader import PluginLoader
from kernel.plugin.model import PluginSet
from kernel.plugin.store import select_generation, select_installed, select_stops
from kernel.shared.bus import CONNECTED, Bus
from kernel.shared.presence import Presence

log = get_logger(__name__)

# {"generation"}: what is installed or enabled has changed.
PLUGINS_CHANGED: Final = "plugins-changed"
# {"plugin", "sha256"}: it will be installed as soon as every process can run it.
PLUGIN_COMING: Final = "plugin-coming"
# How often a process looks for itself, in case a message was lost.
LOOK_EVERY_S: Final = 0.75
_BEAT_EVERY: Final = 4
# What could not be loaded, and may be another time, is tried again after so long, then after twice as long, and so on.
RETRY_FIRST_S: Final = 1.0
RETRY_MOST_S: Final = 60.0


class LivePlugins:
    """`current` is one whole set. Whoever works with plugins takes it once, and finishes with what was taken. Without a
    follower it never changes."""

    def __init__(self, current: PluginSet | None = None, follower: "PluginFollower | None" = None) -> None:
        self.current = current or PluginSet()
        self.follower = follower


class PluginFollower:
    """Keeps `live` at what the database says, within a second."""

    def __init__(self, loader: PluginLoader, db: Database, bus: Bus, presence: Presence) -> None:
        self.live = LivePlugins(follower=self)
        self.loader = loader
        self.presence = presence
        self._db = db
        self._bus = bus
        self._loading = asyncio.Lock()
        self._tries = 0
        self._retry_at: float | None = None
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Load what is enabled now, then follow. A plugin with a problem is left out; the database has to be there."""
        await self._beat()
        await self.refresh()
        self._unsubscribe = [
            self._bus.subscribe(PLUGINS_CHANGED, lambda _: self._wake.set()),
            self._bus.subscribe(CONNECTED, lambda _: self._wake.set()),
            self._bus.subscribe(PLUGIN_COMING, self._hear_coming),
        ]
        self._begin(self._follow_for_ever(), "plugins")

    async def close(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(Unavailable):
            await self.presence.leave()

    async def keep_current(self) -> None:
        """Give back what was loaded beside the set that is in use."""
        async with self._loading:
            await self.loader.keep(self.live.current)

    async def refresh(self) -> None:
        """Load the set that is enabled now, unless it is the one at hand, and whole or not yet due for another try."""
        async with self._loading:
            async with self._db.acquire() as conn:
                # The number first: what is read after it is as new or newer, and then read once more.
                generation = await select_generation(conn)
                is_due = self._retry_at is not None and monotonic() >= self._retry_at
                if generation == self.live.current.generation and not is_due:
                    return
                installed = await select_installed(conn)
                stops = await select_stops(conn)
            plugins = await self.loader.load(installed, generation, stops)
            before, self.live.current = self.live.current, plugins
            self._plan_retry(before, plugins)
            await self.loader.keep(plugins)
        if before.generation and before.epoch != plugins.epoch:
            log.info("plugins changed", generation=generation, plugins=list(plugins.names))

    def _plan_retry(self, before: PluginSet, plugins: PluginSet) -> None:
        if before.generation != plugins.generation:
            self._tries = 0
        if not any(failure.may_pass for failure in plugins.failures):
            self._retry_at = None
            return
        # Clocks and powers have an end.
        self._retry_at = monotonic() + min(RETRY_FIRST_S * 2 ** min(self._tries, 10), RETRY_MOST_S)
        self._tries += 1

    async def _follow_for_ever(self) -> None:
        looks = 0
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)
            self._wake.clear()
            looks += 1
            if looks % _BEAT_EVERY == 0:
                await self._beat()
            try:
                await self.refresh()
            except DISCONNECTED as error:
                log.debug("plugins not looked for", error=type(error).__name__)
            except Exception:  # a set that cannot be made must not end the following; the old one serves on
                log.exception("the plugins that are enabled now cannot be loaded")

    async def _beat(self) -> None:
        with suppress(Unavailable):
            await self.presence.beat()

    def _hear_coming(self, message: dict[str, Any]) -> None:
        self._begin(self._get_ready(str(message["plugin"]), str(message["sha256"])), "coming plugin")

    async def _get_ready(self, plugin: str, sha256: str) -> None:
        """What fails here fails again at the load, and is told there."""
        try:
            await self.loader.prepare(plugin, sha256)
        except (PluginError, *DISCONNECTED) as error:
            log.warning("a plugin that comes cannot be prepared", plugin=plugin, error=str(error))
        with suppress(Unavailable):
            await self.presence.mark_ready(sha256)

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
