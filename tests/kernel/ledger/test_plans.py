"""What the ledger asks in its daily life does not depend on how many jobs are over: each statement, as it is
sent, reads a handful of pages beside tens of thousands of finished jobs."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import asyncpg
import orjson
import pytest

from kernel import clock
from kernel.ids import first_uuid7, uuid7
from kernel.jobs import JOB_KINDS
from kernel.ledger.cancel import cancel_job, retry_job
from kernel.ledger.ledger import Ledger
from kernel.ledger.limit_store import claim_limited, count_unfinished
from kernel.ledger.lists import JobFilter, count_open_jobs, list_jobs
from kernel.ledger.model import JobStatus
from kernel.ledger.prune import prune_jobs
from kernel.ledger.run import JobRun
from kernel.ledger.sweep import sweep
from kernel.ledger.wait import wait_for_job
from tests.fixtures.ledger import EDITOR, claim, open_ledger, set_job, submit

FINISHED = 30_000
# Pages of 8 kB. A statement that read the finished jobs would touch more than a thousand.
PAGES_MAX = 120


class Recorder:
    """A database that remembers the statements it was sent, each with its values."""

    def __init__(self, db):
        self._db = db
        self.sent = {}

    def _note(self, record):
        if not record.query.strip().upper().startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            self.sent.setdefault(record.query, record.args)

    @asynccontextmanager
    async def acquire(self):
        async with self._db.acquire() as conn:
            with conn.query_logger(self._note):
                yield conn

    @asynccontextmanager
    async def transaction(self):
        async with self._db.transaction() as tx:
            with tx.conn.query_logger(self._note):
                yield tx


async def fill(conn):
    """A month of finished jobs, oldest first, as a ledger grows; and vacuumed, as a server does by itself."""
    now = clock.now()
    step = timedelta(days=30) / FINISHED
    moments = [now - timedelta(days=30) + step * number for number in range(FINISHED)]
    await conn.execute(
        """
        INSERT INTO job (id, kind, actor_id, created, run_at, started, finished, status, attempts)
        SELECT id, 'save_item', $3, moment, moment, moment, moment, 'done', 1
        FROM unnest($1::uuid[], $2::timestamptz[]) AS past (id, moment)
        """,
        [first_uuid7(moment) for moment in moments],
        moments,
        EDITOR.actor.id,
    )
    await conn.execute("VACUUM ANALYZE job")


@pytest.fixture
async def old_ledger(fresh_config):
    """A worker's ledger with a long past."""
    conn = await asyncpg.connect(fresh_config.database_url)
    await fill(conn)
    await conn.close()
    async with open_ledger(fresh_config, "worker") as opened:
        yield opened


async def measure(ledger, query, values):
    """Pages that the statement touches, and its plan; what it changes is taken back."""
    async with ledger.db.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        try:
            explained = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", *values)
        finally:
            await transaction.rollback()
    plan = orjson.loads(explained)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], explained


async def live_a_day(ledger: Ledger) -> None:
    """Submit, wait, claim, report, step, pause, finish, fail, cancel, retry, sweep, list and count."""
    run = JobRun(ledger, await claim(ledger, await submit(ledger, dedupe_key="a")), None)
    await submit(ledger, dedupe_key="a")
    await run.report(1, 2, "half")
    async with run.step() as step:
        step.drop_tags("item:1")
    await run.keep_lease()
    await run.pause()
    run = JobRun(ledger, await claim(ledger, run.job.id), None)
    async with run.finish() as finish:
        finish.drop_tags("item:1")
    await wait_for_job(ledger, run.job.id, 1)
    failed = await submit(ledger)
    await set_job(ledger, failed, "status = 'failed'")
    await retry_job(ledger, failed)
    await set_job(ledger, failed, "status = 'dead', run_at = now() - interval '1 h', finished = now()")
    for state in ("status = 'queued'", "status = 'running', attempts = 1"):
        await set_job(ledger, await submit(ledger), f"{state}, lease_until = now() - interval '1 h'")
    await set_job(ledger, run.job.id, "drop_tags = '{a}', finished = now() - interval '1 h'")
    await cancel_job(ledger, await submit(ledger))
    await sweep(ledger)
    limits = dict.fromkeys(JOB_KINDS, 2)
    job_id = await submit(ledger)
    async with ledger.db.transaction() as tx:
        await claim_limited(tx.conn, job_id, limits, 30.0)
        await count_unfinished(tx.conn, "index_item", "", 10)
        await count_open_jobs(tx.conn)
        for wanted in (
            JobFilter(),
            JobFilter(actor_id=EDITOR.actor.id, is_started_by_hand=True),
            JobFilter(statuses={JobStatus.FAILED, JobStatus.DEAD}),
            JobFilter(statuses={JobStatus.QUEUED, JobStatus.RUNNING}, kind="save_item"),
            JobFilter(since=clock.now() - timedelta(minutes=5)),
        ):
            await list_jobs(tx.conn, wanted, 25)
        await prune_jobs(tx.conn, [JobStatus.DONE], clock.now() - timedelta(days=40), 100)


async def test_no_statement_reads_the_jobs_that_are_over(old_ledger):
    recorder = Recorder(old_ledger.db)
    await live_a_day(replace(old_ledger, db=recorder))
    assert len(recorder.sent) > 25
    for query, values in recorder.sent.items():
        pages, plan = await measure(old_ledger, query, values)
        assert pages <= PAGES_MAX, f"{pages} pages for {query}\n{plan}"


async def test_old_jobs_are_found_without_looking_at_young_ones(old_ledger):
    recorder = Recorder(old_ledger.db)
    async with recorder.acquire() as recorded:
        assert await prune_jobs(recorded, [JobStatus.DONE], clock.now() - timedelta(days=29), 100) == 100
    ((query, values),) = recorder.sent.items()
    pages, plan = await measure(old_ledger, query, values)
    # Each of the hundred is deleted from its page and from each of its indexes.
    assert pages < 2_500, plan
    assert "job_pkey" in plan


async def test_a_statement_without_an_index_is_caught(old_ledger):
    pages, _ = await measure(old_ledger, "SELECT id FROM job WHERE request_id = $1", ["x"])
    assert pages > PAGES_MAX


def test_a_moment_orders_ids():
    before, now, after = (clock.now() + timedelta(seconds=s) for s in (-1, 0, 1))
    assert first_uuid7(before) < first_uuid7(now) < uuid7() < first_uuid7(after)
