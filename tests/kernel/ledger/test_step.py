"""Long work: each step is committed with its checkpoint, and nobody repeats it."""

import asyncio
from dataclasses import replace

import pytest

from kernel.errors import LeaseLost, Unavailable
from kernel.ids import uuid7
from kernel.jobs import INDEX_ITEM, IndexItem
from kernel.ledger.attempt import Attempts
from kernel.ledger.cancel import cancel_job, retry_job
from kernel.ledger.ledger import JOB_PROGRESS
from kernel.ledger.model import JobStatus
from kernel.ledger.run import JobRun
from kernel.ledger.sweep import sweep
from tests.fixtures.ledger import Heard, add_effect, claim, count_effects, get_job, set_job, start_run, submit


async def take_step(run, name, number):
    async with run.step() as step:
        await add_effect(step.conn, name)
        step.cursor, step.done, step.total, step.note = {"next": number}, number, 3, f"part {number}"


async def work_in_three(run):
    for number in range((run.cursor or {"next": 0})["next"] + 1, 4):
        await take_step(run, f"part {number}", number)
    async with run.finish() as finish:
        finish.result = {"outcome": "done"}


async def count_parts(ledger):
    return [await count_effects(ledger, f"part {number}") for number in (1, 2, 3)]


async def test_a_step_commits_effect_checkpoint_progress_and_follow_ups_together(deaf_ledger):
    run = await start_run(deaf_ledger)
    async with run.step() as step:
        await add_effect(step.conn, "a")
        step.cursor, step.done, step.total, step.note = {"line": 7}, 7, 9, "seven"
        step.follow_up(INDEX_ITEM, IndexItem([uuid7()]))
    job = await get_job(deaf_ledger, run.job.id)
    assert (job.status, job.cursor, job.progress_done, job.progress_total, job.progress_note) == (
        JobStatus.RUNNING,
        {"line": 7},
        7,
        9,
        "seven",
    )
    assert job.lease_until > run.job.lease_until
    assert run.cursor == {"line": 7}
    async with deaf_ledger.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job WHERE parent_id = $1", job.id) == 1


async def test_nothing_is_kept_of_a_step_that_fails(deaf_ledger):
    run = await start_run(deaf_ledger)

    async def fail():
        async with run.step() as step:
            await add_effect(step.conn, "a")
            step.cursor = "moved"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert (await get_job(deaf_ledger, run.job.id)).cursor is None
    assert run.cursor is None
    assert await count_effects(deaf_ledger, "a") == 0
    await take_step(run, "a", 1)
    assert await count_effects(deaf_ledger, "a") == 1


@pytest.mark.parametrize("loss", ["taken over", "cancelled"])
async def test_the_fence_refuses_the_step_of_an_attempt_that_is_over(deaf_ledger, loss):
    run = await start_run(deaf_ledger)
    await take_step(run, "a", 1)
    if loss == "cancelled":
        await cancel_job(deaf_ledger, run.job.id)
    else:
        await set_job(deaf_ledger, run.job.id, "status = 'queued'")
        assert await claim(deaf_ledger, run.job.id) is not None
    with pytest.raises(LeaseLost):
        await take_step(run, "a", 2)
    assert await count_effects(deaf_ledger, "a") == 1
    assert (await get_job(deaf_ledger, run.job.id)).cursor == {"next": 1}


async def test_the_next_attempt_begins_at_the_checkpoint(deaf_ledger):
    """The worker dies between the second and the third step: no part is done twice, none is left out."""
    run = await start_run(deaf_ledger)
    for number in (1, 2):
        await take_step(run, f"part {number}", number)
    await set_job(deaf_ledger, run.job.id, "lease_until = now() - interval '1 ms'")
    await sweep(deaf_ledger)
    await Attempts(deaf_ledger, {"index_item": (INDEX_ITEM, work_in_three)}).make(run.job.id)
    assert (await get_job(deaf_ledger, run.job.id)).status is JobStatus.DONE
    assert await count_parts(deaf_ledger) == [1, 1, 1]
    with pytest.raises(LeaseLost):
        await take_step(run, "part 3", 3)


async def test_a_job_that_gets_further_is_not_given_up(deaf_ledger):
    """Each attempt makes one step and fails: more attempts than the kind allows in a row, and none too many."""
    kind = replace(INDEX_ITEM, max_attempts=2)

    async def one_step(run):
        number = (run.cursor or {"next": 0})["next"] + 1
        if number == 4:
            async with run.finish() as finish:
                finish.result = {"outcome": "done"}
            return
        await take_step(run, f"part {number}", number)
        raise Unavailable("The network is away.")

    job_id = await submit(deaf_ledger)
    attempts = Attempts(deaf_ledger, {"index_item": (kind, one_step)})
    for number in (1, 2, 3):
        await attempts.make(job_id)
        job = await get_job(deaf_ledger, job_id)
        assert (job.status, job.failures, job.attempts) == (JobStatus.QUEUED, 1, number)
        await set_job(deaf_ledger, job_id, "run_at = now()")
    await attempts.make(job_id)
    assert (await get_job(deaf_ledger, job_id)).status is JobStatus.DONE
    assert await count_parts(deaf_ledger) == [1, 1, 1]


