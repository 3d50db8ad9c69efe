"""The effect and `done` in one transaction, behind the fence; then the news, in an order that matters."""

import asyncio

import pytest

from kernel.errors import LeaseLost
from kernel.ids import uuid7
from kernel.jobs import INDEX_ITEM, RUN_ITEM_TAPS, IndexItem, RunItemTaps
from kernel.ledger import run as run_module
from kernel.ledger.cancel import cancel_job
from kernel.ledger.ledger import JOB_FINISHED
from kernel.ledger.model import JobStatus
from kernel.ledger.run import JobRun
from kernel.queue import WORK_QUEUED
from tests.fixtures.ledger import Heard, add_effect, claim, count_effects, get_job, set_job, start_run


async def take_over(ledger, job_id):
    """What happens to a worker that stalls: its lease runs out, the job is queued again, somebody else claims it."""
    await set_job(ledger, job_id, "status = 'queued'")
    return await claim(ledger, job_id)


async def test_effect_result_and_follow_ups_are_committed_together(deaf_ledger):
    run = await start_run(deaf_ledger, dedupe_key="k")
    item_id = uuid7()
    async with run.finish() as finish:
        await add_effect(finish.conn, "a")
        finish.follow_up(RUN_ITEM_TAPS, RunItemTaps("tap_item_insert", [{"id": "x"}]))
        finish.follow_up(INDEX_ITEM, IndexItem([item_id]))
        finish.result = {"outcome": "saved"}
    job = await get_job(deaf_ledger, run.job.id)
    assert (job.status, job.result, job.payload, job.lease_until) == (
        JobStatus.DONE,
        {"outcome": "saved"},
        {},
        None,
    )
    assert job.is_finished
    assert job.finished is not None
    assert await count_effects(deaf_ledger, "a") == 1
    async with deaf_ledger.db.acquire() as conn:
        rows = await conn.fetch(
            "SELECT kind, payload, actor_id, request_id, stage_id, status FROM job WHERE parent_id = $1 ORDER BY kind",
            job.id,
        )
    inherited = (job.actor_id, "request-1", "live", "queued")
    assert [tuple(row) for row in rows] == [
        ("index_item", {"item_ids": [str(item_id)]}, *inherited),
        ("run_item_taps", {"tap": "tap_item_insert", "items": [{"id": "x"}]}, *inherited),
    ]


