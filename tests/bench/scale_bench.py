"""Measures the ledger beside 100,000 and 1,000,000 finished jobs: one pass of the sweeper, a job's way, a page of the
list, and the removal of old ones; prints the plans of the two statements that could be afraid of the past.

`python -m tests.bench.scale_bench`, with DATABASE_URL (a superuser's) and REDIS_URL set.
"""

import asyncio
import os
import statistics
from dataclasses import replace
from datetime import timedelta
from time import monotonic

import asyncpg
import uvloop

from kernel import clock
from kernel.app.open import open_kernel
from kernel.cron.prune import BATCH
from kernel.ids import first_uuid7
from kernel.ledger.lists import JobFilter, count_open_jobs, list_jobs
from kernel.ledger.model import JobStatus
from kernel.ledger.prune import prune_jobs
from kernel.ledger.run import JobRun
from kernel.ledger.sweep import sweep
from kernel.log import configure_logging
from tests.bench.ledger_bench import open_site
from tests.fixtures.ledger import EDITOR, claim, submit
from tests.kernel.ledger.test_plans import Recorder, measure

CHUNK = 50_000
REPEAT = 100


async def add_finished(url, count, span):
    """Jobs of the last `span`, oldest first, with results as saves leave them."""
    conn = await asyncpg.connect(url)
    now, step = clock.now(), span / count
    for start in range(0, count, CHUNK):
        moments = [now - span + step * number for number in range(start, min(start + CHUNK, count))]
        await conn.execute(
            """
            INSERT INTO job (id, kind, actor_id, created, run_at, started, finished, status, attempts, dedupe_key,
                             result)
            SELECT id, 'save_item', $3, moment, moment, moment, moment, 'done', 1, 'form:' || id,
                jsonb_build_object('outcome', 'saved', 'item_id', id, 'path', '/item/' || id, 'title', 'A title')
            FROM unnest($1::uuid[], $2::timestamptz[]) AS past (id, moment)
            """,
            [first_uuid7(moment) for moment in moments],
            moments,
            EDITOR.actor.id,
        )
    await conn.execute("VACUUM ANALYZE job")
    await conn.close()


async def time_ms(work, repeat=REPEAT):
    """Median and 95th percentile."""
    took = []
    for _ in range(repeat):
        started = monotonic()
        await work()
        took.append((monotonic() - started) * 1000)
    parts = statistics.quantiles(took, n=20)
    return f"p50 {statistics.median(took):.2f} ms  p95 {parts[18]:.2f} ms"


async def live(ledger):
    """Submit, claim and finish, without the queue between."""
    run = JobRun(ledger, await claim(ledger, await submit(ledger)), None)
    async with run.finish() as finish:
        finish.result = {"outcome": "done"}


async def read_list(ledger, **wanted):
    async with ledger.db.acquire() as conn:
        await list_jobs(conn, JobFilter(**wanted), 50)
        await count_open_jobs(conn)


async def show(title, ledger):
    print(f"-- {title}")
    print("sweep, one pass      ", await time_ms(lambda: sweep(ledger)))
    print("submit, claim, finish", await time_ms(lambda: live(ledger)))
    print("list, all            ", await time_ms(lambda: read_list(ledger)))
    mine = {"actor_id": EDITOR.actor.id, "is_started_by_hand": True}
    print("list, mine           ", await time_ms(lambda: read_list(ledger, **mine)))
    print("list, failed or dead ", await time_ms(lambda: read_list(ledger, statuses={JobStatus.DEAD})))
    print("list, rare kind      ", await time_ms(lambda: read_list(ledger, kind="set_password"), 10))


async def show_plans(ledger):
    recorder = Recorder(ledger.db)
    async with recorder.acquire() as conn:
        await prune_jobs(conn, [JobStatus.DONE], clock.now() - timedelta(days=29), BATCH)
    ((query, values),) = recorder.sent.items()
    async with ledger.db.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        rows = await conn.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {query}", *values)
        await transaction.rollback()
    print(f"-- removing {BATCH:,} old ones\n" + "\n".join(row[0] for row in rows))
    recorder = Recorder(ledger.db)
    await sweep(replace(ledger, db=recorder))
    for query, values in recorder.sent.items():
        pages, plan = await measure(ledger, query, values)
        used = sorted({part.split('"')[1] for part in plan.split('"Index Name": ')[1:]})
        print(f"-- sweeper: {' '.join(query.split())[:70]}… touches {pages} pages, indexes {', '.join(used)}")


async def main():
    async with open_site(os.environ["DATABASE_URL"], os.environ["REDIS_URL"]) as config:
        async with open_kernel(config, role="worker", with_plugins=False) as rt:
            await live(rt.ledger)
            await show("a young ledger", rt.ledger)
            await add_finished(config.database_url, 100_000, timedelta(days=30))
            await show("100,000 finished jobs", rt.ledger)
            await add_finished(config.database_url, 900_000, timedelta(days=30))
            await show("1,000,000 finished jobs", rt.ledger)
            started, removed = monotonic(), 0
            async with rt.ledger.db.acquire() as conn:
                for _ in range(20):
                    before = clock.now() - timedelta(days=7)
                    removed += await prune_jobs(conn, [JobStatus.DONE], before, BATCH)
            print(f"-- removed {removed} old jobs, {removed / (monotonic() - started):.0f} a second")
            await show_plans(rt.ledger)


if __name__ == "__main__":
    configure_logging("WARNING", "console")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
