"""The backlog is counted by kind, from indexes that hold no finished job."""

import asyncio

import orjson

from kernel.ids import uuid7
from kernel.jobs import INDEX_ITEM, SET_PASSWORD, SetPassword
from kernel.ledger.figures import Backlog, count_given_up, list_backlog
from tests.fixtures.ledger import set_job, submit, vacuum_jobs


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


async def test_a_flood_of_one_kind_hides_no_other(ledger, monkeypatch):
    """Counting ends within each kind, so that an alarm for another one still sounds."""
    monkeypatch.setattr("kernel.ledger.figures.MOST_COUNTED", 10)
    async with ledger.db.acquire() as conn:
        for kind, status, number in (
            ("a_flood", "queued", 40),
            ("other", "queued", 3),
            ("a_flood", "dead", 40),
            ("other", "dead", 2),
            ("other", "failed", 1),
        ):
            await conn.execute(
                """
                INSERT INTO job (id, kind, status, actor_id)
                SELECT gen_random_uuid(), $1, $2, gen_random_uuid() FROM generate_series(1, $3::int)
                """,
                kind,
                status,
                number,
            )
        assert [(part.kind, part.waiting) for part in await list_backlog(conn)] == [
            ("a_flood", 10),
            ("other", 3),
        ]
        assert await count_given_up(conn) == {
            ("a_flood", "dead"): 10,
            ("other", "dead"): 2,
            ("other", "failed"): 1,
        }


async def test_finished_jobs_cost_nothing(ledger):
    """20,000 of them beside a few others: each question reads an index that holds none of them."""
    async with ledger.db.acquire() as conn:
        await conn.execute(
            """
            INSERT INTO job (id, kind, status, actor_id)
            SELECT gen_random_uuid(), kind, status, gen_random_uuid() FROM generate_series(1, 10000),
                (VALUES ('index_item', 'done'), ('save_item', 'done')) AS past (kind, status)
            UNION ALL
            SELECT gen_random_uuid(), kind, status, gen_random_uuid() FROM generate_series(1, 20),
                (VALUES ('index_item', 'queued'), ('save_item', 'running'), ('save_item', 'dead'))
                AS rest (kind, status)
            """
        )
        await vacuum_jobs(conn)
        seen = []
        with conn.query_logger(seen.append):
            await list_backlog(conn)
            await count_given_up(conn)
        # The driver tells of a statement a turn later.
        await asyncio.sleep(0)
        assert len(seen) == 2
        for record in seen:
            plan = await conn.fetchval(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {record.query}", *record.args
            )
            assert '"Seq Scan"' not in plan
            top = orjson.loads(plan)[0]["Plan"]
            assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 150, plan
