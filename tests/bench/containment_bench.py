"""Measures what plugins cannot do to others: hold the event loop up, keep memory, slow other people's pages.

`python -m tests.bench.containment_bench`. Wants DATABASE_URL (a superuser's) and REDIS_URL. Loopback only: visitors ask
for a page at a fixed rate for a fixed time, beside somebody who asks for pages that a hostile plugin spoils.
"""

import asyncio
import gc
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Final

import httpx
import psutil

from kernel.app.open import open_kernel
from kernel.app.prepare import build_administrator_context
from kernel.app.processes import PROJECT_ROOT
from kernel.errors import PluginError
from kernel.jobs import CHANGE_PLUGIN, ChangePlugin
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.sandbox.build import build_plugin
from kernel.sandbox.instance import Limits
from kernel.sandbox.sandbox import Sandbox
from tests.bench.sandbox_bench import (
    FULL,
    FUNCTIONS,
    NATIVE,
    ROOT,
    VAR,
    VIEW,
    WAIT,
    State,
    make_payload,
    open_plugin,
    percentiles,
)
from tests.bench.site_bench import build_document, make_article, running_site

# What a plugin gets by default.
HOSTILE_LIMITS: Final = Limits(memory_mb=64, cpu_ms=100.0, timeout_s=5.0)
READY: Final = 50
TURN_S: Final = 0.001
SPIN_S: Final = 10.0
CALLS, TRAPS, CANCELLATIONS = 20_000, 5_000, 3_000
VISITS_PER_S: Final = 20
VISIT_S: Final = 15.0
ROUNDS: Final = 8
FAILING_S: Final = 2.0
ATTACKERS: Final = 2
ATTACK_EVERY_S: Final = 0.1
WAYS: Final = ("trap", "loop", "memory bomb", "error", "recursion", "huge answer", "deep", "scripts")
MANIFEST: Final = """name = "hostile"
version = "1.0.0"
api_version = "0.1"
description = "Fails in the way that an item's title names."

[taps]
implements = ["tap_item_view"]
"""


def build_hostile():
    wasm = VAR / "hostile.wasm"
    return build_plugin(ROOT / "tests" / "wasm" / "hostile", "hostile", wasm, cache_dir=NATIVE).wasm


@asynccontextmanager
async def open_hostile():
    wasm = await asyncio.to_thread(build_hostile)
    sandbox = await Sandbox.open(FUNCTIONS, cache_dir=NATIVE, ready_instances=2)
    try:
        yield sandbox, await sandbox.load("hostile", wasm, HOSTILE_LIMITS)
    finally:
        await sandbox.close()


def make_bad_item(way):
    return make_payload({"id": "1", "type": "blog", "title": way, "fields": {}})


async def measure_stall():
    """How late the event loop is while a plugin spins to the end of its budget, again and again."""

    async def watch(stop):
        late = []
        while not stop.is_set():
            asked = time.perf_counter()
            await asyncio.sleep(TURN_S)
            late.append(time.perf_counter() - asked - TURN_S)
        return late

    async def spin(component, until):
        turns = 0
        while time.perf_counter() < until:
            instance = await component.take(State())
            with suppress(PluginError):
                await instance.invoke(VIEW, make_bad_item("loop"))
            instance.close()
            turns += 1
        return turns

    figures = {}
    async with open_hostile() as (_, component):
        for plugins in (0, 1, 8):
            stop = asyncio.Event()
            watching = asyncio.create_task(watch(stop))
            until = time.perf_counter() + SPIN_S
            turns = await asyncio.gather(*(spin(component, until) for _ in range(plugins)))
            if not plugins:
                await asyncio.sleep(SPIN_S / 2)
            stop.set()
            late = await watching
            figures[f"{plugins} spinning"] = {
                **{name: f"{value / 1e3:.2f} ms" for name, value in percentiles(late).items()},
                "max": f"{max(late) * 1e3:.2f} ms",
                "calls": sum(turns),
            }
    return figures


def read_private_mb():
    """Memory that is this process's alone, the libraries it shares with others left out."""
    return psutil.Process().memory_full_info().uss / 2**20


async def measure_memory():
    """Instances that wait to be taken, warmed up; and the same after their first real call."""
    async with open_plugin() as component:
        gc.collect()
        before = read_private_mb()
        instances = [await component.take(State()) for _ in range(READY)]
        for instance in instances:
            await component._pool.prepare(instance)
        ready = read_private_mb()
        for instance in instances:
            await instance.invoke(VIEW, FULL)
        used = read_private_mb()
        for instance in instances:
            instance.close()
        return {
            "a ready one, KB": round((ready - before) * 1024 / READY),
            "after a call, KB": round((used - before) * 1024 / READY),
            "closed, all of them, KB": round((read_private_mb() - before) * 1024),
        }


