"""Serves the site from one process: Hypercorn with uvloop over the page cache over Quart."""

import asyncio
import logging
import os
import signal
import sys
from typing import Final

import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config as HypercornConfig

from kernel.app.open import open_kernel
from kernel.app.processes import end_with_parent
from kernel.app.scrape import keep_gauges_fresh
from kernel.config import Config, read_config
from kernel.errors import TrovatoError
from kernel.log import configure_logging, get_logger
from kernel.metrics import Metrics
from kernel.sandbox.selftest import self_test
from web.app import create_asgi
from web.live import LiveStreams

log = get_logger(__name__)

# Less than the grace that the parent gives before it kills.
SHUTDOWN_S: Final = 10.0


def main(fd: int | None, place: int | None) -> None:
    """`fd` is a listening socket that the parent has opened; without one this process opens the port itself. `place` is
    this process's number among those that share it, and their metrics."""
    end_with_parent()
    try:
        config = read_config(os.environ)
        configure_logging(config.log_level, config.log_format)
        metrics = Metrics() if place is None else Metrics.share(place)
        uvloop.run(_serve(config, fd, metrics))
    except TrovatoError as error:
        # What to do stands in the message; where it was raised helps nobody.
        log.critical("the web process cannot start", reason=error.message, detail=error.detail)
        sys.exit(1)


async def _serve(config: Config, fd: int | None, metrics: Metrics) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await self_test()
    async with open_kernel(config, role="web", metrics=metrics) as rt, keep_gauges_fresh(metrics):
        log.info("web process ready", plugins=list(rt.plugins.names))
        live = LiveStreams()

        async def wait_for_stop() -> None:
            await stop.wait()
            live.close()  # else they would hold the server for its whole grace

        await serve(create_asgi(rt, live), _configure_server(config, fd), shutdown_trigger=wait_for_stop)  # type: ignore[arg-type]  # Hypercorn's own ASGI types


def _configure_server(config: Config, fd: int | None) -> HypercornConfig:
    server = HypercornConfig()
    server.bind = [f"fd://{fd}" if fd is not None else f"{config.host}:{config.port}"]
    server.graceful_timeout = SHUTDOWN_S
    server.keep_alive_timeout = 30.0
    server.include_server_header = False
    server.accesslog = None
    server.errorlog = logging.getLogger("hypercorn")
    return server
