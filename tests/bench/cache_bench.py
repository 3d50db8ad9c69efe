"""Measures the caches: a kept page against a constant answer, and what each tier costs.

`python -m tests.bench.cache_bench`, with REDIS_URL set. Both servers are Hypercorn on uvloop with one process, count
their requests, and send the same headers and number of bytes; rounds alternate, medians count. The load comes from
wrk where there is one, since a client in Python would be the bottleneck.
"""

import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config as HypercornConfig

from kernel.config import Config
from kernel.ids import uuid7
from kernel.log import configure_logging
from kernel.metrics import Metrics
from kernel.shared.bus import Bus
from kernel.shared.cache import Cache
from kernel.shared.connection import Shared
from kernel.shared.session import Sessions
from tests.bench.load import read_cpu_s, run_load, wait_for_port
from tests.bench.site_bench import find_port
from web.page_cache import MARK, PageCache

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5
SECONDS = 3
CONNECTIONS = 32
BODY = b"x" * 6_000
# As many as a page of ours has.
HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data: https:; object-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-length", str(len(BODY)).encode()),
]
COMMON = [(b"etag", b'"0"'), (b"cache-control", b"no-cache"), (b"vary", b"Cookie, Accept")]
TAGS = [f"item:{number}" for number in range(25)]


@asynccontextmanager
async def open_cache(url, prefix):
    async with AsyncExitStack() as stack:
        shared = await Shared.open(url, prefix)
        stack.push_async_callback(shared.close)
        bus = Bus(shared)
        await bus.start()
        stack.push_async_callback(bus.close)
        cache = Cache(shared, bus, Metrics(), max_entries=4000, max_ttl_s=3600, poll_s=0.5)
        await cache.start()
        stack.push_async_callback(cache.close)
        yield cache


def make_constant(metrics):
    async def constant(scope, _receive, send):
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        headers = [*HEADERS, *COMMON, (b"x-request-id", str(uuid7()).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})
        metrics.count_request("GET", "/page", 200, time.perf_counter() - started)

    return constant


async def make_page(scope, _receive, send):
    """The application behind the cache; asked once."""
    if scope["type"] != "http":
        return
    scope[MARK].offer(TAGS, 3600)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


async def serve_one(kind, port):
    server = HypercornConfig()
    server.bind = [f"127.0.0.1:{port}"]
    server.include_server_header = False
    server.accesslog = None
    server.loglevel = "WARNING"
    async with open_cache(os.environ["REDIS_URL"], os.environ["REDIS_PREFIX"]) as cache:
        app = make_constant(cache.metrics)
        if kind == "cached":
            app = PageCache(make_page, cache, Config(site_url=f"http://localhost:{port}"), "trovato")
        await serve(app, server)


@contextmanager
def running_server(kind, prefix):
    port = find_port()
    command = [sys.executable, "-m", "tests.bench.cache_bench", "serve", kind, str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "REDIS_PREFIX": prefix})
    try:
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


async def measure(pid, port):
    """Answers per second and CPU of the server per answer."""
    cpu_s, started = read_cpu_s(pid), time.perf_counter()
    wrk = shutil.which("wrk")
    if wrk is None:
        load = await run_load(port, "/page", seconds=SECONDS, connections=CONNECTIONS, pid=pid)
        return load.per_second, load.cpu_ms
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"http://localhost:{port}/page"]
    child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    output = (await child.communicate())[0].decode()
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(output)
    answers = int(re.search(r"(\d+) requests in", output)[1])
    wall_s = time.perf_counter() - started
    return answers / wall_s, 1000 * (read_cpu_s(pid) - cpu_s) / answers


async def compare_pages(prefix):
    """A kept page against the constant, in turns."""
    with running_server("constant", prefix) as constant, running_server("cached", prefix) as cached:
        await asyncio.gather(wait_for_port(constant[1]), wait_for_port(cached[1]))
        rounds = [(await measure(*constant), await measure(*cached)) for _ in range(ROUNDS)]
    ratios = [page[0] / floor[0] for floor, page in rounds]
    return {
        "constant, answers/s": statistics.median(floor[0] for floor, _ in rounds),
        "kept page, answers/s": statistics.median(page[0] for _, page in rounds),
        "ratio, median": statistics.median(ratios),
        "ratio, lowest": min(ratios),
        "ratio, highest": max(ratios),
        # Steadier than the rate while other programs run on the same machine.
        "ratio by CPU, median": statistics.median(floor[1] / page[1] for floor, page in rounds),
        "constant, CPU ms": statistics.median(floor[1] for floor, _ in rounds),
        "kept page, CPU ms": statistics.median(page[1] for _, page in rounds),
    }


async def time_each(count, step):
    """Median in µs of what `step` does."""
    durations = []
    for number in range(count):
        started = time.perf_counter()
        await step(number)
        durations.append(time.perf_counter() - started)
    return 1_000_000 * statistics.median(durations)


async def measure_tiers(url, prefix):
    async with open_cache(url, prefix) as cache, open_cache(url, prefix) as other:
        await cache.put("k", BODY, TAGS, 3600, cache.generation())
        cache.put_local("k", BODY, TAGS, 3600, cache.generation())
        sessions = Sessions(cache._shared, 3600)
        session = await sessions.create(user_id=uuid7())

        async def get_local(_number):
            cache.get_local("k")

        async def get(_number):
            await cache.get("k")

        async def fetch(_number):
            await cache.fetch("k")

        async def put(number):
            await cache.put(f"k{number}", BODY, TAGS, 3600, cache.generation())

        async def drop(_number):
            await cache.drop(["other"])

        async def drop_and_hear(_number):
            heard = asyncio.Event()
            leave = other._bus.subscribe("cache-drop", lambda _message: heard.set())
            await cache.drop(["other"])
            await heard.wait()
            leave()

        async def load(_number):
            await sessions.load(session.id)

        return {
            "local object, µs": await time_each(20_000, get_local),
            "bytes, local, µs": await time_each(20_000, get),
            "bytes, Redis, 25 tags, µs": await time_each(2_000, fetch),
            "put, both tiers, µs": await time_each(2_000, put),
            "drop, µs": await time_each(2_000, drop),
            "drop until heard elsewhere, µs": await time_each(2_000, drop_and_hear),
            "session load with generation, µs": await time_each(2_000, load),
        }


async def main():
    url, prefix = os.environ["REDIS_URL"], f"bench-{uuid4().hex[:8]}"
    results = {**await measure_tiers(url, prefix), **await compare_pages(prefix)}
    shared = await Shared.open(url, prefix)
    async for key in shared.client.scan_iter(match=shared.key("*")):
        await shared.client.delete(key)
    await shared.close()
    for name, value in results.items():
        print(f"{name:36}{value:12,.3f}")


if __name__ == "__main__":
    configure_logging("WARNING", "auto")
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve_one(sys.argv[2], int(sys.argv[3])))
    else:
        uvloop.run(main())
