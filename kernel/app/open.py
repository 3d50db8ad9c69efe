"""Opens the kernel of one process: every part in order, closed in reverse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from kernel.config import Config, Role
from kernel.db.pool import Database
from kernel.host.table import list_host_functions
from kernel.ledger.dropped import DroppedTags
from kernel.ledger.ledger import Ledger
from kernel.metrics import (
    DATABASE_CONNECTIONS,
    DATABASE_CONNECTIONS_MAX,
    REDIS_CONNECTIONS,
    REDIS_CONNECTIONS_MAX,
    WASM_INSTANCES,
    Metrics,
)
from kernel.plugin.artefacts import Artefacts
from kernel.plugin.live import LivePlugins, PluginFollower
from kernel.plugin.loader import PluginLoader
from kernel.plugin.model import get_ceilings
from kernel.queue import Queue
from kernel.render.renderer import Renderer
from kernel.runtime import Runtime
from kernel.sandbox.sandbox import Sandbox
from kernel.shared.bus import Bus
from kernel.shared.cache import Cache
from kernel.shared.connection import Shared
from kernel.shared.presence import Presence
from kernel.shared.tally import Tallies
from kernel.supervision.reporter import Reporter

# What redis-py says of a pool without a limit.
UNLIMITED: Final = 2**31
STATIC_DIR: Final = Path(__file__).resolve().parents[2] / "web" / "static"


@asynccontextmanager
async def open_kernel(
    config: Config,
    *,
    role: Role,
    with_plugins: bool = True,
    renderer: Renderer | None = None,
    metrics: Metrics | None = None,
) -> AsyncIterator[Runtime]:
    """Web and worker processes, the command and the tests all come through here. A process that opens several
    kernels, one after another or at once, gives them one `renderer`. Raises ConfigError, Unavailable."""
    metrics = metrics or Metrics()
    renderer = renderer or open_renderer(config)
    db = await Database.open(
        config.url_for_role(role), role=role, max_size=config.database_pool, metrics=metrics
    )
    try:
        shared = await Shared.open(config.redis_url, config.redis_prefix)
        bus = Bus(shared)
        try:
            await bus.start()
            cache = Cache(
                shared,
                bus,
                metrics,
                max_entries=config.cache_entries,
                max_ttl_s=config.cache_ttl_s,
                poll_s=config.generation_poll_s,
            )
            await cache.start()
            try:
                queue = await Queue.open(config.redis_url, config.redis_prefix)
                ledger = Ledger(db, queue, bus, cache, config, DroppedTags(db))
                try:
                    _watch_pools(metrics, db, shared, queue)
                    async with _open_plugins(config, ledger, shared, metrics, with_plugins) as plugins:
                        yield Runtime(config, db, shared, bus, cache, ledger, plugins, renderer, metrics)
                finally:
                    await ledger.dropped.close()
                    await queue.close()
            finally:
                await cache.close()
        finally:
            await bus.close()
            await shared.close()
    finally:
        await db.close()


def open_renderer(config: Config) -> Renderer:
    """Raises ConfigError."""
    return Renderer.open(config.templates_dir, STATIC_DIR, theme=config.theme)


@asynccontextmanager
async def _open_plugins(
    config: Config, ledger: Ledger, shared: Shared, metrics: Metrics, with_plugins: bool
) -> AsyncIterator[LivePlugins]:
    """The plugins that are enabled, now and while the process runs."""
    if not with_plugins:
        yield LivePlugins()
        return
    sandbox = await Sandbox.open(
        list_host_functions(ledger),
        cache_dir=config.var / "native",
        ready_instances=config.ready_instances,
        metrics=metrics,
    )
    metrics.watch(lambda: _read_instances(metrics, sandbox))
    loader = PluginLoader(
        sandbox,
        Artefacts(ledger.db, config.plugins_dir, config.var / "artefacts"),
        config.plugins_dir,
        get_ceilings(config),
    )
    follower = PluginFollower(loader, ledger.db, ledger.bus, Presence(shared))
    reporter = Reporter(loader.watch, Tallies(shared), ledger)
    try:
        await follower.start()
        await reporter.start()
        yield follower.live
    finally:
        await follower.close()
        await reporter.close()
        await sandbox.close()


def _read_instances(metrics: Metrics, sandbox: Sandbox) -> None:
    ready = sandbox.ready_instances
    metrics.set_gauge(WASM_INSTANCES, ready, "ready")
    metrics.set_gauge(WASM_INSTANCES, sandbox.live_instances - ready, "leased")


def _watch_pools(metrics: Metrics, db: Database, shared: Shared, queue: Queue) -> None:
    redis: dict[str, Any] = {"shared": shared.client.connection_pool, "queue": queue.redis.connection_pool}

    def read() -> None:
        size = db.size
        metrics.set_gauge(DATABASE_CONNECTIONS, size.in_use, "in_use")
        metrics.set_gauge(DATABASE_CONNECTIONS, size.idle, "idle")
        metrics.set_gauge(DATABASE_CONNECTIONS_MAX, size.limit)
        for name, pool in redis.items():
            in_use, available = pool._in_use_connections, pool._available_connections  # noqa: SLF001  # redis-py tells it to nobody
            metrics.set_gauge(REDIS_CONNECTIONS, len(in_use), name, "in_use")
            metrics.set_gauge(REDIS_CONNECTIONS, len(available), name, "available")
            if pool.max_connections < UNLIMITED:
                metrics.set_gauge(REDIS_CONNECTIONS_MAX, pool.max_connections, name)

    metrics.watch(read)
