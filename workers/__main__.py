"""The worker process: `python -m workers`."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping

import uvloop

from kernel.app.open import open_kernel
from kernel.app.processes import end_with_parent
from kernel.config import Config, read_config
from kernel.errors import TrovatoError
from kernel.job_kind import JobKind
from kernel.log import configure_logging, get_logger
from kernel.sandbox.selftest import self_test
from workers.handlers import HANDLERS
from workers.metrics_port import offer_metrics
from workers.scheduler import keep_cron_going
from workers.worker import Handler, run_worker

log = get_logger(__name__)


async def serve(config: Config, handlers: Mapping[JobKind, Handler]) -> None:
    """Work until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await self_test()
    async with open_kernel(config, role="worker") as rt, offer_metrics(rt), keep_cron_going(rt):
        await run_worker(rt, handlers, stop)


def main(config: Config, handlers: Mapping[JobKind, Handler] = HANDLERS) -> None:
    """`handlers` do the work of this process."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(config, handlers))


if __name__ == "__main__":
    end_with_parent()
    try:
        settings = read_config(os.environ)
        configure_logging(settings.log_level, settings.log_format)
        main(settings)
    except TrovatoError as error:
        # What to do stands in the message; where it was raised helps nobody.
        log.critical("worker cannot start", reason=error.message, detail=error.detail)
        sys.exit(1)
