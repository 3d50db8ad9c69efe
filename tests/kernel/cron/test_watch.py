"""What is kept of whom the limits refused, and of where people came from, leaves when its time is over."""

from dataclasses import replace

import asyncpg
import pytest

from kernel.cron import tasks
from kernel.cron.prune import BATCH
from tests.fixtures.cron import get_runs, run_now, told

NAMES = ("collect_refusals", "prune_audit")


@pytest.fixture
def cron_config(cron_config):
    return replace(cron_config, keep_addresses_days=2.0, keep_audit_days=30.0)


async def test_refusals_addresses_and_entries_leave_when_their_time_is_over(rt):
    """Also more of them than are deleted at once, since a flood leaves so many."""
    conn = await asyncpg.connect(rt.config.database_url)
    try:
        await conn.execute(
            """
            INSERT INTO rate_refusal (since, door, who_kind, who, number)
            SELECT now() - age * interval '1 day', 'login', kind, kind || ' of ' || age, 1
            FROM unnest(array['user', 'address']) AS kind, unnest(array[1, 3, 6, 8]) AS age
            """
        )
        await conn.execute(
            f"""
            INSERT INTO rate_refusal (since, door, who_kind, who, number)
            SELECT now() - interval '9 days', 'forms', 'user', number, 1
            FROM generate_series(1, {BATCH + 1}) AS number
            """
        )
        await conn.execute(
            """
            INSERT INTO audit_event (id, at, actor_id, action, subject_kind, client_address)
            SELECT gen_random_uuid(), now() - age * interval '1 day', gen_random_uuid(), 'login of ' || age, 'account',
                '192.0.2.7'
            FROM unnest(array[1, 3, 29, 31]) AS age
            """
        )
        own = [task for task in tasks.TASKS if task.name in NAMES]
        assert told(await run_now(rt, *own)) == [(name, "done") for name in NAMES]
        left = await conn.fetch("SELECT who FROM rate_refusal ORDER BY who")
        assert [row["who"] for row in left] == ["address of 1", "user of 1", "user of 3", "user of 6"]
        kept = await conn.fetch("SELECT action, client_address FROM audit_event ORDER BY at DESC")
        assert [tuple(row) for row in kept] == [
            ("login of 1", "192.0.2.7"),
            ("login of 3", ""),
            ("login of 29", ""),
        ]
    finally:
        await conn.close()
    (run,) = await get_runs(rt, NAMES[0])
    assert run.note == "0 refused requests taken up, 2,005 old rows removed"
