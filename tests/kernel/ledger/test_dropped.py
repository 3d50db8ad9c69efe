"""Rows forget their cache tags together, a little after the tags were dropped."""

import asyncio

from kernel.ledger.dropped import DroppedTags
from tests.fixtures.ledger import get_job, set_job, submit


async def list_tags(ledger, jobs):
    return [(await get_job(ledger, job_id)).drop_tags for job_id in jobs]


async def submit_with_tags(ledger, count, tags="{a,b}"):
    jobs = [await submit(ledger) for _ in range(count)]
    for job_id in jobs:
        await set_job(ledger, job_id, f"drop_tags = '{tags}'")
    return jobs


async def count_updates(ledger):
    async with ledger.db.acquire() as conn:
        return await conn.fetchval("SELECT count(DISTINCT xmin::text) FROM job")


async def test_many_rows_forget_in_one_transaction(ledger):
    jobs = await submit_with_tags(ledger, 20)
    assert await count_updates(ledger) == 20
    for job_id in jobs:
        ledger.dropped.note(job_id, 2)
    async with asyncio.timeout(5):
        while await list_tags(ledger, jobs) != [None] * 20:
            await asyncio.sleep(0.01)
    assert await count_updates(ledger) == 1


async def test_steps_of_one_job_add_up(ledger):
    (job_id,) = await submit_with_tags(ledger, 1, "{a,b,c}")
    ledger.dropped.note(job_id, 1)
    ledger.dropped.note(job_id, 2)
    await ledger.dropped.flush()
    assert await list_tags(ledger, [job_id]) == [None]


async def test_a_row_that_holds_more_than_was_dropped_keeps_all(ledger):
    (job_id,) = await submit_with_tags(ledger, 1, "{a,b,c}")
    ledger.dropped.note(job_id, 2)
    await ledger.dropped.flush()
    assert await list_tags(ledger, [job_id]) == [["a", "b", "c"]]


async def test_closing_writes_what_was_noted(ledger):
    (job_id,) = await submit_with_tags(ledger, 1)
    dropped = DroppedTags(ledger.db)
    dropped.note(job_id, 2)
    await dropped.close()
    assert await list_tags(ledger, [job_id]) == [None]
