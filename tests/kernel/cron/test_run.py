"""Each task that is due has its turn alone: exact in its slot, with its own limit and its own error."""

import asyncio
from datetime import timedelta

import pytest

from kernel.cron.model import RunStatus
from kernel.cron.schedule import DAY_S, MINUTE_S, Schedule
from kernel.cron.store import begin_run, select_now, select_state
from kernel.cron.turn import ABANDONED, MAX_ATTEMPTS
from kernel.ids import uuid7
from kernel.ledger.model import JobStatus
from tests.fixtures.cron import (
    DAILY,
    count_all_effects,
    get_runs,
    leave_effect,
    make_attempts,
    make_task,
    raise_error,
    run_now,
    shift_runs,
    submit_cron,
    told,
)
from tests.fixtures.ledger import get_job, set_job


async def test_what_is_due_runs_once_and_leaves_a_row(rt):
    job = await run_now(rt, make_task())
    assert (job.status, job.result["outcome"], job.result["lock"]) == (JobStatus.DONE, "done", "held")
    assert told(job) == [("sweep", "done")]
    (run,) = await get_runs(rt, "sweep")
    assert (run.status, run.attempt, run.missed, run.note, run.error) == (
        RunStatus.DONE,
        1,
        0,
        "One effect",
        "",
    )
    assert run.slot == DAILY.slot_at(run.slot)
    assert run.job_id == job.id
    assert run.finished >= run.started
    assert await count_all_effects(rt, "sweep") == (1, 1)


async def test_a_slot_that_is_done_is_not_run_again(rt):
    task = make_task()
    await run_now(rt, task)
    assert told(await run_now(rt, task)) == []
    assert await count_all_effects(rt, "sweep") == (1, 1)


async def test_the_site_remembers_when_cron_last_came_to_an_end(rt):
    async with rt.db.acquire() as conn:
        assert (await select_state(conn)).last_run is None
        before = await select_now(conn)
        await run_now(rt, make_task())
        state = await select_state(conn)
    assert before < state.last_run < state.now


@pytest.mark.story("13.6")
async def test_a_task_that_fails_fails_alone(rt):
    tasks = [make_task("first"), make_task("bad", raise_error), make_task("last")]
    job = await run_now(rt, *tasks)
    assert told(job) == [("first", "done"), ("bad", "failed"), ("last", "done")]
    (bad,) = await get_runs(rt, "bad")
    assert (bad.status, bad.note) == (RunStatus.FAILED, "")
    assert bad.error == "Something went wrong in the worker; its log tells more."
    # Until its next slot comes.
    assert told(await run_now(rt, tasks[1])) == []


async def test_a_task_that_hangs_is_stopped_and_what_it_wrote_is_gone(rt):
    async def hang(_rt, turn):
        async with turn.step() as step:
            await step.conn.execute("INSERT INTO variable (name, value) VALUES ('hung', '1')")
            await asyncio.Event().wait()

    job = await run_now(rt, make_task("slow", hang, limit_s=0.1), make_task("next"))
    assert told(job) == [("slow", "failed"), ("next", "done")]
    assert job.result["tasks"][0]["error"] == "Took longer than 0.1 s and was stopped."
    async with rt.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM variable WHERE name = 'hung'") == 0


async def test_steps_before_a_failure_stand(rt):
    async def half(_rt, turn):
        async with turn.step() as step:
            await step.conn.execute("INSERT INTO variable (name, value) VALUES ('first half', '1')")
        raise ValueError

    job = await run_now(rt, make_task("half", half))
    assert told(job) == [("half", "failed")]
    async with rt.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM variable WHERE name = 'first half'") == 1


async def test_a_task_that_says_nothing_of_its_end_has_failed(rt):
    async def forget(_rt, turn):
        async with turn.step():
            pass

    assert told(await run_now(rt, make_task("forgetful", forget))) == [("forgetful", "failed")]


async def test_an_error_after_the_last_step_does_not_undo_it(rt):
    async def stumble(rt, turn):
        await leave_effect(rt, turn)
        raise ValueError

    assert told(await run_now(rt, make_task("stumble", stumble))) == [("stumble", "done")]
    (run,) = await get_runs(rt, "stumble")
    assert (run.status, run.error) == (RunStatus.DONE, "")


@pytest.mark.parametrize("days", [1, 3, 40])
async def test_after_an_outage_a_task_is_caught_up_once_and_the_missed_are_counted(rt, days):
    task = make_task()
    await run_now(rt, task)
    await shift_runs(rt, task.name, timedelta(days=days))
    assert told(await run_now(rt, task)) == [("sweep", "done")]
    latest, _ = await get_runs(rt, task.name)
    assert (latest.status, latest.missed) == (RunStatus.DONE, days - 1)
    assert told(await run_now(rt, task)) == []


