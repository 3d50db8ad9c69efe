"""Limited kinds: never more at once than allowed, whoever claims; each group for itself; nobody is forgotten."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from kernel import clock
from kernel.db.pool import Database
from kernel.errors import Unavailable
from kernel.ids import uuid7
from kernel.jobs import INDEX_ITEM, RETRY_JOB, WORK_PLUGIN_QUEUE, RetryJob, WorkPluginQueue
from kernel.ledger.attempt import Attempts
from kernel.ledger.cancel import cancel_job, retry_job
from kernel.ledger.limit import LIMITS, deliver_next, fill_groups
from kernel.ledger.limit_store import (
    claim_limited,
    count_next_delivery,
    count_unfinished,
    list_groups_with_room,
)
from kernel.ledger.model import JobStatus
from kernel.ledger.sweep import sweep
from tests.fixtures.ledger import get_job, set_job, submit, vacuum_jobs

KIND = WORK_PLUGIN_QUEUE
AT_ONCE = KIND.at_once
WORK = WorkPluginQueue("errands", "letters", None)


async def submit_many(ledger, count, group="a"):
    return [await submit(ledger, KIND, WORK, group=group) for _ in range(count)]


async def claim(db, job_id, limits=LIMITS):
    async with db.transaction() as tx:
        return await claim_limited(tx.conn, job_id, limits, 30.0)


async def count(ledger, status, group="a"):
    async with ledger.db.acquire() as conn:
        return await conn.fetchval(
            "SELECT count(*) FROM job WHERE kind = $1 AND group_key = $2 AND status = $3",
            KIND.name,
            group,
            status,
        )


@pytest.fixture
async def pools(config):
    """As four workers have them."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(4):
            db = await Database.open(config.database_url, role="worker", max_size=2)
            stack.push_async_callback(db.close)
            opened.append(db)
        yield opened


@pytest.fixture
def on_queue(redis_client, redis_prefix):
    """The deliveries that the queue holds, as (job id, number), first come first."""

    def read():
        entries = redis_client.zrange(f"{redis_prefix}:queue:{KIND.lane}", 0, -1)
        return [(entry.decode().split(":")[0], int(entry.decode().split(":")[1])) for entry in entries]

    return read


@pytest.fixture
def take_off(redis_client, redis_prefix):
    """What the queue holds is taken, as by a worker."""

    def take():
        redis_client.delete(f"{redis_prefix}:queue:{KIND.lane}")

    return take


async def finish(run):
    async with run.finish():
        pass


def attempts_of(ledger, work=finish, kind=KIND):
    return Attempts(ledger, {kind.name: (kind, work)})


@pytest.mark.story("13.4")
async def test_of_eight_claims_at_once_exactly_so_many_succeed(ledger, pools):
    for _ in range(5):
        jobs = await submit_many(ledger, 8)
        claimed = await asyncio.gather(*(claim(pools[n % 4], job_id) for n, job_id in enumerate(jobs)))
        assert sum(job is not None for job in claimed) == AT_ONCE
        assert await count(ledger, "running") == AT_ONCE
        async with ledger.db.acquire() as conn:
            await conn.execute("UPDATE job SET status = 'done', finished = now()")


@pytest.mark.story("13.4")
async def test_of_eight_claims_of_one_job_one_succeeds(ledger, pools):
    (job_id,) = await submit_many(ledger, 1)
    claimed = await asyncio.gather(*(claim(pools[n % 4], job_id) for n in range(8)))
    (job,) = [job for job in claimed if job is not None]
    assert (job.id, job.status, job.attempts) == (job_id, JobStatus.RUNNING, 1)
    assert job.lease_until is not None


