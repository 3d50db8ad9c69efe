"""A whole site under load: pages against bare servers, and saves through the queue."""

import asyncio
import os
import socket
import statistics
import sys
import time
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx
import psutil

from kernel.app.open import open_kernel
from kernel.app.prepare import build_administrator_context, prepare_site
from kernel.app.processes import PROJECT_ROOT, Processes, open_listener
from kernel.config import Config
from kernel.form.token import build_form_token, build_id
from kernel.shared.session import Sessions
from kernel.user.account import create_api_token
from tests.bench.load import read_cpu_s, run_load, wait_for_port

FORM = {
    "field_summary": "One sentence.",
    "field_body": f"<p>{'Words that stand for an article of a usual length. ' * 40}</p>",
    "field_body__format": "filtered_html",
    "field_published_on": "2026-03-01",
    "field_reading_minutes": "4",
    "status": "1",
}
ROUNDS = 3
SECONDS = 3.0
TEXT = "Words that stand for an article of a usual length, neither short nor long. "


def find_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find_pid(module):
    """Of the child that runs `python -m module`."""
    children = psutil.Process().children(recursive=True)
    return next(child.pid for child in children if child.cmdline()[1:3] == ["-m", module])


@asynccontextmanager
async def running_site(database_url, redis_url, **settings):
    """A prepared site in a database of its own, with one web process and one worker. `settings` are those of Config."""
    name = f"trovato_bench_{uuid4().hex[:8]}"
    server = await asyncpg.connect(database_url)
    await server.execute(f"CREATE DATABASE {name}")
    config = Config(
        database_url=database_url.rpartition("/")[0] + f"/{name}",
        redis_url=redis_url,
        redis_prefix=name,
        port=find_port(),
        # Native code is kept between runs.
        var=PROJECT_ROOT / "var" / "test",
        templates_dir=PROJECT_ROOT / "templates",
        **{"plugins_dir": PROJECT_ROOT / "plugins", "log_level": "WARNING"} | settings,
    )
    await prepare_site(config, lambda _: None)
    environment = {**os.environ, "PORT": str(config.port), "REDIS_PREFIX": name, "TROVATO_HOST": config.host}
    processes = Processes(config, environment)
    listener = open_listener(config)
    processes.add_web(listener, 1)
    processes.add_workers(1)
    await processes.start()
    try:
        await wait_for_port(config.port)
        yield config
    finally:
        listener.close()
        await processes.stop()
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await server.close()


@asynccontextmanager
async def running_floor(kind, **environment):
    port = find_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.floor",
        kind,
        str(port),
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
    )
    try:
        await wait_for_port(port, "/")
        yield port, process.pid
    finally:
        process.terminate()
        await process.wait()


async def make_article(config):
    """An item of 8 fields and about 4 KB, viewed by the blog plugin; and an administrator's token."""
    async with open_kernel(config, role="worker", with_plugins=False) as rt:
        ctx = await build_administrator_context(rt)
        token = await create_api_token(rt.db, user_id=ctx.actor.id, label="bench", expires=None)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{config.port}", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        answer = await client.post("/item/add/blog", json=build_document("An article"))
        answer.raise_for_status()
        return answer.json()["path"], token


def build_document(title):
    body = "".join(f"<p>{TEXT * 3}</p>" for _ in range(15))
    return {
        "title": title,
        "fields": {
            "field_summary": TEXT[:120],
            "field_body": {"value": body, "format": "filtered_html"},
            "field_published_on": "2026-03-01",
            "field_reading_minutes": 4,
            "field_featured": True,
        },
    }


async def measure_pages(config, path):
    """Medians of interleaved rounds, each a tuple (requests/s, CPU ms a request, p50 ms)."""
    pid = find_pid("web")
    async with httpx.AsyncClient() as client:
        page = await client.get(
            f"http://127.0.0.1:{config.port}{path}", headers={"Host": f"localhost:{config.port}"}
        )
    size = len(page.content)
    found = {}
    async with (
        running_floor("constant", FLOOR_BYTES=str(size)) as (constant_port, constant_pid),
        running_floor("quart", DATABASE_URL=config.database_url) as (quart_port, quart_pid),
    ):
        # A query that no other request has makes a page that nobody has asked for yet.
        kinds = {
            "page, cached": (config.port, path, "", pid),
            "constant of the same size": (constant_port, path, "", constant_pid),
            "page, not cached": (config.port, path, "Cookie: trovato=none\r\n", pid),
            "bare Quart, SELECT and Jinja": (quart_port, path, "", quart_pid),
        }
        for _ in range(ROUNDS):
            for name, (port, target, headers, server) in kinds.items():
                load = await run_load(port, target, seconds=SECONDS, headers=headers, pid=server)
                assert load.failures == 0, name
                found.setdefault(name, []).append((load.per_second, load.cpu_ms, load.percentile_ms(0.5)))
        idle = await run_load(
            config.port, path, seconds=SECONDS, connections=1, headers="Cookie: trovato=none\r\n", pid=pid
        )
    medians = {
        name: tuple(statistics.median(column) for column in zip(*rows, strict=True))
        for name, rows in found.items()
    }
    return {
        "bytes": size,
        "medians": medians,
        "cached/constant": medians["page, cached"][0] / medians["constant of the same size"][0],
        "uncached/bare": medians["page, not cached"][0] / medians["bare Quart, SELECT and Jinja"][0],
        "uncached idle p50 ms": idle.percentile_ms(0.5),
    }


