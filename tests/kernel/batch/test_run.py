"""A batch goes on where it stopped, whatever stopped it: no item is done twice, none is left out."""

import asyncio
from dataclasses import replace

import orjson
import pytest

from kernel.batch import run as batch_run
from kernel.batch.delete_person import DeletePerson
from kernel.batch.export_items import EXPORT_ITEMS
from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.operations import OPERATIONS
from kernel.batch.publish_items import PUBLISH_ITEMS
from kernel.batch.reindex import REINDEX
from kernel.batch.selection import Selection
from kernel.batch.start import start_batch
from kernel.batch.store import list_last_runs
from kernel.context import Context
from kernel.errors import Conflict, Forbidden, LoginRequired
from kernel.ids import uuid7
from kernel.item_type.load import list_item_types
from kernel.jobs import RUN_BATCH, RunBatch
from kernel.ledger.cancel import cancel_job, retry_job
from kernel.ledger.ledger import JOB_PROGRESS
from kernel.ledger.model import JobStatus
from kernel.ledger.submit import submit_job
from tests.fixtures.ledger import get_job, set_job
from tests.kernel.batch.batch_site import build_note

HELD = "018f0000-0000-7000-8000-00000000aaaa"
OTHER_TYPE = "INSERT INTO item_type (type, label) VALUES ('other', 'Other')"
ALL = [f"Note {number}" for number in range(1, 10)]


async def start_import(site, *, held=0, other=0, ctx=None):
    """Nine lines, three to a slice; the one with the number `held` has an id that a test can hold, the one with the
    number `other` another type."""
    lines = [build_note(number) for number in range(1, 10)]
    if held:
        lines[held - 1]["id"] = HELD
    if other:
        lines[other - 1] |= {"type": "other", "fields": {}}
    chunks = ["".join(orjson.dumps(line).decode() + "\n" for line in lines[n : n + 3]) for n in (0, 3, 6)]
    return await site.start(IMPORT_ITEMS, ImportItems(count=9), chunks=chunks, ctx=ctx)


async def expect_all_once(site, job):
    assert (job.status, job.result["done"], job.result["refused"]) == (JobStatus.DONE, 9, 0)
    assert (job.progress_done, job.progress_total) == (9, 9)
    assert sorted(await site.titles()) == ALL
    assert await site.fetch_value("SELECT count(*) FROM item_revision") == 9


def on_progress(site, act):
    """Call `act(done)` whenever a slice is over."""
    return site.rt.bus.subscribe(JOB_PROGRESS, lambda message: act(message["done"]))


@pytest.mark.story("13.7")
async def test_killed_inside_an_open_slice_it_goes_on_at_the_checkpoint(site):
    job_id = await start_import(site, held=5)
    async with site.holding_id(HELD):
        await site.die(job_id, site.until_inserting)
        job = await get_job(site.rt.ledger, job_id)
        assert (job.progress_done, job.progress_total, job.progress_note) == (3, 9, "Importing")
        assert sorted(await site.titles()) == ALL[:3]
    await site.give_up_lease(job_id)
    await expect_all_once(site, await site.attempt(job_id))
    assert (await get_job(site.rt.ledger, job_id)).attempts == 2


async def test_killed_after_every_slice_it_comes_to_its_end(site):
    job_id = await start_import(site)
    for number in (3, 6):
        passed = asyncio.Event()
        unsubscribe = on_progress(site, lambda done, n=number, e=passed: e.set() if done >= n else None)
        await site.die(job_id, passed.wait)
        unsubscribe()
        await site.give_up_lease(job_id)
        if (await get_job(site.rt.ledger, job_id)).is_finished:
            break
    job = await get_job(site.rt.ledger, job_id)
    await expect_all_once(site, job if job.is_finished else await site.attempt(job_id))


