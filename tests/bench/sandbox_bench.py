"""Measures plugins: loading them, calls in both data modes, instances in a burst, host functions that wait.

`python -m tests.bench.sandbox_bench`. Times are in microseconds unless a name says otherwise.
"""

import asyncio
import json
import statistics
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from kernel.sandbox.artefact import hash_artefact
from kernel.sandbox.build import build_plugin
from kernel.sandbox.host import HostFunction
from kernel.sandbox.instance import Limits
from kernel.sandbox.sandbox import Sandbox

ROOT: Final = Path(__file__).resolve().parents[2]
VAR: Final = ROOT / "var" / "test" / "wasm"
NATIVE: Final = ROOT / "var" / "test" / "native"
LIMITS: Final = Limits(memory_mb=64, cpu_ms=1_000.0, timeout_s=30.0)
CALLS: Final = 500
ROUNDS: Final = 5
PARALLEL: Final = 100
BATCH: Final = 25
LOADED: Final = 10
VIEW: Final = "tap_item_view"
ITEM: Final = {
    "id": "0190a000-0000-7000-8000-000000000001",
    "type": "blog",
    "title": "A post of two thousand characters",
    "author_id": "0190a000-0000-7000-8000-00000000000a",
    "status": 1,
    "promote": 0,
    "sticky": 0,
    "created": "2026-03-01T10:00:00+00:00",
    "changed": "2026-03-02T10:00:00+00:00",
    "fields": {
        "field_body": {"value": "Some words. " * 125, "format": "filtered_html"},
        "field_summary": {"value": "A summary. " * 12},
        "field_byline": {"value": "by somebody"},
    },
}
CTX: Final = {"stage": "live", "language": "en"}
WAIT: Final = json.dumps({"ctx": CTX, "request": {"path": "/", "args": {}, "function": "wait"}}).encode()


def make_payload(*items):
    return json.dumps({"ctx": CTX, "items": items}).encode()


FULL: Final = make_payload(ITEM)
HANDLE: Final = make_payload({"handle": 1})


class State:
    """What host functions are given: the item behind the handle, and what the plugin set."""

    def __init__(self):
        self.fields = {name: field["value"] for name, field in ITEM["fields"].items()}


def get_text(state, handle, name):
    return state.fields.get(name) if handle == 1 else None


def set_integer(state, handle, name, value):
    state.fields[name] = value
    return handle == 1


async def wait_10_ms(_state, _name, _default):
    await asyncio.sleep(0.01)
    return "waited"


def log_message(_state, _level, _message):
    """The benchmark has no log to write to."""


FUNCTIONS: Final = (
    HostFunction("item-api", "get-field-string", get_text),
    HostFunction("item-api", "set-field-int", set_integer),
    HostFunction("variables", "get", wait_10_ms),
    HostFunction("logging", "log", log_message),
)


async def build_bench():
    folder = ROOT / "tests" / "wasm" / "bench"
    return await asyncio.to_thread(build_plugin, folder, "bench", VAR / "bench.wasm", cache_dir=NATIVE)


@asynccontextmanager
async def open_plugin(ready_instances=0):
    """The fixture plugin `bench` of tests/wasm, loaded from the cache of native code."""
    built = await build_bench()
    sandbox = await Sandbox.open(FUNCTIONS, cache_dir=NATIVE, ready_instances=ready_instances)
    try:
        component = await sandbox.load("bench", built.wasm, LIMITS)
        await component.fill()
        yield component
    finally:
        await sandbox.close()


def percentiles(seconds):
    """p50, p95 and p99 in microseconds."""
    ordered = sorted(seconds)
    return {
        f"p{share}": round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)] * 1e6, 1)
        for share in (50, 95, 99)
    }


async def time_calls(instance, payload, calls):
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        await instance.invoke(VIEW, payload)
        times.append(time.perf_counter() - started)
    return times


