"""Workers die and stall at the worst moments; every job has its effect once."""

import asyncio
import random
import signal
from uuid import UUID

import pytest

from kernel.ids import uuid7
from kernel.jobs import INDEX_ITEM, SAVE_ITEM, SaveItem
from kernel.ledger.model import JobStatus
from kernel.ledger.wait import wait_for_job
from tests.fixtures.ledger import count_effects, get_job, submit

pytestmark = pytest.mark.adversity
PATIENCE_S = 30.0


async def expect_done_once(ledger, job_id):
    job = await wait_for_job(ledger, job_id, PATIENCE_S)
    assert job.status is JobStatus.DONE
    assert await count_effects(ledger, str(job_id)) == 1
    return job


@pytest.mark.story("4.4")
async def test_killed_between_effect_and_commit_the_effect_happens_once(web_ledger, start_worker):
    first = await start_worker("stop-before-commit", lease_s=1.0)
    job_id = await submit(web_ledger)
    assert UUID(await first.expect("effect")) == job_id
    await first.kill()
    await start_worker("work", lease_s=1.0)
    job = await expect_done_once(web_ledger, job_id)
    assert job.attempts == 2


async def test_killed_between_commit_and_the_dropping_of_tags_the_page_is_not_stale(
    ledger, web_ledger, start_worker
):
    cache = web_ledger.cache
    await cache.put("page", b"old", ["item:1"], 60, cache.generation())
    first = await start_worker("stop-after-commit")
    job_id = await submit(web_ledger)
    await first.expect("committed")
    await first.kill()
    job = await get_job(web_ledger, job_id)
    assert (job.status, job.drop_tags) == (JobStatus.DONE, ["item:1"])
    assert await cache.get("page") == b"old"
    await start_worker("work")
    async with asyncio.timeout(PATIENCE_S):
        while await cache.get("page") is not None:
            await asyncio.sleep(0.02)
    async with asyncio.timeout(PATIENCE_S):
        while (await get_job(web_ledger, job_id)).drop_tags is not None:
            await asyncio.sleep(0.02)
    await expect_done_once(web_ledger, job_id)


async def test_a_worker_that_stood_still_cannot_finish_what_another_did(web_ledger, start_worker):
    stalled = await start_worker("linger", lease_s=1.0)
    job_id = await submit(web_ledger)
    await stalled.expect("started")
    stalled.send(signal.SIGSTOP)
    await start_worker("work", lease_s=1.0)
    await expect_done_once(web_ledger, job_id)
    stalled.send(signal.SIGCONT)
    stalled.send(signal.SIGTERM)
    assert await stalled.wait() == 0
    job = await expect_done_once(web_ledger, job_id)
    assert job.attempts == 2


async def test_a_worker_that_stood_still_in_its_transaction_does_not_stop_the_sweeper(
    web_ledger, start_worker
):
    stalled = await start_worker("stop-before-commit", lease_s=0.5)
    held_id = await submit(web_ledger)
    await stalled.expect("effect")
    stalled.send(signal.SIGSTOP)
    await start_worker("work", lease_s=0.5)
    await expect_done_once(web_ledger, await submit(web_ledger))
    await stalled.kill()
    await expect_done_once(web_ledger, held_id)


async def test_told_to_stop_a_worker_hands_back_what_it_cannot_end(web_ledger, start_worker):
    first = await start_worker("linger", lease_s=30.0)
    job_id = await submit(web_ledger)
    await first.expect("started")
    first.send(signal.SIGTERM)
    assert await first.wait() == 0
    job = await get_job(web_ledger, job_id)
    assert (job.status, job.attempts) == (JobStatus.QUEUED, 1)
    await start_worker("work", lease_s=30.0)
    job = await expect_done_once(web_ledger, job_id)
    assert job.attempts == 2


async def test_whatever_dies_and_whenever_every_job_is_done_once(
    web_ledger, start_worker, redis_client, redis_prefix
):
    """Two workers, one of them killed over and over, the queue flushed in between; 60 jobs."""
    chance = random.Random(4)
    workers = [await start_worker("work", lease_s=1.0) for _ in range(2)]
    job_ids = []
    for round_number in range(6):
        for number in range(10):
            if number % 2:
                job_ids.append(await submit(web_ledger))
            else:
                payload = SaveItem(uuid7(), "page", "A title", {})
                job_ids.append(await submit(web_ledger, SAVE_ITEM, payload))
        await asyncio.sleep(chance.random() * 0.03)
        victim = chance.randrange(2)
        await workers[victim].kill()
        if round_number % 2:
            redis_client.delete(
                *redis_client.keys("arq:*"), *redis_client.keys(f"{redis_prefix}:queue:*"), "x"
            )
        workers[victim] = await start_worker("work", lease_s=1.0)
    jobs = [await expect_done_once(web_ledger, job_id) for job_id in job_ids]
    assert len(jobs) == 60
    assert INDEX_ITEM.name in {job.kind for job in jobs}


@pytest.mark.story("4.4")
async def test_a_rolling_restart_under_load_loses_and_repeats_nothing(web_ledger, start_worker):
    """Two workers, each told to stop and replaced in turn while work keeps coming, some of it longer than the grace
    they are given."""
    workers = [await start_worker("linger"), await start_worker("work")]
    job_ids = []
    restarts_over = asyncio.Event()

    async def keep_submitting():
        while not restarts_over.is_set():
            job_ids.append(await submit(web_ledger))
            await asyncio.sleep(0.03)

    load = asyncio.create_task(keep_submitting())
    ends = []
    for turn in range(6):
        old, handler = workers[turn % 2], ("linger", "work")[turn % 2]
        workers[turn % 2] = await start_worker(handler)
        old.send(signal.SIGTERM)
        ends.append(await old.wait())
    restarts_over.set()
    await load
    assert ends == [0] * 6
    for job_id in job_ids:
        await expect_done_once(web_ledger, job_id)
    async with web_ledger.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job WHERE failures > 0") == 0
        assert await conn.fetchval("SELECT count(*) FROM job WHERE attempts > 1") > 0, (
            "no job was handed back"
        )
