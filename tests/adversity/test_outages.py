"""Redis and PostgreSQL go away and come back; workers outlive it and no job is lost."""

from dataclasses import replace

import pytest

from kernel.ledger.model import JobStatus
from kernel.ledger.run import JobRun
from kernel.ledger.sweep import sweep
from kernel.ledger.wait import wait_for_job
from tests.fixtures.ledger import claim, count_effects, get_job, open_ledger, set_job, submit

pytestmark = pytest.mark.adversity
PATIENCE_S = 30.0


async def expect_done_once(ledger, job_id):
    assert (await wait_for_job(ledger, job_id, PATIENCE_S)).status is JobStatus.DONE
    assert await count_effects(ledger, str(job_id)) == 1


@pytest.mark.story("4.4")
async def test_a_queue_flushed_between_submit_and_claim_costs_no_job(web_ledger, start_worker, redis_client):
    job_id = await submit(web_ledger)
    redis_client.flushdb()
    await start_worker()
    await expect_done_once(web_ledger, job_id)


async def test_a_worker_outlives_a_restart_of_redis_that_loses_everything(
    web_ledger, start_worker, own_redis
):
    await start_worker(redis_url=own_redis.url)
    async with open_ledger(replace(web_ledger.config, redis_url=own_redis.url), "web") as ledger:
        await expect_done_once(ledger, await submit(ledger))
        own_redis.stop()
        lost = await submit(ledger)
        own_redis.start()
        await expect_done_once(ledger, lost)
        await expect_done_once(ledger, await submit(ledger))


async def test_a_worker_outlives_a_restart_of_postgresql(web_ledger, start_worker, door):
    await start_worker("work", database_url=door.url)
    await expect_done_once(web_ledger, await submit(web_ledger))
    await door.shut()
    while_away = await submit(web_ledger)
    # It was woken and tries to claim; long enough for several tries, and for a sweep to fail.
    assert (await wait_for_job(web_ledger, while_away, 0.5)).status is JobStatus.QUEUED
    await door.open()
    await expect_done_once(web_ledger, while_away)
    await expect_done_once(web_ledger, await submit(web_ledger))


async def test_postgresql_lost_in_mid_work_is_another_attempt(web_ledger, start_worker, door):
    worker = await start_worker("linger", database_url=door.url, lease_s=1.0)
    job_id = await submit(web_ledger)
    await worker.expect("started")
    await door.shut()
    await door.open()
    await expect_done_once(web_ledger, job_id)


async def test_tags_stay_in_the_row_while_redis_is_away(ledger, own_redis):
    async with open_ledger(replace(ledger.config, redis_url=own_redis.url), "worker") as remote:
        run = JobRun(remote, await claim(remote, await submit(remote)), {})
        own_redis.stop()
        async with run.finish() as finish:
            finish.drop_tags("item:1")
        job = await get_job(ledger, run.job.id)
        assert (job.status, job.drop_tags) == (JobStatus.DONE, ["item:1"])
        own_redis.start()
        await set_job(ledger, job.id, "finished = now() - interval '2 s'")
        assert (await sweep(remote)).dropped == 1
        assert (await get_job(ledger, run.job.id)).drop_tags is None