async def test_a_place_that_becomes_free_is_taken_by_one(ledger, pools):
    jobs = await submit_many(ledger, 6)
    for job_id in jobs[:AT_ONCE]:
        assert await claim(pools[0], job_id) is not None
    await set_job(ledger, jobs[0], "status = 'done'")
    claimed = await asyncio.gather(*(claim(pools[n % 4], job_id) for n, job_id in enumerate(jobs[AT_ONCE:])))
    assert sum(job is not None for job in claimed) == 1
    assert await count(ledger, "running") == AT_ONCE


async def test_groups_and_kinds_do_not_count_for_one_another(ledger, pools):
    full = await submit_many(ledger, AT_ONCE + 1, "full")
    other = await submit_many(ledger, AT_ONCE + 1, "other")
    another_kind = await submit(ledger, RETRY_JOB, RetryJob(uuid7()), group="full")
    limits = {**LIMITS, RETRY_JOB.name: 1}
    claimed = [await claim(pools[0], job_id, limits) for job_id in [*full, *other, another_kind]]
    places = [True] * AT_ONCE + [False]
    assert [job is not None for job in claimed] == [*places, *places, True]


@pytest.mark.parametrize(
    "changes",
    [
        "status = 'done'",
        "status = 'running'",
        "status = 'dead'",
        "run_at = now() + interval '1 h'",
        "kind = 'index_item'",
    ],
)
async def test_what_is_not_to_be_had_is_left_alone(ledger, pools, changes):
    (job_id,) = await submit_many(ledger, 1)
    await set_job(ledger, job_id, changes)
    before = await get_job(ledger, job_id)
    assert await claim(pools[0], job_id) is None
    assert await get_job(ledger, job_id) == before


async def test_a_waiting_job_of_a_full_group_can_be_cancelled(ledger, web_ledger, on_queue):
    jobs = await submit_many(ledger, AT_ONCE + 2)
    for job_id in jobs[:AT_ONCE]:
        assert await claim(ledger.db, job_id)
    waiting, next_one = jobs[AT_ONCE:]
    assert await cancel_job(web_ledger, waiting)
    assert (str(waiting), 1) in on_queue()
    await attempts_of(ledger).make(waiting)
    assert (await get_job(ledger, waiting)).status is JobStatus.CANCELLED
    assert await count(ledger, "running") == AT_ONCE
    # It may have been this one's turn, which is passed on.
    assert (str(next_one), 2) in on_queue()


async def test_only_as_many_are_put_on_the_queue_as_may_run(ledger, web_ledger, on_queue):
    jobs = await submit_many(web_ledger, 10)
    others = await submit_many(web_ledger, 1, "b")
    assert on_queue() == [(str(job_id), 1) for job_id in [*jobs[:AT_ONCE], *others]]


async def test_what_waits_for_its_time_takes_no_place_on_the_queue(ledger, on_queue):
    later = clock.now() + timedelta(hours=1)
    for _ in range(5):
        await submit(ledger, KIND, WORK, group="a", run_at=later)
    (job_id,) = await submit_many(ledger, 1)
    assert on_queue() == [(str(job_id), 1)]
    async with ledger.db.acquire() as conn:
        assert await count_unfinished(conn, KIND.name, "a", 10) == 1


@pytest.mark.parametrize(
    "error", [None, ValueError("no"), Unavailable("away")], ids=["done", "failed", "away"]
)
async def test_the_end_of_a_job_is_the_turn_of_the_one_that_waited_longest(ledger, on_queue, take_off, error):
    async def work(run):
        if error is not None:
            raise error
        await finish(run)

    first, *_, third, _ = await submit_many(ledger, AT_ONCE + 2)
    take_off()
    await attempts_of(ledger, work).make(first)
    # The second was given to the queue too, but nothing says that it was; whoever waited longest has the turn.
    ((given, number),) = on_queue()
    assert number == 2
    await attempts_of(ledger).make(given)
    assert str(third) in {entry for entry, _ in on_queue()}


