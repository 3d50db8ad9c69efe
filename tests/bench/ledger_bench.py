"""Measures the ledger: pick-up, the way through the queue, throughput, and an idle worker's CPU.

`python -m tests.bench.ledger_bench`, with DATABASE_URL (a superuser's) and REDIS_URL set. It makes a database of its
own and drops it; commits are durable. The worker is a process of its own, as on a site.
"""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from uuid import uuid4

import asyncpg
import orjson
import psutil
import uvloop

from kernel.app.open import open_kernel
from kernel.config import Config
from kernel.db.migrate import migrate
from kernel.ids import uuid7
from kernel.jobs import INDEX_ITEM, SAVE_ITEM, IndexItem, SaveItem
from kernel.ledger.ledger import JOB_FINISHED
from kernel.ledger.payload import encode_payload
from kernel.ledger.store import NewJob, insert_job
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import submit_and_wait, wait_for_job
from kernel.log import configure_logging
from tests.adversity.worker_process import read_config
from tests.fixtures.database import with_database
from tests.fixtures.ledger import EDITOR
from workers.worker import run_worker

ROOT = Path(__file__).resolve().parents[2]


def build_save():
    fields = {"field_body": {"value": "x" * 2000, "format": "filtered_html"}}
    return SaveItem(uuid7(), "page", "A title", fields)


def summarise(values_ms):
    """Median and tail in ms."""
    parts = statistics.quantiles(values_ms, n=100)
    return {"p50_ms": round(parts[49], 2), "p95_ms": round(parts[94], 2), "p99_ms": round(parts[98], 2)}


async def measure_pick_up(ledger, count=300):
    """Insert committed → claim returned. Both processes read the machine's one monotonic clock."""
    waits_ms, inserts_ms = [], []
    finished = asyncio.Event()
    unsubscribe = ledger.bus.subscribe(JOB_FINISHED, lambda _: finished.set())
    for _ in range(count):
        new = NewJob(uuid7(), SAVE_ITEM, encode_payload(build_save()))
        finished.clear()
        begun = monotonic()
        async with ledger.db.acquire() as conn:
            await insert_job(conn, new, EDITOR, None)
        committed = monotonic()
        await ledger.queue.put(new.id, 1, SAVE_ITEM)
        await finished.wait()
        job = await wait_for_job(ledger, new.id, 10)
        waits_ms.append((job.result["claimed"] - committed) * 1000)
        inserts_ms.append((committed - begun) * 1000)
    unsubscribe()
    # The claim is a durable commit too; what the insert took says what that costs on this machine.
    return {**summarise(waits_ms), "insert_p50_ms": round(statistics.median(inserts_ms), 2)}


async def measure_round_trip(ledger, count=300):
    """Submit → the finished job in the waiter's hand: three durable commits and the queue."""
    waits_ms = []
    for _ in range(count):
        started = monotonic()
        job = await submit_and_wait(ledger, EDITOR, SAVE_ITEM, build_save(), timeout_s=10)
        waits_ms.append((monotonic() - started) * 1000)
        assert job.is_finished
    return summarise(waits_ms)


async def measure_throughput(ledger, count=1000):
    """Jobs per second of one worker, from the first submit to the last end, submitted by eight at once."""
    started = monotonic()
    waiting = list(range(count))

    async def submit_some():
        job_id = None
        while waiting:
            waiting.pop()
            job_id = await submit_job(ledger, EDITOR, INDEX_ITEM, IndexItem([uuid7()]))
        return job_id

    await asyncio.gather(*(submit_some() for _ in range(8)))
    submitted = monotonic()
    while True:
        async with ledger.db.acquire() as conn:
            if not await conn.fetchval("SELECT count(*) FROM job WHERE status <> 'done'"):
                break
        await asyncio.sleep(0.02)
    return {
        "submitted_per_s": round(count / (submitted - started)),
        "done_per_s": round(count / (monotonic() - started)),
    }


async def measure_idle(worker_pid, for_s=20.0):
    """The share of one core that a worker takes while there is nothing to do, in percent."""
    process = psutil.Process(worker_pid)
    before = process.cpu_times()
    await asyncio.sleep(for_s)
    after = process.cpu_times()
    used_s = after.user + after.system - before.user - before.system
    return {"cpu_percent": round(used_s / for_s * 100, 2)}


async def note_claim(_rt, run):
    claimed = monotonic()
    async with run.finish() as finish:
        finish.result = {"claimed": claimed}


async def serve(config):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_kernel(config, role="worker", with_plugins=False) as rt:
        print("ready", flush=True)
        await run_worker(rt, {SAVE_ITEM: note_claim, INDEX_ITEM: note_claim}, stop)


@asynccontextmanager
async def open_site(server_url, redis_url):
    """A fresh database and a prefix of its own, both gone afterwards."""
    name = f"trovato_bench_{uuid4().hex[:8]}"
    server = await asyncpg.connect(server_url)
    await server.execute(f"CREATE DATABASE {name}")
    config = Config(
        database_url=with_database(server_url, name),
        redis_url=redis_url,
        redis_prefix=name,
        templates_dir=ROOT / "templates",
    )
    try:
        await migrate(config)
        yield config
    finally:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await server.close()


@asynccontextmanager
async def start_worker(config):
    arguments = ["-m", "tests.bench.ledger_bench", orjson.dumps(asdict(config), default=str).decode()]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        await process.stdout.readline()
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


async def measure_all(server_url, redis_url):
    """Every measurement by name, each a dict of numbers."""
    async with open_site(server_url, redis_url) as config, start_worker(config) as worker_pid:
        async with open_kernel(config, role="web", with_plugins=False) as rt:
            await measure_round_trip(rt.ledger, 50)
            return {
                "pick-up": await measure_pick_up(rt.ledger),
                "round trip": await measure_round_trip(rt.ledger),
                "idle worker": await measure_idle(worker_pid),
                "throughput": await measure_throughput(rt.ledger),
            }


async def main():
    results = await measure_all(os.environ["DATABASE_URL"], os.environ["REDIS_URL"])
    for name, numbers in results.items():
        print(f"{name:12}", "  ".join(f"{key} {value}" for key, value in numbers.items()))


if __name__ == "__main__":
    configure_logging("WARNING", "console")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(read_config(sys.argv[1])) if len(sys.argv) > 1 else main())
