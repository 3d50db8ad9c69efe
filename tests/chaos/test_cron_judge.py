"""The judge of cron finds what is wrong with slots and effects, and only that."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from kernel.cron.model import RunStatus
from kernel.cron.store import begin_run, end_run
from tests.chaos.cron import check_cron
from tests.fixtures.ledger import add_effect

TASK = "count"
SLOT = datetime(2026, 5, 2, 10, 0, tzinfo=UTC)


async def begin(conn, minute, *, missed=0):
    """The slot and the number of the attempt."""
    slot = SLOT + timedelta(minutes=minute)
    return slot, await begin_run(conn, TASK, slot, missed=missed, job_id=uuid4())


async def end(conn, slot, attempt):
    return await end_run(conn, TASK, slot, attempt, RunStatus.DONE, note="", error="")


async def leave_effect(conn, slot):
    await add_effect(conn, f"{TASK} {slot.isoformat()}")


async def complete(conn, minute, *, missed=0):
    slot, attempt = await begin(conn, minute, missed=missed)
    assert await end(conn, slot, attempt)
    await leave_effect(conn, slot)
    return slot


async def find_kinds(conn):
    return [violation.kind for violation in await check_cron(conn, [], Counter())]


async def test_slots_that_were_completed_once_are_no_violation(conn):
    for minute in range(3):
        await complete(conn, minute)
    # After an outage one run makes good for three, and the next slot has just begun.
    await complete(conn, 6, missed=3)
    await begin(conn, 7)
    counts = Counter()
    assert await check_cron(conn, [(TASK, SLOT)], counts) == []
    assert counts["cron slots completed"] == 4
    assert counts["cron slots asked for, twice each"] == 1


async def test_a_slot_that_was_completed_twice_is_found(conn):
    await leave_effect(conn, await complete(conn, 0))
    assert await find_kinds(conn) == ["slot completed twice"]


async def test_a_slot_that_is_said_to_be_done_without_an_effect_is_found(conn):
    slot, attempt = await begin(conn, 0)
    await end(conn, slot, attempt)
    assert await find_kinds(conn) == ["slot said to be done"]


async def test_an_effect_of_a_slot_that_is_not_over_is_found(conn):
    slot, _ = await begin(conn, 0)
    await leave_effect(conn, slot)
    assert await find_kinds(conn) == ["slot not said to be done"]


@pytest.mark.parametrize("missed", [0, 1, 3])
async def test_minutes_that_nobody_accounts_for_are_found(conn, missed):
    await complete(conn, 0)
    await complete(conn, 3, missed=missed)
    assert await find_kinds(conn) == ["minutes of cron are lost"]