async def measure_saves(config, token, *, count=200, editors=1):
    """Seconds from sending the request to reading the answer that says saved, over kept connections."""
    durations = []

    async def edit(client, number):
        for step in range(count // editors):
            started = time.perf_counter()
            answer = await client.post("/item/add/blog", json=build_document(f"Save {number} {step}"))
            durations.append(time.perf_counter() - started)
            assert answer.status_code == 201, answer.text

    started = time.perf_counter()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{config.port}",
        headers={"Authorization": f"Bearer {token}", "Host": f"localhost:{config.port}"},
        timeout=30,
    ) as client:
        await asyncio.gather(*(edit(client, number) for number in range(editors)))
    return {**summarise(durations), "per second": len(durations) / (time.perf_counter() - started)}


async def measure_form_saves(config, *, count=100):
    """Seconds from an editor's press of the button to the redirect that follows it."""
    async with open_kernel(config, role="worker", with_plugins=False) as rt:
        ctx = await build_administrator_context(rt)
        session = await Sessions(rt.shared, 600).create(user_id=ctx.actor.id)
    durations = []
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{config.port}", headers={"Cookie": f"trovato={session.id}"}, timeout=30
    ) as browser:
        token = build_form_token(session, "item_form")
        for number in range(count):
            sent = {**FORM, "title": f"By form {number}", "form_token": token, "form_build_id": build_id()}
            started = time.perf_counter()
            answer = await browser.post("/item/add/blog", data=sent)
            durations.append(time.perf_counter() - started)
            assert answer.status_code == 303, answer.text
            assert answer.headers["Location"].startswith("/item/")
    return summarise(durations)


def summarise(durations):
    ordered = sorted(durations)
    return {"p50 ms": 1000 * ordered[len(ordered) // 2], "p95 ms": 1000 * ordered[int(len(ordered) * 0.95)]}


async def measure_idle(seconds=10.0):
    """The share of one core that each process uses while nothing happens."""
    shares = {}
    pids = {name: find_pid(name) for name in ("web", "workers")}
    before = {name: read_cpu_s(pid) for name, pid in pids.items()}
    await asyncio.sleep(seconds)
    for name, pid in pids.items():
        shares[name] = (read_cpu_s(pid) - before[name]) / seconds
    return shares


async def measure(database_url, redis_url):
    async with running_site(database_url, redis_url) as config:
        path, token = await make_article(config)
        await measure_saves(config, token, count=20)
        return {
            "idle": await measure_idle(),
            "form": await measure_form_saves(config),
            "save": await measure_saves(config, token),
            "save, 8 editors": await measure_saves(config, token, count=400, editors=8),
            "pages": await measure_pages(config, path),
        }


def report(found):
    pages = found["pages"]
    print(f"save by form          p50 {found['form']['p50 ms']:.1f} ms  p95 {found['form']['p95 ms']:.1f} ms")
    print(f"save, one editor      p50 {found['save']['p50 ms']:.1f} ms  p95 {found['save']['p95 ms']:.1f} ms")
    many = found["save, 8 editors"]
    print(
        f"save, 8 editors       p50 {many['p50 ms']:.1f} ms  p95 {many['p95 ms']:.1f} ms  {many['per second']:.0f}/s"
    )
    for name, share in found["idle"].items():
        print(f"idle {name:16s} {100 * share:.2f} % of a core")
    for name, (rate, cpu_ms, p50_ms) in pages["medians"].items():
        print(f"{name:32s} {rate:7.0f}/s  {cpu_ms:.3f} ms CPU  p50 {p50_ms:.2f} ms")
    print(f"cached page / constant of {pages['bytes']} bytes: {pages['cached/constant']:.2f}")
    print(f"page not cached / bare Quart: {pages['uncached/bare']:.2f}")
    print(f"page not cached, one visitor: p50 {pages['uncached idle p50 ms']:.2f} ms")


if __name__ == "__main__":
    report(asyncio.run(measure(os.environ["DATABASE_URL"], os.environ["REDIS_URL"])))
