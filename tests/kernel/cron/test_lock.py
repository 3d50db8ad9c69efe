"""One run of cron at a time: the lock is kept alive while it lasts, and given back at its end."""

import asyncio

import pytest

from kernel.config import Config
from kernel.cron.lock import LOCK
from kernel.cron.model import RunStatus
from kernel.ledger.model import JobStatus
from kernel.shared.lock import Locks
from tests.fixtures.cron import (
    count_all_effects,
    get_runs,
    leave_effect,
    make_attempts,
    make_task,
    run_now,
    submit_cron,
    told,
)
from tests.fixtures.ledger import get_job

PATIENCE_S = 5.0


@pytest.fixture
def key(redis_prefix):
    return f"{redis_prefix}:lock:{LOCK}"


class Slow:
    """A task that goes on until it is told to end."""

    def __init__(self):
        self.started = asyncio.Event()
        self.go = asyncio.Event()

    async def work(self, rt, turn):
        self.started.set()
        await self.go.wait()
        await leave_effect(rt, turn)


async def start(rt, slow):
    job_id = await submit_cron(rt)
    running = asyncio.create_task(make_attempts(rt, make_task(work=slow.work)).make(job_id))
    await slow.started.wait()
    return job_id, running


@pytest.mark.story("13.2")
async def test_who_does_not_get_the_lock_skips_and_says_so(rt):
    other = Locks(rt.shared)
    held = await other.acquire(LOCK, 60)
    job = await run_now(rt, make_task())
    assert (job.status, job.result["outcome"], job.result["tasks"]) == (JobStatus.DONE, "skipped", [])
    assert await get_runs(rt, "sweep") == []
    await other.release(held)
    assert told(await run_now(rt, make_task())) == [("sweep", "done")]


@pytest.mark.story("13.2")
async def test_the_lock_is_one_key_with_its_owner_and_a_time_to_live(rt, redis_client, key):
    slow = Slow()
    _, running = await start(rt, slow)
    assert len(redis_client.get(key)) == 32
    assert 0 < redis_client.pttl(key) <= 1_000
    slow.go.set()
    await running


@pytest.mark.story("13.3")
async def test_while_a_slow_task_runs_the_lock_outlives_its_time(rt, redis_client, key):
    slow = Slow()
    _, running = await start(rt, slow)
    owner = redis_client.get(key)
    lowest = 1_000
    async with asyncio.timeout(PATIENCE_S):
        # The time that is left grows when it is extended.
        for _ in range(3):
            while (left := redis_client.pttl(key)) <= lowest:
                lowest = left
                await asyncio.sleep(0.02)
            lowest = left
    assert redis_client.get(key) == owner
    slow.go.set()
    await running


@pytest.mark.story("13.3")
async def test_the_lock_is_given_back_at_the_end(rt, redis_client, key):
    await run_now(rt, make_task())
    assert redis_client.exists(key) == 0


async def test_the_lock_is_given_back_when_the_worker_is_told_to_stop(rt, redis_client, key):
    slow = Slow()
    job_id = await submit_cron(rt)
    attempts = make_attempts(rt, make_task(work=slow.work))
    running = asyncio.create_task(attempts.make(job_id))
    await slow.started.wait()
    await attempts.drain(0.0)
    await running
    assert redis_client.exists(key) == 0
    assert (await get_job(rt.ledger, job_id)).status is JobStatus.QUEUED
    await make_attempts(rt, make_task()).make(job_id)
    (run,) = await get_runs(rt, "sweep")
    assert (run.status, run.attempt) == (RunStatus.DONE, 2)


@pytest.mark.story("13.3")
def test_shipped_the_lock_lives_five_minutes_and_is_extended_each_minute():
    cron = Config().cron
    assert (cron.lock_ttl_s, cron.heartbeat_s) == (300.0, 60.0)


async def test_a_run_whose_lock_somebody_else_got_stops_and_leaves_the_slot_to_them(rt, redis_client, key):
    slow = Slow()
    job_id, running = await start(rt, slow)
    redis_client.delete(key)
    other = Locks(rt.shared)
    held = await other.acquire(LOCK, 60)
    await running
    job = await get_job(rt.ledger, job_id)
    assert (job.status, job.result["outcome"], job.result["tasks"]) == (JobStatus.DONE, "lock-lost", [])
    assert (await get_runs(rt, "sweep"))[0].status is RunStatus.RUNNING
    # It does not give back what is not its own.
    assert redis_client.get(key) == held.token.encode()
    await other.release(held)
    assert told(await run_now(rt, make_task())) == [("sweep", "done")]
    assert await count_all_effects(rt, "sweep") == (1, 1)


async def test_an_emptied_redis_does_not_stop_a_run(rt, redis_client, key):
    slow = Slow()
    job_id, running = await start(rt, slow)
    redis_client.delete(key)
    async with asyncio.timeout(PATIENCE_S):
        while not redis_client.exists(key):
            await asyncio.sleep(0.02)
    slow.go.set()
    await running
    assert told(await get_job(rt.ledger, job_id)) == [("sweep", "done")]
    assert redis_client.exists(key) == 0


async def test_two_owners_of_the_lock_end_a_slot_once(rt, redis_client, key):
    """Both believe that they may run: the first one stood still while its lock and its lease ran out."""
    slow = Slow()
    job_id, running = await start(rt, slow)
    async with rt.db.acquire() as conn:
        await conn.execute("UPDATE job SET status = 'queued' WHERE id = $1", job_id)
    redis_client.delete(key)
    await make_attempts(rt, make_task()).make(job_id)
    assert told(await get_job(rt.ledger, job_id)) == [("sweep", "done")]
    slow.go.set()
    await running
    (run,) = await get_runs(rt, "sweep")
    assert (run.status, run.attempt) == (RunStatus.DONE, 2)
    assert await count_all_effects(rt, "sweep") == (1, 1)