async def test_a_job_that_pauses_lets_those_of_its_group_go_first(ledger, on_queue, take_off):
    """Long ones that go on and on would otherwise keep every place, since each would be back before its successor."""

    async def go_on(run):
        await run.pause()

    jobs = await submit_many(ledger, AT_ONCE + 1)
    take_off()
    attempts = attempts_of(ledger, go_on)
    order = []
    for job_id in jobs[1:AT_ONCE]:
        assert await claim(ledger.db, job_id)
    waiting = jobs[0]
    for _ in range(4):
        order.append(waiting)
        await attempts.make(waiting)
        ((given, _),) = on_queue()
        take_off()
        waiting = next(job_id for job_id in jobs if str(job_id) == given)
    assert order == [jobs[0], jobs[-1], jobs[0], jobs[-1]]


async def test_a_job_that_pauses_alone_is_back_at_once(ledger, on_queue, take_off):
    async def go_on(run):
        await run.pause()

    (job_id,) = await submit_many(ledger, 1)
    take_off()
    await attempts_of(ledger, go_on).make(job_id)
    ((given, number),) = on_queue()
    assert (given, number) == (str(job_id), (await get_job(ledger, job_id)).deliveries)


async def test_an_unlimited_kind_gives_no_turn(ledger, on_queue, take_off):
    jobs = [await submit(ledger) for _ in range(2)]
    take_off()
    await attempts_of(ledger, kind=INDEX_ITEM).make(jobs[0])
    assert on_queue() == []


async def test_what_is_on_the_queue_is_not_put_there_again(ledger, on_queue, take_off):
    patient = replace(ledger, config=replace(ledger.config, sweep_every_s=60.0))
    jobs = [str(job_id) for job_id in await submit_many(ledger, 5)]
    take_off()
    assert await deliver_next(patient, KIND, "a", 2) == 2
    assert await deliver_next(patient, KIND, "a", 2) == 2
    assert await deliver_next(patient, KIND, "a", 2) == 1
    assert await deliver_next(patient, KIND, "a", 2) == 0
    assert sorted(on_queue()) == sorted((job_id, 2) for job_id in jobs)


async def test_a_claim_that_found_no_place_is_not_trusted_to_the_queue_any_more(ledger):
    jobs = await submit_many(ledger, AT_ONCE + 1)
    await deliver_next(ledger, KIND, "a", 3)
    for job_id in jobs[:AT_ONCE]:
        assert await claim(ledger.db, job_id)
    assert (await get_job(ledger, jobs[-1])).lease_until is not None
    assert await claim(ledger.db, jobs[-1]) is None
    job = await get_job(ledger, jobs[-1])
    assert (job.status, job.lease_until, job.attempts) == (JobStatus.QUEUED, None, 0)


async def test_the_sweeper_fills_what_a_crash_left_empty(ledger, on_queue, take_off):
    jobs = await submit_many(ledger, 6)
    others = await submit_many(ledger, 3, "b")
    for job_id in jobs[:AT_ONCE]:
        assert await claim(ledger.db, job_id)
    take_off()
    # Both workers are gone, and what stood in Redis too.
    for job_id in jobs[:AT_ONCE]:
        await set_job(ledger, job_id, "lease_until = now() - interval '1 s'")
    swept = await sweep(ledger)
    assert (swept.expired, swept.delivered) == (AT_ONCE, 2 * AT_ONCE)
    given = {job_id for job_id, _ in on_queue()}
    assert len(given & {str(job_id) for job_id in jobs}) == AT_ONCE
    assert given - {str(job_id) for job_id in jobs} == {str(job_id) for job_id in others[:AT_ONCE]}


async def test_a_group_that_nobody_works_does_not_fill_the_queue(ledger, on_queue, take_off):
    """As when a batch holds every slot for long."""
    await submit_many(ledger, 50)
    take_off()
    for _ in range(20):
        # Time passes: whatever is trusted to the queue is so no more after each third pass.
        await fill_groups(ledger)
        await fill_groups(ledger)
        await fill_groups(ledger)
        async with ledger.db.acquire() as conn:
            await conn.execute("UPDATE job SET lease_until = now() WHERE lease_until IS NOT NULL")
    assert len({job_id for job_id, _ in on_queue()}) == AT_ONCE


