"""`trovato cron`, as a person or a scheduler runs it: in processes of their own, whose clocks may be wrong."""

import asyncio
import re
from datetime import timedelta
from uuid import uuid4

import pytest

from kernel.cron.schedule import MINUTE_S
from kernel.cron.store import select_now
from kernel.cron.tasks import TASKS
from kernel.cron.turn import ABANDONED, MAX_ATTEMPTS

pytestmark = pytest.mark.timeout(60)

# From hours behind to days ahead.
SKEWS_S = (-3 * 3_600, -7 * MINUTE_S, 0, 5 * MINUTE_S, 2 * 86_400)


async def get_now(database):
    async with database.acquire() as conn:
        return await select_now(conn)


async def list_rows(database, query):
    async with database.acquire() as conn:
        return await conn.fetch(query)


@pytest.mark.story("13.6")
async def test_what_is_due_runs_here_and_is_told(trovato, database):
    ran = await trovato("cron")
    assert (ran.status, ran.err) == (0, "")
    heading, *lines = ran.out.splitlines()
    assert heading.split() == ["task", "slot", "result", "took"]
    assert [line.split()[0] for line in lines] == [task.name for task in TASKS]
    nothing = "Nothing to (remove|take up)|Nobody was seen since"
    for line in lines:
        assert re.search(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d  done: ({nothing}) +\d+ ms$", line)
    again = await trovato("cron")
    # The same minute, or the next one.
    assert again.out.splitlines()[0] in {"This minute's run was made already.", "Nothing is due."}
    assert again.status == 0
    rows = await list_rows(database, "SELECT status, attempt FROM cron_run")
    assert [tuple(row) for row in rows] == [("done", 1)] * len(TASKS)


async def test_a_task_that_failed_is_the_exit_status(trovato, database):
    task = TASKS[1]
    slot = task.schedule.slot_at(await get_now(database))
    async with database.acquire() as conn:
        await conn.execute(
            "INSERT INTO cron_run (task, slot, attempt, job_id, started) VALUES ($1, $2, $3, $4, now())",
            task.name,
            slot,
            MAX_ATTEMPTS,
            uuid4(),
        )
    ran = await trovato("cron")
    assert ran.status == 1
    (failed,) = [line for line in ran.out.splitlines() if task.name in line]
    assert f"failed: {ABANDONED}" in failed
    assert ran.out.count(" done: ") == len(TASKS) - 1


@pytest.mark.story("13.6")
async def test_machines_whose_clocks_are_wrong_run_each_slot_once(trovato, database):
    before = await get_now(database)
    for _ in range(2):
        ran = await asyncio.gather(*(trovato("cron", skew_s=skew_s) for skew_s in SKEWS_S))
        assert [(one.status, one.err) for one in ran] == [(0, "")] * len(SKEWS_S)
    after = await get_now(database)
    minute = timedelta(minutes=1)
    minutes = {row["dedupe_key"] for row in await list_rows(database, "SELECT dedupe_key FROM job")}
    assert len(minutes) <= (after - before) // minute + 2
    rows = await list_rows(database, "SELECT task, slot, status, attempt, missed, started FROM cron_run")
    for task in TASKS:
        runs = [row for row in rows if row["task"] == task.name]
        # By the clock of the database, which alone counts; as a rule one slot.
        slots = {task.schedule.slot_at(moment) for moment in (before, after)}
        assert {row["slot"] for row in runs} <= slots
        assert len(runs) == len({row["slot"] for row in runs}) >= 1
        for row in runs:
            assert (row["status"], row["attempt"], row["missed"]) == ("done", 1, 0)
            assert before <= row["started"] <= after
