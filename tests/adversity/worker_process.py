"""A real worker process with handlers that stop where a test wants to kill it, or with the shipped ones of batches and
of changes of plugins: `worker_process.py CONFIG HANDLER`.

It prints a line when something has happened: `ready`, `started ID`, `effect ID`, `coming`, `committed`.
"""

import asyncio
import signal
import sys
from dataclasses import fields, replace
from pathlib import Path

import orjson
import uvloop

from kernel.app.open import open_kernel
from kernel.batch.run import run_batch
from kernel.config import Config
from kernel.jobs import CHANGE_PLUGIN, INDEX_ITEM, RUN_BATCH, SAVE_ITEM
from kernel.lifecycle.change import run_change_plugin
from kernel.log import configure_logging
from kernel.plugin.live import PLUGIN_COMING
from tests.fixtures.ledger import add_effect
from workers.worker import run_worker


def say(line):
    print(line, flush=True)


async def work(_rt, run):
    """One effect, named after the job, and a page to forget."""
    say(f"started {run.job.id}")
    async with run.finish() as finish:
        await add_effect(finish.conn, str(run.job.id))
        finish.drop_tags("item:1")
        say(f"effect {run.job.id}")


async def stop_before_commit(_rt, run):
    async with run.finish() as finish:
        await add_effect(finish.conn, str(run.job.id))
        say(f"effect {run.job.id}")
        await asyncio.Event().wait()


async def linger(_rt, run):
    """Long enough to be stopped or killed in the middle, short enough to see its end."""
    say(f"started {run.job.id}")
    await asyncio.sleep(1.0)
    async with run.finish() as finish:
        await add_effect(finish.conn, str(run.job.id))


HANDLERS = {
    "work": work,
    "stop-before-commit": stop_before_commit,
    "stop-after-commit": work,
    "linger": linger,
}


class StoppingCache:
    """Stops between the commit and the dropping of its tags."""

    def __init__(self, cache):
        self._cache = cache

    def __getattr__(self, name):
        return getattr(self._cache, name)

    async def drop(self, _tags):
        say("committed")
        await asyncio.Event().wait()


class StoppingBus:
    """Stops when a plugin has its tables and was told, and is about to come into effect."""

    def __init__(self, bus):
        self._bus = bus

    def __getattr__(self, name):
        return getattr(self._bus, name)

    async def publish(self, topic, message):
        if topic == PLUGIN_COMING:
            say("coming")
            await asyncio.Event().wait()
        await self._bus.publish(topic, message)


def choose_handlers(name):
    if name == "batch":
        return {RUN_BATCH: run_batch}
    if name.startswith("change"):
        return {CHANGE_PLUGIN: run_change_plugin}
    return dict.fromkeys((INDEX_ITEM, SAVE_ITEM), HANDLERS[name])


async def main(config, name):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_kernel(config, role="worker", with_plugins=name.startswith("change")) as opened:
        rt = opened
        if name.endswith("stop-after-commit"):
            rt = replace(rt, ledger=replace(rt.ledger, cache=StoppingCache(rt.ledger.cache)))
        if name == "change-stop-before-commit":
            rt = replace(rt, bus=StoppingBus(rt.bus))
        say("ready")
        await run_worker(rt, choose_handlers(name), stop, grace_s=0.3)


def read_config(text):
    values = orjson.loads(text)
    paths = {field.name for field in fields(Config) if field.type in (Path, "Path")}
    return Config(**{name: Path(value) if name in paths else value for name, value in values.items()})


if __name__ == "__main__":
    configure_logging("INFO", "console")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(read_config(sys.argv[1]), sys.argv[2]))
