"""Workers die in the middle of an import, of which others do the rest: every line comes in once."""

import asyncio

import orjson
import pytest

from kernel.app.open import open_kernel
from kernel.app.prepare import build_administrator_context
from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.lines import build_chunks
from kernel.batch.start import start_batch
from kernel.ledger.model import JobStatus
from kernel.ledger.wait import wait_for_job
from tests.fixtures.ledger import get_job

pytestmark = pytest.mark.adversity

LINES = 6_000
# Of these, one in so many is refused.
BAD = 100
KILLS = 4
PATIENCE_S = 40.0


def build_lines():
    for number in range(1, LINES + 1):
        if number % BAD:
            yield orjson.dumps({"type": "note", "title": f"Line {number}", "fields": {}}).decode()
        else:
            yield f"line {number} is no JSON"


async def wait_for_progress(ledger, job_id, done):
    """The job as soon as it has got so far."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            job = await get_job(ledger, job_id)
            if job.is_finished or job.progress_done >= done:
                return job
            await asyncio.sleep(0.002)


@pytest.mark.story("13.7")
async def test_workers_killed_in_the_middle_of_an_import_every_line_is_done_once(
    config, renderer, start_worker
):
    async with open_kernel(config, role="worker", with_plugins=False, renderer=renderer) as rt:
        async with rt.db.acquire() as conn:
            await conn.execute("INSERT INTO item_type (type, label) VALUES ('note', 'Note')")
        ctx = await build_administrator_context(rt)
        job_id = await start_batch(
            rt, ctx, IMPORT_ITEMS, ImportItems(LINES), chunks=build_chunks(build_lines())
        )
        reached = []
        for kill in range(1, KILLS + 1):
            worker = await start_worker("batch", lease_s=1.0)
            job = await wait_for_progress(rt.ledger, job_id, kill * LINES // (KILLS + 2))
            await worker.kill()
            reached.append(job.progress_done)
        assert reached == sorted(set(reached))
        assert not job.is_finished, "it was over before the last worker was killed"
        await start_worker("batch", lease_s=1.0)
        job = await wait_for_job(rt.ledger, job_id, PATIENCE_S)
        assert (job.status, job.attempts) == (JobStatus.DONE, KILLS + 1)
        assert (job.result["done"], job.result["refused"]) == (LINES - LINES // BAD, LINES // BAD)
        async with rt.db.acquire() as conn:
            titles = [row["title"] for row in await conn.fetch("SELECT title FROM item ORDER BY id")]
            revisions = await conn.fetchval("SELECT count(*) FROM item_revision")
            refused = await conn.fetch("SELECT number, content FROM job_problem ORDER BY number")
        assert titles == [f"Line {number}" for number in range(1, LINES + 1) if number % BAD]
        assert revisions == len(titles)
        assert [tuple(row) for row in refused] == [
            (number, f"line {number} is no JSON") for number in range(BAD, LINES + 1, BAD)
        ]