@pytest.mark.story("13.7")
async def test_after_its_turn_it_lets_others_have_the_slot(site, monkeypatch):
    monkeypatch.setattr(batch_run, "TURN_S", 0.0)
    job_id = await start_import(site)
    for number in (3, 6, 9):
        before = (await get_job(site.rt.ledger, job_id)).run_at
        job = await site.attempt(job_id)
        assert (job.status, job.progress_done, job.failures) == (JobStatus.QUEUED, number, 0)
        assert job.run_at > before
    job = await site.attempt(job_id)
    await expect_all_once(site, job)
    assert job.attempts == 4


async def test_cancelled_between_slices_it_keeps_what_is_done_and_does_no_more(site):
    job_id = await start_import(site, held=5)
    async with site.holding_id(HELD):
        attempt = asyncio.create_task(site.attempt(job_id))
        await site.until_inserting()
        # Waits for the slice that is open, which is committed.
        cancelling = asyncio.create_task(cancel_job(site.rt.ledger, job_id))
        await site.until_waiting("SET cancel_requested")
    assert await cancelling
    job = await attempt
    assert (job.status, job.progress_done, job.payload) == (JobStatus.CANCELLED, 6, {})
    assert sorted(await site.titles()) == ALL[:6]
    assert (job.cursor["operation"], job.cursor["arguments"]["count"]) == ("import_items", 9)


@pytest.mark.parametrize("when", ["before", "meanwhile", "worker gone"])
async def test_of_a_cancelled_import_no_line_is_kept(site, when):
    job_id = await start_import(site, held=5)
    if when == "before":
        await cancel_job(site.rt.ledger, job_id)
        job = await site.attempt(job_id)
    else:
        async with site.holding_id(HELD):
            attempt = asyncio.create_task(site.attempt(job_id))
            await site.until_inserting()
            cancelling = asyncio.create_task(cancel_job(site.rt.ledger, job_id))
            if when == "worker gone":
                attempt.cancel()
                await asyncio.gather(attempt, return_exceptions=True)
        await cancelling
        if when == "worker gone":
            await site.give_up_lease(job_id)
            job = await get_job(site.rt.ledger, job_id)
        else:
            job = await attempt
    assert (job.status, job.payload) == (JobStatus.CANCELLED, {})
    assert await site.fetch_value("SELECT count(*) FROM job_chunk") == 0


async def test_an_attempt_whose_lease_is_lost_writes_no_further_slice(site):
    job_id = await start_import(site, held=5)
    async with site.holding_id(HELD):
        first = asyncio.create_task(site.attempt(job_id))
        await site.until_inserting()
        taking = asyncio.create_task(set_job(site.rt.ledger, job_id, "attempts = attempts + 1"))
        await site.until_waiting("attempts = attempts + 1")
    await taking
    await first
    assert sorted(await site.titles()) == ALL[:6]
    await site.give_up_lease(job_id)
    await expect_all_once(site, await site.attempt(job_id))


async def find_last_run(site, operation):
    async with site.rt.db.acquire() as conn:
        return (await list_last_runs(conn, [operation.name])).get(operation.name)


@pytest.mark.story("13.7")
async def test_completion_is_called_back_once_and_in_the_transaction_that_ends_the_batch(site):
    await site.import_lines([build_note(number) for number in range(3)])
    await site.run(REINDEX, Selection())
    earlier = await find_last_run(site, REINDEX)
    job_id = await site.start(REINDEX, Selection())
    async with site.holding("UPDATE variable SET value = value WHERE name = 'batch_last_run_reindex'"):
        await site.die(job_id, lambda: site.until_waiting("INSERT INTO variable"))
        job = await get_job(site.rt.ledger, job_id)
        assert (job.status, job.cursor["is_over"]) == (JobStatus.RUNNING, True)
        assert await find_last_run(site, REINDEX) == earlier
    await site.give_up_lease(job_id)
    assert (await site.attempt(job_id)).status is JobStatus.DONE
    called = await find_last_run(site, REINDEX)
    assert (called["job"], called["done"], called["at"] > earlier["at"]) == (str(job_id), 3, True)
    await site.attempt(job_id)
    assert await find_last_run(site, REINDEX) == called


