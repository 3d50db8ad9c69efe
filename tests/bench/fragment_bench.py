"""Measures pages made of plugins' answers, cold and warm: instances, round trips to Redis, CPU.

`python -m tests.bench.fragment_bench`. Wants REDIS_URL. One process; the plugin `bench` of tests/wasm under three
names, each of which shows every item. Making HTML of the answers is the same work however they came, and stands apart.
"""

import asyncio
import json
import os
import statistics
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from kernel.context import Actor, Context
from kernel.metrics import Metrics
from kernel.plugin.model import PluginSet
from kernel.render.tree import render_tree
from kernel.sandbox.build import build_plugin
from kernel.sandbox.sandbox import Component, Sandbox
from kernel.shared.bus import Bus
from kernel.shared.cache import Cache
from kernel.shared.connection import Shared
from kernel.tap.catalogue import ITEM_VIEW
from kernel.tap.dispatch import dispatch
from kernel.tap.fragment import Fragments
from kernel.tap.registry import TapOptions, TapPlugin, TapRegistry
from kernel.tap.scope import TapScope
from kernel.tap.witness import Witness
from tests.bench.sandbox_bench import FUNCTIONS, ITEM, LIMITS, ROOT, VAR

PLUGINS: Final = ("first", "second", "third")
ROUNDS: Final = 30
TTL_S: Final = 600.0
SHOW: Final = TapOptions(fields=frozenset({"field_body", "field_summary", "field_byline"}))


class CountedRedis:
    """Counts what is sent to Redis by the client's own hook for each command."""

    def __init__(self, client):
        self.sent = 0
        send = client.execute_command

        async def count(*arguments, **options):
            self.sent += 1
            return await send(*arguments, **options)

        client.execute_command = count


@dataclass
class Process:
    plugins: PluginSet
    cache: Cache
    redis: CountedRedis
    metrics: Metrics

    def count_instances(self):
        return int(
            sum(
                sample.value
                for family in self.metrics.registry.collect()
                for sample in family.samples
                if sample.name == "trovato_wasm_instances_taken_total"
            )
        )


@asynccontextmanager
async def open_process(redis_url, prefix):
    shared = await Shared.open(redis_url, prefix)
    bus, metrics = Bus(shared), Metrics()
    await bus.start()
    cache = Cache(shared, bus, metrics, max_entries=4_000, max_ttl_s=TTL_S, poll_s=0.5)
    await cache.start()
    wasm = VAR / "bench.wasm"
    source = ROOT / "tests" / "wasm" / "bench"
    built = await asyncio.to_thread(build_plugin, source, "bench", wasm, cache_dir=VAR / "native")
    sandbox = await Sandbox.open(FUNCTIONS, cache_dir=VAR / "native", ready_instances=4, metrics=metrics)
    try:
        components: list[Component] = [await sandbox.load(name, built.wasm, LIMITS) for name in PLUGINS]
        plugins = tuple(
            TapPlugin(component.name, component, {ITEM_VIEW.name: SHOW}) for component in components
        )
        yield Process(PluginSet(registry=TapRegistry(plugins)), cache, CountedRedis(shared.client), metrics)
    finally:
        await sandbox.close()
        await cache.close()
        await bus.close()
        async for key in shared.client.scan_iter(match=f"{prefix}:*"):
            await shared.client.delete(key)
        await shared.close()


def make_items(number):
    return [{**ITEM, "id": str(UUID(int=each + 1))} for each in range(number)]


async def show(process, items, *, keeps=True):
    """What a request does for plugins' answers: has them made or found. They are the render trees."""
    ctx = Context(actor=Actor(id=uuid4(), permissions=frozenset({"access content"})))
    fragments = Fragments(process.cache, ctx, TTL_S, process.cache.generation()) if keeps else None
    async with TapScope(process.plugins, ctx, fragments=fragments, witness=Witness()) as scope:
        dispatched = await dispatch(scope, ITEM_VIEW, items=items)
    assert not dispatched.failures
    return [tree for _, trees in dispatched.answers for tree in trees]


async def measure(process, items, prepare, *, keeps=True):
    cpu, wall, sent, taken = [], [], [], []
    for _ in range(ROUNDS):
        await prepare()
        for plugin in process.plugins.registry.plugins:
            await plugin.component.fill()
        instances, commands = process.count_instances(), process.redis.sent
        started, used = time.perf_counter(), time.thread_time()
        await show(process, items, keeps=keeps)
        cpu.append((time.thread_time() - used) * 1e3)
        wall.append((time.perf_counter() - started) * 1e3)
        sent.append(process.redis.sent - commands)
        taken.append(process.count_instances() - instances)
    return {
        "instances": statistics.median(taken),
        "round trips": statistics.median(sent),
        "CPU ms": round(statistics.median(cpu), 2),
        "wall ms": round(statistics.median(wall), 2),
    }


async def measure_fragments(redis_url):
    figures = {}
    async with open_process(redis_url, f"bench-{uuid4().hex[:8]}") as process:

        async def forget():
            await process.cache.drop(["fragments"])

        async def forget_here():
            process.cache._local._entries.clear()

        async def nothing():
            """Everything is where it was."""

        for name, items in (("an item", make_items(1)), ("25 items", make_items(25))):
            figures[f"{name}, never kept"] = await measure(process, items, nothing, keeps=False)
            figures[f"{name}, cold"] = await measure(process, items, forget)
            await show(process, items)
            figures[f"{name}, warm in Redis"] = await measure(process, items, forget_here)
            figures[f"{name}, warm"] = await measure(process, items, nothing)
            trees = await show(process, items)
            started = time.thread_time()
            for _ in range(ROUNDS):
                for tree in trees:
                    render_tree(tree)
            figures[f"{name}, as HTML"] = {"CPU ms": round((time.thread_time() - started) * 1e3 / ROUNDS, 2)}
    return figures


def main():
    figures = asyncio.run(measure_fragments(os.environ["REDIS_URL"]))
    print("three view plugins, items of 2 KB")
    for name, numbers in figures.items():
        print(f"  {name:24} {json.dumps(numbers)[1:-1].replace(chr(34), '')}")


if __name__ == "__main__":
    main()
