"""A whole worker: woken by a message, two lanes with slots of their own, nothing left in Redis."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from time import monotonic

import pytest

from kernel import clock
from kernel.ids import uuid7
from kernel.jobs import INDEX_ITEM, SAVE_ITEM, IndexItem, SaveItem
from kernel.ledger.model import JobStatus
from kernel.ledger.wait import submit_and_wait, wait_for_job
from tests.fixtures.ledger import EDITOR, add_effect, count_effects, get_job, set_job, submit


def save():
    return SaveItem(uuid7(), "page", "A title", {})


async def work(_rt, run):
    async with run.finish() as finish:
        await add_effect(finish.conn, str(run.job.id))
        finish.result = {"outcome": "done"}


@pytest.fixture
def patient(config):
    """A worker that would look by itself, and sweep, only when the test is long over."""
    return replace(config, poll_every_s=60.0, sweep_every_s=60.0)


async def test_a_message_wakes_it(web_ledger, start_worker, patient):
    await start_worker({INDEX_ITEM: work}, patient)
    started = monotonic()
    for _ in range(3):
        job = await submit_and_wait(web_ledger, EDITOR, INDEX_ITEM, IndexItem([uuid7()]), timeout_s=5)
        assert (job.status, job.result) == (JobStatus.DONE, {"outcome": "done"})
    assert monotonic() - started < 5


async def test_it_starts_with_what_is_waiting(web_ledger, start_worker, patient):
    job_id = await submit(web_ledger)
    await start_worker({INDEX_ITEM: work}, patient)
    assert (await wait_for_job(web_ledger, job_id, 5)).status is JobStatus.DONE


async def test_without_messages_it_looks_by_itself(web_ledger, start_worker, patient, redis_client):
    await start_worker({INDEX_ITEM: work}, replace(patient, poll_every_s=0.1))
    job_id = await submit(replace(web_ledger, queue=SilentQueue(web_ledger.queue)))
    assert (await wait_for_job(web_ledger, job_id, 5)).status is JobStatus.DONE


class SilentQueue:
    """Puts jobs on the queue and tells nobody, as when the message is lost."""

    def __init__(self, queue):
        self._queue = queue

    async def put(self, job_id, number, kind):
        redis = self._queue.redis
        await redis.enqueue_job(
            "run_job", str(job_id), _job_id=f"{job_id}:{number}", _queue_name=self._queue.name(kind.lane)
        )


async def test_follow_up_jobs_are_done_at_once(web_ledger, start_worker, patient):
    async def parent(_rt, run):
        async with run.finish() as finish:
            for _ in range(3):
                finish.follow_up(INDEX_ITEM, IndexItem([uuid7()]))

    await start_worker({SAVE_ITEM: parent, INDEX_ITEM: work}, patient)
    parent_id = await submit(web_ledger, SAVE_ITEM, save())
    await wait_for_job(web_ledger, parent_id, 5)
    async with web_ledger.db.acquire() as conn:
        children = await conn.fetch("SELECT id FROM job WHERE parent_id = $1", parent_id)
    assert len(children) == 3
    for row in children:
        assert (await wait_for_job(web_ledger, row["id"], 5)).status is JobStatus.DONE


async def test_more_jobs_than_slots_are_done_without_another_message(web_ledger, start_worker, patient):
    """A slot that becomes free looks for more."""
    job_ids = [await submit(web_ledger) for _ in range(9)]
    await start_worker({INDEX_ITEM: work}, replace(patient, background_slots=2))
    for job_id in job_ids:
        assert (await wait_for_job(web_ledger, job_id, 5)).status is JobStatus.DONE


@pytest.mark.story("4.4")
async def test_a_full_background_lane_does_not_delay_a_save(web_ledger, start_worker, patient):
    go = asyncio.Event()
    busy = asyncio.Semaphore(0)

    async def hold(rt, run):
        busy.release()
        await go.wait()
        await work(rt, run)

    await start_worker({INDEX_ITEM: hold, SAVE_ITEM: work}, patient)
    held = [await submit(web_ledger) for _ in range(patient.background_slots + 2)]
    for _ in range(patient.background_slots):
        await busy.acquire()
    job = await submit_and_wait(web_ledger, EDITOR, SAVE_ITEM, save(), timeout_s=5)
    assert job.status is JobStatus.DONE
    go.set()
    for job_id in held:
        assert (await wait_for_job(web_ledger, job_id, 5)).status is JobStatus.DONE


async def test_a_higher_priority_is_taken_before_what_came_earlier(web_ledger, start_worker, patient):
    low, high = replace(INDEX_ITEM, priority=-1), replace(INDEX_ITEM, priority=1)
    order = []

    async def note(rt, run):
        order.append(run.job.id)
        await work(rt, run)

    expected = []
    for kind, place in ((low, 2), (INDEX_ITEM, 1), (high, 0), (low, 2), (high, 0)):
        expected.append((place, len(expected), await submit(web_ledger, kind)))
    await start_worker({INDEX_ITEM: note}, replace(patient, background_slots=1))
    for _, _, job_id in expected:
        assert (await wait_for_job(web_ledger, job_id, 5)).status is JobStatus.DONE
    assert order == [job_id for _, _, job_id in sorted(expected)]


async def test_a_job_with_a_time_of_its_own_waits_for_it(web_ledger, start_worker, config):
    await start_worker({INDEX_ITEM: work}, replace(config, sweep_every_s=0.1))
    at = clock.now() + timedelta(seconds=1)
    job_id = await submit(web_ledger, run_at=at)
    now = await submit(web_ledger)
    assert (await wait_for_job(web_ledger, now, 5)).status is JobStatus.DONE
    assert (await get_job(web_ledger, job_id)).status is JobStatus.QUEUED
    job = await wait_for_job(web_ledger, job_id, 8)
    assert job.status is JobStatus.DONE
    assert job.started >= at
    assert await count_effects(web_ledger, str(job_id)) == 1


async def test_a_job_that_pauses_lets_others_have_the_slot(web_ledger, start_worker, patient):
    order = []

    async def in_parts(rt, run):
        part = (run.cursor or 0) + 1
        async with run.step() as step:
            step.cursor = part
        order.append(f"part {part}")
        if part < 3:
            await run.pause()
        else:
            await work(rt, run)

    async def short(rt, run):
        order.append("save")
        await work(rt, run)

    background_save = replace(SAVE_ITEM, lane="background")
    long_id = await submit(web_ledger)
    short_id = await submit(web_ledger, background_save, save())
    await start_worker({INDEX_ITEM: in_parts, SAVE_ITEM: short}, replace(patient, background_slots=1))
    for job_id in (long_id, short_id):
        assert (await wait_for_job(web_ledger, job_id, 5)).status is JobStatus.DONE
    assert order == ["part 1", "save", "part 2", "part 3"]


async def test_a_slow_worker_is_waited_for_no_longer_than_asked(web_ledger, start_worker, patient):
    halfway, go = asyncio.Event(), asyncio.Event()

    async def slow(rt, run):
        await run.report(1, 2, "half of it")
        halfway.set()
        await go.wait()
        await work(rt, run)

    await start_worker({SAVE_ITEM: slow}, patient)
    job_id = await submit(web_ledger, SAVE_ITEM, save())
    await halfway.wait()
    job = await wait_for_job(web_ledger, job_id, 0.2)
    assert (job.status, job.progress_note) == (JobStatus.RUNNING, "half of it")
    go.set()
    assert (await wait_for_job(web_ledger, job_id, 5)).status is JobStatus.DONE


async def test_two_workers_share_the_work_and_do_it_once(web_ledger, start_worker, patient):
    for _ in range(2):
        await start_worker({INDEX_ITEM: work}, patient)
    job_ids = [await submit(web_ledger) for _ in range(12)]
    for job_id in job_ids:
        job = await wait_for_job(web_ledger, job_id, 5)
        assert (job.status, job.attempts) == (JobStatus.DONE, 1)
        assert await count_effects(web_ledger, str(job_id)) == 1


async def test_a_kind_that_this_release_does_not_know_waits_for_one_that_does(
    ledger, web_ledger, start_worker, patient
):
    config = replace(patient, sweep_every_s=0.1)
    stop_old = await start_worker({INDEX_ITEM: work}, config)
    unknown = await submit(web_ledger, SAVE_ITEM, save())
    await submit_and_wait(web_ledger, EDITOR, INDEX_ITEM, IndexItem([uuid7()]), timeout_s=5)
    job = await get_job(ledger, unknown)
    assert (job.status, job.attempts) == (JobStatus.QUEUED, 0)
    stop_old.set()
    await start_worker({SAVE_ITEM: work}, config)
    assert (await wait_for_job(web_ledger, unknown, 5)).status is JobStatus.DONE


async def test_a_job_that_failed_comes_back_when_its_time_has_come(ledger, web_ledger, start_worker, config):
    tries = []

    async def stumble(rt, run):
        tries.append(run.job.attempts)
        if len(tries) == 1:
            raise ZeroDivisionError
        await work(rt, run)

    await start_worker({INDEX_ITEM: stumble}, config)
    job_id = await submit(web_ledger)
    assert (await wait_for_job(web_ledger, job_id, 8)).status is JobStatus.DONE
    assert tries == [1, 2]


async def test_nothing_stays_in_redis(web_ledger, start_worker, patient, redis_client, redis_prefix):
    stop = await start_worker({INDEX_ITEM: work}, patient)
    for _ in range(3):
        await submit_and_wait(web_ledger, EDITOR, INDEX_ITEM, IndexItem([uuid7()]), timeout_s=5)
    async with asyncio.timeout(5):
        while redis_client.keys("arq:*"):
            await asyncio.sleep(0.01)
    assert redis_client.zcard(f"{redis_prefix}:queue:background") == 0
    stop.set()


async def test_what_a_dead_worker_left_in_the_queue_is_refused_by_the_row(
    web_ledger, start_worker, patient, redis_client, redis_prefix
):
    """A second delivery of a job that is done: taken from the queue, and no second effect."""
    await start_worker({INDEX_ITEM: work}, patient)
    job_id = await submit(web_ledger)
    await wait_for_job(web_ledger, job_id, 5)
    for number in (1, 2, 3):
        await web_ledger.queue.put(job_id, number, INDEX_ITEM)
    async with asyncio.timeout(5):
        while redis_client.zcard(f"{redis_prefix}:queue:background"):
            await asyncio.sleep(0.01)
    assert await count_effects(web_ledger, str(job_id)) == 1
    assert (await get_job(web_ledger, job_id)).attempts == 1


async def test_a_mark_of_a_killed_worker_does_not_hold_up_the_next_delivery(
    ledger, web_ledger, start_worker, config, redis_client
):
    """With the bare id as arq's id the job would wait until the mark expires."""
    job_id = await submit(web_ledger)
    redis_client.set(f"arq:in-progress:{job_id}:1", b"1", px=60_000)
    await set_job(ledger, job_id, "run_at = now() - interval '1 s'")
    await start_worker({INDEX_ITEM: work}, config)
    job = await wait_for_job(web_ledger, job_id, 5)
    assert (job.status, job.deliveries) == (JobStatus.DONE, 2)


async def test_marks_of_many_killed_workers_do_not_stop_a_lane(
    web_ledger, start_worker, patient, redis_client, redis_prefix
):
    """Each kill leaves its deliveries at the head of the queue, marked as in progress until the marks expire."""
    for number in range(250):
        left = f"{uuid7()}:1"
        redis_client.zadd(f"{redis_prefix}:queue:background", {left: number})
        redis_client.set(f"arq:in-progress:{left}", b"1", px=60_000)
    await start_worker({INDEX_ITEM: work}, patient)
    job = await submit_and_wait(web_ledger, EDITOR, INDEX_ITEM, IndexItem([uuid7()]), timeout_s=5)
    assert job.status is JobStatus.DONE
