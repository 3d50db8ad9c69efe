"""The sweeper: what was lost is repeated, what is in good hands is left alone."""

import asyncio
from dataclasses import replace

import pytest

from kernel.ids import uuid7
from kernel.jobs import INDEX_ITEM, RUN_BATCH, SAVE_ITEM, RunBatch, SaveItem
from kernel.ledger import sweep as sweep_module
from kernel.ledger.ledger import JOB_FINISHED
from kernel.ledger.model import JobStatus
from kernel.ledger.sweep import Swept, sweep
from tests.fixtures.ledger import Heard, get_job, set_job, start_run, submit, vacuum_jobs

NOTHING = Swept(0, 0, 0)


def deliveries(redis_client, redis_prefix, lane="background"):
    return {entry.decode() for entry in redis_client.zrange(f"{redis_prefix}:queue:{lane}", 0, -1)}


async def test_a_fresh_job_is_trusted_to_the_queue(ledger):
    job_id = await submit(ledger)
    assert await sweep(replace(ledger, config=replace(ledger.config, sweep_every_s=5.0))) == NOTHING
    assert (await get_job(ledger, job_id)).deliveries == 1


@pytest.mark.story("4.4")
async def test_a_delivery_that_was_lost_is_made_again_under_another_number(
    ledger, redis_client, redis_prefix
):
    job_id = await submit(ledger)
    redis_client.flushdb()
    await set_job(ledger, job_id, "run_at = now() - interval '1 s'")
    assert await sweep(ledger) == Swept(0, 1, 0)
    assert deliveries(redis_client, redis_prefix) == {f"{job_id}:2"}
    assert await sweep(ledger) == NOTHING


async def test_each_delivery_is_trusted_for_longer(ledger):
    job_id = await submit(ledger)
    trusted = []
    for _ in range(4):
        await set_job(ledger, job_id, "run_at = now() - interval '1 h', lease_until = now()")
        await sweep(ledger)
        async with ledger.db.acquire() as conn:
            trusted.append(
                await conn.fetchval(
                    "SELECT extract(epoch FROM lease_until - now())::float FROM job WHERE id = $1", job_id
                )
            )
    every_s = ledger.config.sweep_every_s
    assert trusted == pytest.approx([2 * every_s, 4 * every_s, 8 * every_s, 16 * every_s], abs=0.1)


@pytest.mark.parametrize(("kind", "payload"), [(INDEX_ITEM, None), (RUN_BATCH, RunBatch("reindex", {}))])
async def test_what_has_waited_little_is_not_trusted_for_long_however_often_it_was_delivered(
    ledger, kind, payload
):
    """As a batch that has paused a hundred times: when Redis loses its delivery, it is not late by ten minutes."""
    job_id = await submit(ledger, kind, payload)
    await set_job(ledger, job_id, "deliveries = 101, run_at = now() - interval '3 s', lease_until = now()")
    assert (await sweep(ledger)).delivered == 1
    async with ledger.db.acquire() as conn:
        trusted_s = await conn.fetchval(
            "SELECT extract(epoch FROM lease_until - now())::float FROM job WHERE id = $1", job_id
        )
    assert 2 < trusted_s < 5


async def test_a_job_goes_to_its_own_lane(ledger, redis_client, redis_prefix):
    job_id = await submit(ledger, SAVE_ITEM, SaveItem(uuid7(), "page", "A title", {}))
    redis_client.flushdb()
    await set_job(ledger, job_id, "run_at = now() - interval '1 s'")
    await sweep(ledger)
    assert deliveries(redis_client, redis_prefix, "interactive") == {f"{job_id}:2"}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param("run_at = now() + interval '1 s'", id="not-due"),
        pytest.param("run_at = now() - interval '1 h', kind = 'unheard_of'", id="of-an-unknown-kind"),
        pytest.param("run_at = now() - interval '1 h', status = 'done'", id="done"),
        pytest.param("status = 'running', lease_until = now() + interval '1 s'", id="leased"),
    ],
)
async def test_what_needs_nothing_is_left_alone(ledger, changes):
    job_id = await submit(ledger)
    await set_job(ledger, job_id, changes)
    before = await get_job(ledger, job_id)
    assert await sweep(ledger) == NOTHING
    assert await get_job(ledger, job_id) == before


async def test_the_job_of_a_worker_that_vanished_is_delivered_again_in_the_same_pass(
    ledger, redis_client, redis_prefix
):
    run = await start_run(ledger)
    await set_job(ledger, run.job.id, "lease_until = now() - interval '1 ms'")
    assert await sweep(ledger) == Swept(1, 1, 0)
    job = await get_job(ledger, run.job.id)
    assert (job.status, job.attempts, job.deliveries) == (JobStatus.QUEUED, 1, 2)
    assert f"{job.id}:2" in deliveries(redis_client, redis_prefix)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        pytest.param(f"failures = {INDEX_ITEM.max_attempts - 1}", "dead", "worker-lost", id="last-attempt"),
        pytest.param("cancel_requested = true", "cancelled", None, id="cancelled"),
    ],
)
async def test_a_vanished_worker_may_be_the_end_of_its_job(ledger, changes, status, code):
    heard, told = Heard(), asyncio.Event()
    heard.listen(ledger.bus, JOB_FINISHED)
    ledger.bus.subscribe(JOB_FINISHED, lambda _: told.set())
    run = await start_run(ledger)
    await set_job(ledger, run.job.id, f"lease_until = now() - interval '1 ms', {changes}")
    assert await sweep(ledger) == Swept(1, 0, 0)
    job = await get_job(ledger, run.job.id)
    assert job.status == status
    assert (job.error or {}).get("code") == code
    assert (job.payload == {}) is (status == "cancelled")
    await told.wait()
    assert heard.messages == [(JOB_FINISHED, {"id": str(job.id), "status": status})]