async def measure_data_modes():
    """Story 1.3: a warm instance, 500 calls in each mode, rounds in turns; each reads 3 fields and writes 1."""
    async with open_plugin() as component:
        instance = await component.take(State())
        times = {"full": [], "handle": []}
        for payload in (FULL, HANDLE):
            await time_calls(instance, payload, 100)
        for _ in range(ROUNDS):
            times["full"] += await time_calls(instance, FULL, CALLS // ROUNDS)
            times["handle"] += await time_calls(instance, HANDLE, CALLS // ROUNDS)
        instance.close()
    full, handle = percentiles(times["full"]), percentiles(times["handle"])
    return {
        "calls": CALLS,
        "payload_bytes": len(FULL),
        "full": full,
        "full_total_ms": round(sum(times["full"]) * 1e3, 1),
        "handle": handle,
        "handle_total_ms": round(sum(times["handle"]) * 1e3, 1),
        "handle_speedup": round(full["p50"] / handle["p50"], 2),
    }


async def measure_batch():
    """25 items in one call, against 25 calls with one."""
    async with open_plugin() as component:
        instance = await component.take(State())
        batch = make_payload(*[ITEM] * BATCH)
        await time_calls(instance, batch, 20)
        together = await time_calls(instance, batch, 100)
        await time_calls(instance, FULL, 100)
        single = await time_calls(instance, FULL, CALLS)
        instance.close()
    return {
        "together": percentiles(together),
        "one_by_one": round(statistics.median(single) * 1e6 * BATCH, 1),
    }


async def measure_ready():
    """Taking a ready instance and calling it once: what a request waits for, as in story 3.8."""
    times, making = [], []
    async with open_plugin(ready_instances=1) as component:
        for _ in range(200):
            started = time.perf_counter()
            await component.fill()
            prepared = time.perf_counter()
            instance = await component.take(State())
            await instance.invoke(VIEW, FULL)
            done = time.perf_counter()
            instance.close()
            times.append(done - prepared)
            making.append(prepared - started)
    return {"take_and_call": percentiles(times), "made_in_the_background": percentiles(making[1:])}


async def measure_burst():
    """Story 1.4: 100 tasks at once; each makes an instance, calls it, and drops it. Nothing is ready before.

    In the burst, an instantiation also waits for its turn; alone, one is made at a time.
    """
    making, queued, whole = [], [], []

    async def serve(component):
        started = time.perf_counter()
        instance = await component.take(State())
        ready = time.perf_counter()
        await instance.invoke(VIEW, FULL)
        instance.close()
        whole.append(time.perf_counter() - started)
        queued.append(ready - started)

    async with open_plugin() as component:
        for _ in range(PARALLEL):
            started = time.perf_counter()
            instance = await component.take(State())
            making.append(time.perf_counter() - started)
            instance.close()
        for _ in range(ROUNDS):
            await asyncio.gather(*(serve(component) for _ in range(PARALLEL)))
    return {
        "parallel": PARALLEL,
        "instantiation_alone": percentiles(making),
        "instantiation_in_burst": percentiles(queued),
        "request_in_burst": percentiles(whole),
    }


async def measure_waiting():
    """Story 1.5: 100 plugins at once, each waiting 10 ms for a host function."""
    async with open_plugin() as component:
        instances = [await component.take(State()) for _ in range(PARALLEL)]
        walls = []
        cpu_s = time.process_time()
        for _ in range(ROUNDS):
            started = time.perf_counter()
            await asyncio.gather(*(instance.invoke("tap_page", WAIT) for instance in instances))
            walls.append(time.perf_counter() - started)
        cpu_s = time.process_time() - cpu_s
        for instance in instances:
            instance.close()
    return {
        "parallel": PARALLEL,
        "first_wall_ms": round(walls[0] * 1e3, 1),
        "wall_ms": round(statistics.median(walls) * 1e3, 1),
        "cpu_ms_per_call": round(cpu_s * 1e3 / ROUNDS / PARALLEL, 3),
    }


async def measure_loading():
    """Ten plugins that this machine has compiled, as a process loads them when it starts: at once, and in a row."""
    await build_bench()
    paths = sorted([*VAR.glob("*.wasm"), *ROOT.glob("plugins/*/*.wasm")])[:LOADED]
    hashes = [hash_artefact(path.stem, path) for path in paths]

    async def load(sandbox, number):
        place = number % len(paths)

        async def find_wasm():
            return paths[place]

        await sandbox.load_known(f"plugin_{number}", hashes[place], find_wasm, LIMITS)

    walls = {"together": [], "one_by_one": []}
    # The first round compiles what is new.
    for turn in range(ROUNDS + 1):
        for way, times in walls.items():
            sandbox = await Sandbox.open(FUNCTIONS, cache_dir=NATIVE, ready_instances=0)
            started = time.perf_counter()
            if way == "together":
                await asyncio.gather(*(load(sandbox, number) for number in range(LOADED)))
            else:
                for number in range(LOADED):
                    await load(sandbox, number)
            if turn:
                times.append(time.perf_counter() - started)
            await sandbox.close()
    return {
        "plugins": LOADED,
        "artefacts": len(paths),
        "together_ms": round(statistics.median(walls["together"]) * 1e3, 1),
        "one_by_one_ms": round(statistics.median(walls["one_by_one"]) * 1e3, 1),
    }


async def measure_sandbox():
    return {
        "ten plugins, warm cache": await measure_loading(),
        "data modes, warm instance": await measure_data_modes(),
        "25 items": await measure_batch(),
        "ready instance": await measure_ready(),
        "burst of fresh instances": await measure_burst(),
        "waiting for the host": await measure_waiting(),
    }


def main():
    for title, numbers in asyncio.run(measure_sandbox()).items():
        print(title)
        for name, value in numbers.items():
            shown = (
                "  ".join(f"{key} {part}" for key, part in value.items())
                if isinstance(value, dict)
                else value
            )
            print(f"  {name:24} {shown}")


if __name__ == "__main__":
    main()
