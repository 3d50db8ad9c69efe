"""What is old and over goes; what waits, failed lately or is unfinished business stays."""

from datetime import timedelta

import pytest

from kernel import clock
from kernel.ids import first_uuid7, uuid7
from kernel.ledger.model import JobStatus
from kernel.ledger.prune import prune_jobs
from tests.fixtures.ledger import submit

WEEK = timedelta(days=7)


async def insert_old(conn, age, status, **columns):
    moment = clock.now() - age
    job_id = first_uuid7(moment)
    values = {"finished": moment, **columns}
    names = ", ".join(("id", "kind", "actor_id", "created", "status", *values))
    places = ", ".join(f"${number}" for number in range(1, len(values) + 6))
    await conn.execute(
        f"INSERT INTO job ({names}) VALUES ({places})",  # names of this test
        job_id,
        "index_item",
        uuid7(),
        moment,
        status,
        *values.values(),
    )
    return job_id


async def prune(conn, *statuses, limit=100):
    return await prune_jobs(conn, statuses, clock.now() - WEEK, limit)


@pytest.mark.parametrize("status", ["done", "cancelled", "failed", "dead"])
async def test_only_the_statuses_asked_for_and_only_old_ones_go(conn, status):
    old = await insert_old(conn, timedelta(days=8), status)
    young = await insert_old(conn, timedelta(days=6), status)
    other = [each for each in JobStatus if each != status]
    assert await prune(conn, *other) == 0
    assert await prune(conn, JobStatus(status)) == 1
    left = {row["id"] for row in await conn.fetch("SELECT id FROM job")}
    assert left == {young} != {old}


async def test_an_old_job_that_was_over_lately_stays(conn):
    await insert_old(conn, timedelta(days=30), "done", finished=clock.now() - timedelta(days=1))
    assert await prune(conn, JobStatus.DONE) == 0


async def test_tags_still_to_drop_keep_a_job(conn):
    await insert_old(conn, timedelta(days=30), "done", drop_tags=["item:1"])
    assert await prune(conn, JobStatus.DONE) == 0


async def test_what_waits_is_never_old(ledger):
    job_id = await submit(ledger)
    async with ledger.db.acquire() as conn:
        assert await prune_jobs(conn, list(JobStatus), clock.now() + WEEK, 100) == 0
        assert await conn.fetchval("SELECT status FROM job WHERE id = $1", job_id) == "queued"


async def test_it_goes_in_bounded_parts_with_what_the_jobs_left(conn):
    ids = [await insert_old(conn, timedelta(days=8, minutes=number), "done") for number in range(5)]
    for job_id in ids:
        await conn.execute("INSERT INTO job_chunk VALUES ($1, 'output', 0, 'text')", job_id)
        await conn.execute("INSERT INTO job_problem (job_id, number, message) VALUES ($1, 1, 'no')", job_id)
    assert [await prune(conn, JobStatus.DONE, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    for table in ("job", "job_chunk", "job_problem"):
        assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0