async def test_nothing_is_kept_of_a_finish_that_fails(deaf_ledger):
    run = await start_run(deaf_ledger)

    async def fail():
        async with run.finish() as finish:
            await add_effect(finish.conn, "a")
            finish.follow_up(INDEX_ITEM, IndexItem([uuid7()]))
            finish.drop_tags("item:1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert not run.is_done
    assert await count_effects(deaf_ledger, "a") == 0
    job = await get_job(deaf_ledger, run.job.id)
    assert (job.status, job.drop_tags) == (JobStatus.RUNNING, None)
    async with deaf_ledger.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job") == 1


async def test_what_comes_after_the_commit_finds_it_done_and_is_over_before_anybody_is_told(ledger):
    heard, seen = Heard(), []
    heard.listen(ledger.bus, "cache-drop", JOB_FINISHED)
    told = asyncio.Event()
    ledger.bus.subscribe(JOB_FINISHED, lambda _: told.set())
    run = await start_run(ledger)

    async def look():
        # From elsewhere, so that only what is committed is seen.
        seen.append((await count_effects(ledger, "a"), (await get_job(ledger, run.job.id)).status))
        await ledger.bus.publish("cache-drop", {"by": "the act"})

    async with run.finish() as finish:
        await add_effect(finish.conn, "a")
        finish.drop_tags("item:1")
        finish.after_commit(look)
        finish.after_commit(look)
        assert seen == []
    await told.wait()
    assert seen == [(1, JobStatus.DONE)] * 2
    assert heard.topics == ["cache-drop"] * 3 + [JOB_FINISHED]
    assert [message.get("by") for _, message in heard.messages[:3]] == ["the act", "the act", None]


async def test_nothing_comes_after_a_commit_that_did_not_happen(deaf_ledger):
    stalled = await start_run(deaf_ledger)
    await take_over(deaf_ledger, stalled.job.id)
    acts = []

    async def note():
        acts.append("done")

    async def finish_late():
        async with stalled.finish() as finish:
            finish.after_commit(note)

    async def fail():
        async with run.finish() as finish:
            finish.after_commit(note)
            raise ZeroDivisionError

    with pytest.raises(LeaseLost):
        await finish_late()
    run = await start_run(deaf_ledger)
    with pytest.raises(ZeroDivisionError):
        await fail()
    assert acts == []


async def finish_with_effect(run):
    async with run.finish() as finish:
        await add_effect(finish.conn, "a")


async def test_a_stalled_worker_cannot_finish_what_another_took_over(deaf_ledger):
    stalled = await start_run(deaf_ledger)
    other = JobRun(deaf_ledger, await take_over(deaf_ledger, stalled.job.id), {})
    with pytest.raises(LeaseLost):
        await finish_with_effect(stalled)
    await finish_with_effect(other)
    with pytest.raises(LeaseLost):
        await finish_with_effect(stalled)
    assert await count_effects(deaf_ledger, "a") == 1


async def test_without_the_fence_the_effect_would_happen_twice(deaf_ledger, monkeypatch):
    """Shows that the test above can fail."""

    async def open_gate(_conn, _job):
        return True

    monkeypatch.setattr(run_module, "lock_attempt", open_gate)
    stalled = await start_run(deaf_ledger)
    other = JobRun(deaf_ledger, await take_over(deaf_ledger, stalled.job.id), {})
    await finish_with_effect(other)
    await finish_with_effect(stalled)
    assert await count_effects(deaf_ledger, "a") == 2


async def test_of_two_finishes_at_once_one_waits_and_is_refused(deaf_ledger):
    """The fence is checked under the row's lock, not before it."""
    run = await start_run(deaf_ledger)
    again = JobRun(deaf_ledger, run.job, {})
    outcomes = await asyncio.gather(
        finish_with_effect(run), finish_with_effect(again), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LeaseLost", "NoneType"]
    assert await count_effects(deaf_ledger, "a") == 1


async def test_a_cancelled_job_cannot_be_finished(deaf_ledger, web_ledger):
    run = await start_run(deaf_ledger)
    assert await cancel_job(web_ledger, run.job.id)
    with pytest.raises(LeaseLost):
        await finish_with_effect(run)
    assert await count_effects(deaf_ledger, "a") == 0


async def test_it_is_too_late_to_cancel_what_is_being_finished(deaf_ledger, web_ledger):
    run = await start_run(deaf_ledger)
    async with run.finish() as finish:
        await add_effect(finish.conn, "a")
        cancelling = asyncio.create_task(cancel_job(web_ledger, run.job.id))
        await asyncio.wait({cancelling}, timeout=0.1)
        assert not cancelling.done()
    assert await cancelling is False
    assert (await get_job(deaf_ledger, run.job.id)).status is JobStatus.DONE


@pytest.mark.parametrize("how", ["report", "finish"])
async def test_the_row_is_not_touched_from_inside_its_own_transaction(deaf_ledger, how):
    run = await start_run(deaf_ledger)
    async with run.finish():
        with pytest.raises(RuntimeError, match="do this before"):
            await (run.report(1, 2, "") if how == "report" else run.finish().__aenter__())
    with pytest.raises(RuntimeError, match="done or paused"):
        await finish_with_effect(run)


async def test_renewing_waits_for_the_finish_and_does_not_mistake_it_for_a_loss(deaf_ledger):
    run = await start_run(deaf_ledger)
    async with run.finish():
        renewal = asyncio.create_task(run.keep_lease())
        await asyncio.wait({renewal}, timeout=0.1)
        assert not renewal.done()
    await renewal


async def test_progress_shows_in_the_row_and_renews_the_lease(deaf_ledger):
    run = await start_run(deaf_ledger)
    await run.report(3, 10, "three of ten")
    job = await get_job(deaf_ledger, run.job.id)
    assert (job.progress_done, job.progress_total, job.progress_note) == (3, 10, "three of ten")
    assert job.lease_until > run.job.lease_until


@pytest.mark.parametrize("loss", ["taken-over", "cancelled"])
@pytest.mark.parametrize("by", ["report", "keep_lease"])
async def test_an_attempt_that_is_over_hears_so(deaf_ledger, loss, by):
    run = await start_run(deaf_ledger)
    if loss == "cancelled":
        await cancel_job(deaf_ledger, run.job.id)
    else:
        await take_over(deaf_ledger, run.job.id)
    with pytest.raises(LeaseLost):
        await (run.report(1, 2, "") if by == "report" else run.keep_lease())


async def test_whoever_hears_that_it_is_done_finds_no_stale_page(ledger):
    """Tags first, then the waiter, then the workers; the row forgets the tags last."""
    heard = Heard()
    heard.listen(ledger.bus, "cache-drop", JOB_FINISHED, WORK_QUEUED)
    arrived = asyncio.Event()
    ledger.bus.subscribe(WORK_QUEUED, lambda _: arrived.set())
    run = await start_run(ledger)
    await arrived.wait()
    arrived.clear()
    heard.messages.clear()
    async with run.finish() as finish:
        finish.drop_tags("item:1", "item:2", "item:1")
        finish.follow_up(INDEX_ITEM, IndexItem([uuid7()]))
    await arrived.wait()
    assert heard.topics == ["cache-drop", JOB_FINISHED, WORK_QUEUED]
    assert heard.messages[1][1] == {"id": str(run.job.id), "status": "done"}
    assert heard.messages[2][1] == {"lane": "background"}
    await ledger.dropped.flush()
    assert (await get_job(ledger, run.job.id)).drop_tags is None