async def test_a_slice_that_keeps_failing_ends_the_batch_and_a_retry_goes_on_there(site):
    """The type of one line stands in the process and not in the database."""
    await site.fetch(OTHER_TYPE)
    await list_item_types(site.rt, site.ctx)
    await site.fetch("DELETE FROM item_type WHERE type = 'other'")
    job_id = await start_import(site, other=5)
    for tries in range(1, 6):
        job = await site.attempt(job_id)
        assert (job.failures, job.progress_done) == (tries, 3)
        await set_job(site.rt.ledger, job_id, "run_at = now()")
    assert job.status is JobStatus.DEAD
    assert "Note 5" not in str(job.error)
    await site.fetch(OTHER_TYPE)
    assert await retry_job(site.rt.ledger, job_id)
    await expect_all_once(site, await site.attempt(job_id))


async def test_a_right_that_is_taken_away_in_the_middle_ends_it_there(site, monkeypatch):
    monkeypatch.setattr(batch_run, "TURN_S", 0.0)
    ctx = await site.make_actor("ed", "administer content", "create note content")
    job_id = await start_import(site, ctx=ctx)
    assert (await site.attempt(job_id)).progress_done == 3
    await site.fetch("DELETE FROM users_roles")
    await site.rt.cache.drop(["permissions"])
    job = await site.attempt(job_id)
    assert (job.status, job.result["outcome"], job.result["done"]) == (JobStatus.DONE, "forbidden", 3)
    assert sorted(await site.titles()) == ALL[:3]


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_batch_of_nothing_is_done(site, name):
    given = {"import_items": ImportItems(0), "delete_person": DeletePerson(uuid7(), "nobody", "keep")}
    job = await site.run(OPERATIONS[name], given.get(name) or Selection())
    assert (job.status, job.result["outcome"], job.result["done"]) == (JobStatus.DONE, "done", 0)
    assert (job.progress_done, job.progress_total) == (0, 0)


async def test_who_may_not_do_it_cannot_start_it(site):
    with pytest.raises(LoginRequired):
        await site.start(REINDEX, Selection(), ctx=Context())
    with pytest.raises(Forbidden):
        await site.start(REINDEX, Selection(), ctx=await site.make_actor("ed", "access content overview"))
    with pytest.raises(TypeError, match="import_items takes ImportItems"):
        await site.start(IMPORT_ITEMS, Selection())
    assert await site.fetch_value("SELECT count(*) FROM job") == 0


async def test_items_are_changed_on_the_live_site_alone(site):
    staged = replace(site.ctx, stage_id="draft")
    await site.fetch("INSERT INTO stage (id, label) VALUES ('draft', 'Draft')")
    with pytest.raises(Conflict):
        await start_batch(site.rt, staged, PUBLISH_ITEMS, Selection())
    forced = await submit_job(site.rt.ledger, staged, RUN_BATCH, RunBatch("publish_items", {}))
    job = await site.attempt(forced)
    assert (job.status, job.result["outcome"]) == (JobStatus.DONE, "invalid")
    assert (await site.run(EXPORT_ITEMS, Selection(), ctx=staged)).result["outcome"] == "done"


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        pytest.param(RunBatch("polish_items", {}), JobStatus.QUEUED, id="operation-of-a-newer-release"),
        pytest.param(RunBatch("reindex", {"colour": "red"}), JobStatus.FAILED, id="unknown-argument"),
        pytest.param(RunBatch("reindex", {"types": "note"}), JobStatus.FAILED, id="argument-of-another-type"),
    ],
)
async def test_what_cannot_be_understood_is_an_error(site, payload, status):
    job = await site.attempt(await submit_job(site.rt.ledger, site.ctx, RUN_BATCH, payload))
    assert job.status is status
    assert job.error is not None