async def measure_endurance():
    """Memory, threads, files and instances after a tenth of the work, and after all of it."""
    kinds = {"calls": (CALLS, call), "traps": (TRAPS, trap), "cancellations": (CANCELLATIONS, cancel)}
    figures = {}
    async with open_plugin() as component, open_hostile() as (_, hostile):
        await hostile.fill()
        for name, (number, do) in kinds.items():
            started = time.perf_counter()
            seen = []
            for turn in range(number):
                if turn in {number // 10, number // 2}:
                    seen.append(read_held())
                await do(component, hostile)
            await hostile.fill()
            seen.append(read_held())
            figures[f"{number:,} {name}"] = {
                "MB": " ".join(f"{mb:.1f}" for mb, *_ in seen),
                "threads": f"{seen[0][1]} {seen[-1][1]}",
                "files": f"{seen[0][2]} {seen[-1][2]}",
                "s": round(time.perf_counter() - started, 1),
            }
    return figures


def read_held():
    gc.collect()
    process = psutil.Process()
    return read_private_mb(), process.num_threads(), process.num_fds()


async def call(component, _hostile):
    """In an instance of its own, as each request has one."""
    instance = await component.take(State())
    await instance.invoke(VIEW, FULL)
    instance.close()


async def trap(_component, hostile):
    instance = await hostile.take(State())
    with suppress(PluginError):
        await instance.invoke(VIEW, make_bad_item("trap"))
    instance.close()


async def cancel(component, _hostile):
    instance = await component.take(State())
    task = asyncio.create_task(instance.invoke("tap_page", WAIT))
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    instance.close()


async def measure_others(database_url, redis_url):
    """How long visitors of good pages wait, without the plugin, beside its failures, and once it is stopped."""
    with tempfile.TemporaryDirectory(prefix="trovato-bench-") as place:
        plugins = Path(place)
        for folder in (PROJECT_ROOT / "plugins").iterdir():
            if folder.is_dir():
                (plugins / folder.name).symlink_to(folder)
        (plugins / "hostile").mkdir()
        (plugins / "hostile" / "hostile.info.toml").write_text(MANIFEST, encoding="utf-8")
        shutil.copy(await asyncio.to_thread(build_hostile), plugins / "hostile")
        async with running_site(database_url, redis_url, plugins_dir=plugins, log_level="ERROR") as config:
            path, token = await make_article(config)
            bad = await make_bad_articles(config, token)
            await visit(config, path, seconds=2.0)
            figures = {"without the plugin": summarise(await visit(config, path))}
            await run_command(config, "plugin", "install", "hostile", "--yes")
            figures["installed, never asked to fail"] = summarise(await visit(config, path))
            beside = []
            for _ in range(ROUNDS):
                async with attacked(config, bad):
                    # The site stops the plugin after twenty failures, which are soon made.
                    beside += await visit(config, path, seconds=FAILING_S)
                await retry_plugin(config)
            figures["beside its failures"] = summarise(beside)
            async with attacked(config, bad):
                await asyncio.sleep(3 * FAILING_S)
                figures["once it has been stopped, still asked for"] = summarise(await visit(config, path))
    return figures


async def run_command(config, *arguments):
    environment = {
        **os.environ,
        "DATABASE_URL": config.database_url,
        "REDIS_PREFIX": config.redis_prefix,
        "TROVATO_PLUGINS": str(config.plugins_dir),
        "TROVATO_VAR": str(config.var),
        "PORT": str(config.port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kernel", *arguments, env=environment, cwd=PROJECT_ROOT
    )
    if await process.wait():
        raise RuntimeError(f"trovato {' '.join(arguments)} failed")


async def retry_plugin(config):
    """What the button on its page does."""
    async with open_kernel(config, role="worker", with_plugins=False) as rt:
        ctx = await build_administrator_context(rt)
        job_id = await submit_job(rt.ledger, ctx, CHANGE_PLUGIN, ChangePlugin("retry", "hostile"))
        await wait_for_job(rt.ledger, job_id, 10)


def open_browser(config, **headers):
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{config.port}",
        headers={"Host": f"localhost:{config.port}", **headers},
        timeout=30,
    )


async def make_bad_articles(config, token):
    async with open_browser(config, Authorization=f"Bearer {token}") as client:
        made = [await client.post("/item/add/blog", json=build_document(way)) for way in WAYS]
        return [answer.raise_for_status().json()["path"] for answer in made]


async def visit(config, path, *, seconds=VISIT_S):
    """Visitors who come at a fixed rate, whether or not the last one was answered; each page is made anew."""
    waits = []

    async def come(client, number):
        started = time.perf_counter()
        answer = await client.get(f"{path}?visit={time.time_ns()}-{number}")
        waits.append(time.perf_counter() - started)
        assert answer.status_code == 200, answer.status_code

    async with open_browser(config) as client, asyncio.TaskGroup() as tasks:
        for number in range(int(seconds * VISITS_PER_S)):
            tasks.create_task(come(client, number))
            await asyncio.sleep(1 / VISITS_PER_S)
    return waits


@asynccontextmanager
async def attacked(config, paths):
    stop = asyncio.Event()
    attack = [asyncio.create_task(ask_for(config, paths, stop)) for _ in range(ATTACKERS)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*attack)


async def ask_for(config, paths, stop):
    """One page after another, a moment apart, as a person could who knows what spoils them."""
    async with open_browser(config) as client:
        for path in cycle(paths):
            answer = await client.get(f"{path}?attack={time.time_ns()}")
            assert answer.status_code == 200, answer.status_code
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), ATTACK_EVERY_S)
            if stop.is_set():
                return


def summarise(waits):
    return {name: f"{value / 1e3:.1f} ms" for name, value in percentiles(waits).items()}


async def measure_containment(database_url, redis_url):
    return {
        "event loop late by": await measure_stall(),
        "memory of an instance": {"private": await measure_memory()},
        "growth (MB after a tenth, half, all)": await measure_endurance(),
        f"others' pages, {VISITS_PER_S}/s": await measure_others(database_url, redis_url),
    }


def main():
    figures = asyncio.run(measure_containment(os.environ["DATABASE_URL"], os.environ["REDIS_URL"]))
    for title, rows in figures.items():
        print(title)
        for name, numbers in rows.items():
            print(f"  {name:32} {json.dumps(numbers)[1:-1].replace(chr(34), '')}")


if __name__ == "__main__":
    main()