async def test_a_group_is_filled_as_far_as_it_has_room(ledger, on_queue, take_off):
    jobs = await submit_many(ledger, 4)
    assert await claim(ledger.db, jobs[0])
    take_off()
    assert await fill_groups(ledger) == AT_ONCE - 1
    assert await fill_groups(ledger) == 0
    assert on_queue() == [(str(jobs[1]), 2)]


async def test_the_time_of_a_job_comes_with_the_sweeper(ledger, on_queue):
    job_id = await submit(ledger, KIND, WORK, group="a", run_at=clock.now() + timedelta(hours=1))
    assert (await fill_groups(ledger), on_queue()) == (0, [])
    await set_job(ledger, job_id, "run_at = now()")
    assert await fill_groups(ledger) == 1
    assert on_queue() == [(str(job_id), 2)]


async def test_another_chance_waits_for_its_turn(ledger, on_queue):
    jobs = await submit_many(ledger, AT_ONCE + 1)
    await set_job(ledger, jobs[-1], "status = 'dead', finished = now()")
    for job_id in jobs[:AT_ONCE]:
        assert await claim(ledger.db, job_id)
    assert await retry_job(ledger, jobs[-1])
    assert await claim(ledger.db, jobs[-1]) is None
    await set_job(ledger, jobs[0], "status = 'done'")
    assert await claim(ledger.db, jobs[-1]) is not None


async def test_no_more_run_at_once_than_may_and_all_are_done(ledger, deaf_ledger):
    """Everybody delivers everything all the time, as in a storm of repeated deliveries."""
    jobs = await submit_many(deaf_ledger, 12)
    running, most, order = set(), 0, []

    async def work(run):
        nonlocal most
        running.add(run.job.id)
        order.append(run.job.id)
        most = max(most, len(running))
        await asyncio.sleep(0)
        async with run.finish():
            # The place is free with the commit.
            running.discard(run.job.id)

    two_workers = [attempts_of(deaf_ledger, work) for _ in range(2)]
    async with asyncio.timeout(8):
        while await count(ledger, "done") < len(jobs):
            await asyncio.gather(*(worker.make(job_id) for worker in two_workers for job_id in jobs))
    assert sorted(order) == sorted(jobs)
    assert most == AT_ONCE


async def test_finding_room_reads_little_however_many_wait(ledger):
    """Nor however many are over, which stand at the beginning of the table; also for a group that came last."""
    async with ledger.db.acquire() as conn:
        for rows, status in ((20_000, "done"), (20_000, "queued")):
            await conn.execute(
                """
                INSERT INTO job (id, kind, group_key, actor_id, run_at, status)
                SELECT gen_random_uuid(), $1, 'plugin ' || n % 5, gen_random_uuid(), now() - n * interval '1 s', $3
                FROM generate_series(1, $2::int) n
                """,
                KIND.name,
                rows,
                status,
            )
        await submit_many(ledger, 4, "plugin late")
        await vacuum_jobs(conn)
        assert len(await list_groups_with_room(conn, LIMITS)) == 6
        seen = []
        with conn.query_logger(seen.append):
            await list_groups_with_room(conn, LIMITS)
            for group in ("plugin 1", "plugin late"):
                assert await count_unfinished(conn, KIND.name, group, AT_ONCE + 1) == AT_ONCE + 1
                assert await count_next_delivery(
                    conn, KIND.name, group, trust_queue_s=1.0, longest_trust_s=1.0, limit=1
                )
        # The driver tells of a statement a turn later.
        await asyncio.sleep(0)
        assert len(seen) == 5
        for record in seen:
            plan = await conn.fetchval(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {record.query}", *record.args
            )
            top = orjson.loads(plan)[0]["Plan"]
            assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 200, plan