async def test_a_job_that_gets_no_further_is_given_up_and_may_be_retried_with_all_its_tries(deaf_ledger):
    kind = replace(INDEX_ITEM, max_attempts=2)

    async def fail_after_the_first_step(run):
        if run.cursor is None:
            await take_step(run, "part 1", 1)
        raise Unavailable("The network is away.")

    job_id = await submit(deaf_ledger)
    attempts = Attempts(deaf_ledger, {"index_item": (kind, fail_after_the_first_step)})
    for status in (JobStatus.QUEUED, JobStatus.DEAD):
        await attempts.make(job_id)
        assert (await get_job(deaf_ledger, job_id)).status is status
        await set_job(deaf_ledger, job_id, "run_at = now()")
    assert await retry_job(deaf_ledger, job_id)
    job = await get_job(deaf_ledger, job_id)
    assert (job.status, job.failures, job.cursor) == (JobStatus.QUEUED, 0, {"next": 1})


async def test_a_pause_gives_the_job_back_and_is_no_failure(ledger, redis_client, redis_prefix):
    async def one_part_at_a_time(run):
        number = (run.cursor or {"next": 0})["next"] + 1
        await take_step(run, f"part {number}", number)
        if number < 3:
            await run.pause()
            return
        async with run.finish() as finish:
            finish.result = {"outcome": "done"}

    job_id = await submit(ledger)
    attempts = Attempts(ledger, {"index_item": (INDEX_ITEM, one_part_at_a_time)})
    for number in (1, 2):
        await attempts.make(job_id)
        job = await get_job(ledger, job_id)
        assert (job.status, job.failures, job.deliveries, job.error) == (
            JobStatus.QUEUED,
            0,
            number + 1,
            None,
        )
        waiting = redis_client.zrange(f"{redis_prefix}:queue:background", 0, -1)
        assert f"{job_id}:{number + 1}".encode() in waiting
    await attempts.make(job_id)
    assert (await get_job(ledger, job_id)).status is JobStatus.DONE
    assert await count_parts(ledger) == [1, 1, 1]


async def test_who_has_paused_may_write_nothing_more(deaf_ledger):
    run = await start_run(deaf_ledger)
    await run.pause()
    for late in (run.pause(), run.report(1, 2, ""), take_step(run, "a", 1)):
        with pytest.raises(RuntimeError, match="paused"):
            await late
    await run.keep_lease()
    assert (await get_job(deaf_ledger, run.job.id)).status is JobStatus.QUEUED


async def test_a_pause_of_an_attempt_that_is_over_is_refused(deaf_ledger):
    run = await start_run(deaf_ledger)
    await set_job(deaf_ledger, run.job.id, "attempts = 2")
    with pytest.raises(LeaseLost):
        await run.pause()
    assert (await get_job(deaf_ledger, run.job.id)).status is JobStatus.RUNNING


async def test_progress_is_told_as_it_happens(ledger):
    heard, told = Heard(), asyncio.Event()
    heard.listen(ledger.bus, JOB_PROGRESS)
    run = await start_run(ledger)
    ledger.bus.subscribe(JOB_PROGRESS, lambda message: told.set() if message["done"] == 2 else None)
    await run.report(1, 3, "begun")
    await take_step(run, "a", 2)
    await told.wait()
    job_id = str(run.job.id)
    assert heard.messages == [
        (JOB_PROGRESS, {"id": job_id, "done": 1, "total": 3, "note": "begun"}),
        (JOB_PROGRESS, {"id": job_id, "done": 2, "total": 3, "note": "part 2"}),
    ]


async def test_a_step_drops_its_tags_and_keeps_earlier_progress(ledger):
    cache = ledger.cache
    run = await start_run(ledger)
    await cache.put("k", b"old", ["item:1"], 60, cache.generation())
    async with run.step() as step:
        step.drop_tags("item:1")
    assert await cache.get("k") is None
    await ledger.dropped.flush()
    async with ledger.db.acquire() as conn:
        assert await conn.fetchval("SELECT drop_tags FROM job WHERE id = $1", run.job.id) is None


async def test_tags_of_a_step_whose_worker_died_are_dropped_by_the_sweeper(ledger):
    """The step is committed, its worker gone: the job still runs as far as the row knows."""
    cache = ledger.cache
    run = await start_run(ledger)
    await take_step(run, "a", 1)
    await cache.put("k", b"old", ["item:1"], 60, cache.generation())
    lease_s = ledger.config.lease_s
    for seconds_ago, dropped in ((0.5, 0), (1.5, 1)):
        await set_job(
            ledger,
            run.job.id,
            f"drop_tags = '{{item:1}}', lease_until = now() + interval '{lease_s - seconds_ago} s'",
        )
        assert (await sweep(ledger)).dropped == dropped
        assert (await cache.get("k") is None) is bool(dropped)


async def test_tags_that_could_not_be_dropped_stay_beside_later_ones(deaf_ledger):
    run = await start_run(deaf_ledger)
    await set_job(deaf_ledger, run.job.id, "drop_tags = '{item:1}'")
    async with run.step() as step:
        step.drop_tags("item:2")
    async with run.finish() as finish:
        finish.drop_tags("item:3")
    job = await get_job(deaf_ledger, run.job.id)
    assert job.drop_tags == ["item:1", "item:2", "item:3"]


async def test_a_run_knows_the_checkpoint_it_begins_with(deaf_ledger):
    job_id = await submit(deaf_ledger)
    await set_job(deaf_ledger, job_id, "cursor = '[1, 2]'")
    job = await claim(deaf_ledger, job_id)
    assert JobRun(deaf_ledger, job, IndexItem([uuid7()])).cursor == [1, 2]
