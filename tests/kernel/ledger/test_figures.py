"""The backlog is counted by kind, from indexes that hold no finished job."""

from kernel.ids import uuid7
from kernel.jobs import INDEX_ITEM, SET_PASSWORD, SetPassword
from kernel.ledger.figures import Backlog, count_given_up, list_backlog
from tests.fixtures.ledger import analyze_jobs, set_job, submit


async def test_jobs_are_counted_by_what_becomes_of_them_next(ledger):
    for seconds in (30, 90):
        await set_job(ledger, await submit(ledger), f"run_at = now() - interval '{seconds} s'")
    await set_job(ledger, await submit(ledger), "run_at = now() + interval '1 h'")
    await set_job(ledger, await submit(ledger), "status = 'running'")
    for status in ("done", "cancelled", "dead", "dead", "failed"):
        await set_job(ledger, await submit(ledger), f"status = '{status}'")
    await set_job(ledger, await submit(ledger, SET_PASSWORD, SetPassword(uuid7(), "x")), "status = 'running'")
    async with ledger.db.acquire() as conn:
        backlog = await list_backlog(conn)
        given_up = await count_given_up(conn)
    own, other = backlog
    assert 90 <= own.oldest_s < 100
    assert own == Backlog(INDEX_ITEM.name, 2, own.oldest_s, 1, 1)
    assert other == Backlog(SET_PASSWORD.name, 0, 0.0, 0, 1)
    assert given_up == {(INDEX_ITEM.name, "dead"): 2, (INDEX_ITEM.name, "failed"): 1}


async def test_finished_jobs_cost_nothing(ledger):
    """20,000 of them: the plan reads the index of unfinished jobs alone."""
    async with ledger.db.acquire() as conn:
        await conn.execute(
            """
            INSERT INTO job (id, kind, status, actor_id)
            SELECT gen_random_uuid(), 'index_item', 'done', gen_random_uuid() FROM generate_series(1, 20000)
            """
        )
        await analyze_jobs(conn)
        plan = await conn.fetch(
            "EXPLAIN SELECT kind, status, run_at FROM job WHERE status IN ('queued', 'running') LIMIT 100000"
        )
    text = "\n".join(row[0] for row in plan)
    assert "Seq Scan" not in text
    assert "job_unfinished_idx" in text