def daily_since(moment, hours):
    """A schedule whose latest slot was so many hours before."""
    return Schedule(DAY_S, int((moment - timedelta(hours=hours)).timestamp()) % DAY_S // MINUTE_S * MINUTE_S)


async def test_a_task_that_is_not_caught_up_is_skipped_when_it_would_come_late(rt):
    async with rt.db.acquire() as conn:
        now = await select_now(conn)
    late = make_task("late", schedule=daily_since(now, 2), missed="skip")
    on_time = make_task("on_time", schedule=daily_since(now, 0), missed="skip")
    job = await run_now(rt, late, on_time)
    assert told(job) == [("late", "skipped"), ("on_time", "done")]
    assert await count_all_effects(rt, "late") == (0, 0)
    assert (await get_runs(rt, "late"))[0].status is RunStatus.SKIPPED
    assert told(await run_now(rt, late, on_time)) == []


async def test_asked_for_by_hand_a_task_runs_beside_its_slots(rt):
    task, other = make_task(), make_task("other")
    await run_now(rt, task)
    by_hand = await run_now(rt, task, other, only="sweep")
    assert told(by_hand) == [("sweep", "done")]
    latest, first = await get_runs(rt, task.name)
    assert latest.slot > first.slot
    assert latest.slot != DAILY.slot_at(latest.slot)
    assert told(await run_now(rt, task)) == []


async def test_a_run_by_hand_does_not_say_that_cron_works(rt):
    await run_now(rt, make_task(), only="sweep")
    async with rt.db.acquire() as conn:
        assert (await select_state(conn)).last_run is None


async def test_nobody_runs_a_task_that_does_not_exist(rt):
    job = await run_now(rt, make_task(), only="nothing")
    assert (job.result["outcome"], job.result["tasks"]) == ("unknown-task", [])


async def test_what_a_dead_worker_left_is_taken_up_in_the_same_slot(rt):
    task = make_task()
    async with rt.db.acquire() as conn:
        slot = DAILY.slot_at(await select_now(conn))
        assert await begin_run(conn, task.name, slot, missed=2, job_id=uuid7()) == 1
    assert told(await run_now(rt, task)) == [("sweep", "done")]
    (run,) = await get_runs(rt, task.name)
    assert (run.slot, run.attempt, run.missed) == (slot, 2, 2)
    assert await count_all_effects(rt, "sweep") == (1, 1)


async def test_a_task_that_takes_its_worker_down_each_time_is_given_up(rt):
    task = make_task()
    async with rt.db.acquire() as conn:
        slot = DAILY.slot_at(await select_now(conn))
        for _ in range(MAX_ATTEMPTS):
            await begin_run(conn, task.name, slot, missed=0, job_id=uuid7())
    assert told(await run_now(rt, task, make_task("next"))) == [("sweep", "failed"), ("next", "done")]
    (run,) = await get_runs(rt, task.name)
    assert (run.status, run.error, run.attempt) == (RunStatus.FAILED, ABANDONED, MAX_ATTEMPTS)
    assert await count_all_effects(rt, "sweep") == (0, 0)


async def test_a_run_that_was_left_in_an_earlier_slot_does_not_run_for_ever(rt):
    task = make_task()
    async with rt.db.acquire() as conn:
        slot = DAILY.slot_at(await select_now(conn)) - timedelta(days=1)
        await begin_run(conn, task.name, slot, missed=0, job_id=uuid7())
    await run_now(rt, task)
    latest, left = await get_runs(rt, task.name)
    assert (latest.status, left.status, left.error) == (RunStatus.DONE, RunStatus.FAILED, ABANDONED)


async def test_a_slot_that_somebody_took_over_cannot_be_ended_and_its_effect_is_undone(rt):
    async def be_slow(rt, turn):
        async with rt.db.acquire() as conn:  # another worker, that holds this one for dead
            await begin_run(conn, turn.name, turn.slot, missed=0, job_id=uuid7())
        await leave_effect(rt, turn)

    task = make_task(work=be_slow)
    assert told(await run_now(rt, task)) == []
    (run,) = await get_runs(rt, task.name)
    assert (run.status, run.attempt) == (RunStatus.RUNNING, 2)
    assert await count_all_effects(rt, "sweep") == (0, 0)


async def test_an_attempt_whose_job_was_taken_over_writes_nothing(rt):
    started, go = asyncio.Event(), asyncio.Event()

    async def wait(rt, turn):
        started.set()
        await go.wait()
        await leave_effect(rt, turn)

    job_id = await submit_cron(rt)
    slow = asyncio.create_task(make_attempts(rt, make_task(work=wait)).make(job_id))
    await started.wait()
    await set_job(rt.ledger, job_id, "attempts = attempts + 1")
    go.set()
    await slow
    assert (await get_job(rt.ledger, job_id)).status is JobStatus.RUNNING
    assert await count_all_effects(rt, "sweep") == (0, 0)
    (run,) = await get_runs(rt, "sweep")
    assert run.status is RunStatus.RUNNING


async def test_only_one_job_of_cron_runs_at_a_time(rt):
    started, go = asyncio.Event(), asyncio.Event()

    async def wait(rt, turn):
        started.set()
        await go.wait()
        await leave_effect(rt, turn)

    task = make_task(work=wait)
    first, second = await submit_cron(rt), await submit_cron(rt)
    slow = asyncio.create_task(make_attempts(rt, task).make(first))
    await started.wait()
    await make_attempts(rt, task).make(second)
    assert (await get_job(rt.ledger, second)).status is JobStatus.QUEUED
    go.set()
    await slow
    await make_attempts(rt, task).make(second)
    assert (await get_job(rt.ledger, second)).result["tasks"] == []
    assert await count_all_effects(rt, "sweep") == (1, 1)


async def test_a_look_that_found_nothing_to_do_is_not_the_last_run(rt):
    seen = []

    async def look(_rt, turn):
        seen.append(turn.last_run)
        async with turn.step() as step:
            if turn.last_run is None:
                step.finish("Something")
            else:
                step.finish_idle()

    task = make_task("look", look)
    for _ in range(3):
        await run_now(rt, task, only="look")
    done, idle, again = seen
    assert (done, idle) == (None, again)
    (run,) = await get_runs(rt, "look")
    assert (run.status, run.started, run.note) == (RunStatus.DONE, idle, "Something")