async def test_a_row_that_is_being_finished_is_passed_over(ledger):
    """A worker that was stopped in mid-transaction must not stop the sweeper."""
    run = await start_run(ledger)
    await set_job(ledger, run.job.id, "lease_until = now() - interval '1 h'")
    other = await start_run(ledger)
    await set_job(ledger, other.job.id, "lease_until = now() - interval '1 h'")
    async with run.finish():
        assert (await sweep(ledger)).expired == 1
    assert (await get_job(ledger, run.job.id)).status is JobStatus.DONE
    assert (await get_job(ledger, other.job.id)).status is JobStatus.QUEUED


async def leave_tags(ledger, age_s, tags="{item:1,item:2}"):
    run = await start_run(ledger)
    await set_job(
        ledger,
        run.job.id,
        f"status = 'done', drop_tags = '{tags}', finished = now() - interval '{age_s} s', lease_until = NULL",
    )
    return run.job.id


async def test_tags_that_a_dead_worker_did_not_drop_are_dropped(ledger):
    for tag in ("item:1", "item:2", "item:3"):
        generation = ledger.cache.generation()
        await ledger.cache.put(f"page of {tag}", b"old", [tag], 60, generation)
    job_id = await leave_tags(ledger, 2)
    assert await sweep(ledger) == Swept(0, 0, 1)
    pages = [await ledger.cache.get(f"page of item:{number}") for number in (1, 2, 3)]
    assert pages == [None, None, b"old"]
    assert (await get_job(ledger, job_id)).drop_tags is None
    assert await sweep(ledger) == NOTHING


async def test_tags_of_a_job_that_ended_just_now_are_its_workers_business(ledger):
    await leave_tags(ledger, 0.2)
    assert await sweep(ledger) == NOTHING


async def test_tags_of_a_job_that_goes_on_and_waits_for_its_place_are_dropped(ledger):
    """The claim that found no place took it from the queue's hands, so nothing but its time tells its age."""
    generation = ledger.cache.generation()
    await ledger.cache.put("page", b"old", ["item:1"], 60, generation)
    job_id = await submit(ledger, RUN_BATCH, RunBatch("reindex", {}))
    await set_job(
        ledger, job_id, "drop_tags = '{item:1}', run_at = now() - interval '2 s', lease_until = NULL"
    )
    assert (await sweep(ledger)).dropped == 1
    assert await ledger.cache.get("page") is None


async def test_a_pass_is_bounded_and_says_that_more_is_waiting(ledger, monkeypatch):
    monkeypatch.setattr(sweep_module, "_BATCH", 2)
    for _ in range(3):
        await set_job(ledger, await submit(ledger), "run_at = now() - interval '1 h'")
    first = await sweep(ledger)
    assert (first.delivered, first.was_full) == (2, True)
    second = await sweep(ledger)
    assert (second.delivered, second.was_full) == (1, False)


async def test_limited_kinds_do_not_hide_that_more_is_waiting(ledger, monkeypatch):
    monkeypatch.setattr(sweep_module, "_BATCH", 2)
    for _ in range(3):
        await set_job(ledger, await submit(ledger), "run_at = now() - interval '1 h'")
    await submit(ledger, RUN_BATCH, RunBatch("reindex", {}))
    swept = await sweep(ledger)
    assert (swept.delivered, swept.was_full) == (3, True)


async def test_two_sweepers_at_once_do_each_thing_once(ledger):
    for _ in range(20):
        await set_job(ledger, await submit(ledger), "run_at = now() - interval '1 h'")
        run = await start_run(ledger)
        await set_job(ledger, run.job.id, "lease_until = now() - interval '1 h'")
    # The queue is trusted for long, so that a pass which a busy machine delays does not deliver again in its own right.
    patient = replace(ledger, config=replace(ledger.config, sweep_every_s=60.0))
    passes = await asyncio.gather(*(sweep(patient) for _ in range(4)))
    assert sum(swept.expired for swept in passes) == 20
    async with ledger.db.acquire() as conn:
        assert await conn.fetchval("SELECT max(deliveries) FROM job") == 2
        assert await conn.fetchval("SELECT count(*) FROM job WHERE status = 'queued'") == 40


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("status = 'queued' AND run_at <= now() ORDER BY run_at", "job_due_idx"),
        ("status = 'running' AND lease_until < now() ORDER BY lease_until", "job_lease_idx"),
        ("drop_tags IS NOT NULL AND finished < now() ORDER BY finished", "job_drop_tags_idx"),
    ],
)
async def test_its_questions_are_answered_by_the_index_of_unfinished_business(ledger, statement, index):
    async with ledger.db.acquire() as conn:
        await conn.execute(
            """
            INSERT INTO job (id, kind, status, run_at, lease_until, finished, drop_tags, actor_id)
            SELECT gen_random_uuid(), 'index_item', CASE WHEN n % 100 = 0 THEN 'queued' WHEN n % 100 = 1 THEN 'running'
                ELSE 'done' END, now(), now(), now(), CASE WHEN n % 100 = 2 THEN '{a}'::text[] END, gen_random_uuid()
            FROM generate_series(1, 20000) AS n
            """
        )
        await vacuum_jobs(conn)
        plan = await conn.fetch(f"EXPLAIN SELECT id FROM job WHERE {statement} LIMIT 200")
    assert index in "\n".join(row[0] for row in plan)
