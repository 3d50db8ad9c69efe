"""Many items are published and unpublished, each with a revision; what somebody else changed is left alone."""

import asyncio
from uuid import UUID

import pytest

from kernel.batch.lines import build_chunks
from kernel.batch.publish_items import PUBLISH_ITEMS, UNPUBLISH_ITEMS
from kernel.batch.selection import Selection, write_listed
from kernel.ids import uuid7
from kernel.ledger.model import JobStatus
from tests.kernel.batch.batch_site import build_note
from web.batch_view import describe_batch

CHANGED = "UPDATE item SET current_revision_id = $1, title = 'Somebody else was here' WHERE id = $2"


async def list_items(site):
    return await site.fetch(
        "SELECT i.id, i.title, i.status, i.changed, i.current_revision_id AS revision,"
        " r.status AS revised, r.log_message, r.author_id AS editor, i.created FROM item i"
        " JOIN item_revision r ON r.id = i.current_revision_id"
        " ORDER BY i.id"
    )


async def choose(site, operation, *chosen, ctx=None):
    """Each is an id, or an id and a revision."""
    lines = [write_listed(*one) if isinstance(one, tuple) else write_listed(one, None) for one in chosen]
    return await site.run(operation, Selection(listed=len(lines)), chunks=build_chunks(lines), ctx=ctx)


async def change_behind_its_back(site, item_id):
    """As a save does, with all that a save leaves."""
    async with site.rt.db.transaction() as tx:
        revision = uuid7()
        await tx.conn.execute(CHANGED, revision, item_id)
        await tx.conn.execute(
            "INSERT INTO item_revision (id, item_id, title, status, fields, author_id)"
            " SELECT current_revision_id, id, title, status, fields, author_id FROM item WHERE id = $1",
            item_id,
        )
    return revision


async def test_all_that_match_are_changed_and_have_a_revision_that_says_so(site):
    await site.import_lines([build_note(number, status=number > 250) for number in range(300)])
    before = {row["id"]: row for row in await list_items(site)}
    job = await site.run(PUBLISH_ITEMS, Selection(status=0))
    assert (job.result["done"], job.result["refused"]) == (251, 0)
    assert (job.progress_done, job.progress_total) == (251, 251)
    after = await list_items(site)
    assert {row["status"] for row in after} == {row["revised"] for row in after} == {1}
    changed = [row for row in after if row["revision"] != before[row["id"]]["revision"]]
    assert len(changed) == 251
    assert {(row["log_message"], row["editor"]) for row in changed} == {
        ("Published together with others", site.ctx.actor.id)
    }
    assert all(row["changed"] > before[row["id"]]["changed"] for row in changed)
    assert [row["created"] for row in after] == [before[row["id"]]["created"] for row in after]
    assert await site.fetch_value("SELECT count(*) FROM item_revision") == 300 + 251


async def test_what_has_the_status_already_is_left_as_it_is(site):
    await site.import_lines([build_note(1)])
    before = await list_items(site)
    # Even when it was changed since it was chosen: what was asked for is so.
    job = await choose(site, PUBLISH_ITEMS, (before[0]["id"], uuid7()))
    assert (job.result["done"], job.result["refused"], job.result["unchanged"]) == (1, 0, 1)
    assert await list_items(site) == before


async def test_how_many_had_the_status_already_is_counted_and_told(site):
    await site.import_lines([build_note(number, status=number > 10) for number in range(230)])
    job = await site.run(PUBLISH_ITEMS, Selection())
    assert (job.result["done"], job.result["unchanged"]) == (230, 219)
    told = describe_batch(site.ctx, job)
    assert (told["good"], told["message"]) == (230, "11 items were published. 219 were published already.")
    again = await site.run(PUBLISH_ITEMS, Selection())
    assert describe_batch(site.ctx, again)["message"] == "230 items were published already."


async def test_each_item_that_is_refused_is_named_with_the_reason(site):
    ctx = await site.make_actor("ed", "access content overview", "edit own note content")
    await site.import_lines([build_note(1), build_note(2, author="ed"), build_note(3, author="ed")])
    foreign, mine, stale = [row["id"] for row in await list_items(site)]
    seen = {row["id"]: row["revision"] for row in await list_items(site)}
    await change_behind_its_back(site, stale)
    gone = uuid7()
    job = await choose(
        site,
        UNPUBLISH_ITEMS,
        (foreign, seen[foreign]),
        (mine, seen[mine]),
        (stale, seen[stale]),
        gone,
        ctx=ctx,
    )
    assert (job.result["done"], job.result["refused"]) == (1, 3)
    assert await site.fetch("SELECT number, ref, message FROM job_problem ORDER BY number") == [
        {"number": 1, "ref": str(foreign), "message": "You may not edit this item."},
        {"number": 3, "ref": str(stale), "message": "Somebody changed this item since you chose it."},
        {"number": 4, "ref": str(gone), "message": "This item was deleted meanwhile."},
    ]
    assert [row["status"] for row in await list_items(site)] == [1, 0, 1]


async def test_of_a_filter_what_was_saved_after_the_start_is_left_alone(site):
    await site.import_lines([build_note(1), build_note(2)])
    first, _ = [row["id"] for row in await list_items(site)]
    job_id = await site.start(UNPUBLISH_ITEMS, Selection())
    await change_behind_its_back(site, first)
    job = await site.attempt(job_id)
    assert job.result["refused"] == 1
    assert await site.problems(job) == [(1, "Somebody changed this item after you started this.")]
    assert [row["status"] for row in await list_items(site)] == [1, 0]


@pytest.mark.parametrize("what", ["changed", "deleted"])
async def test_a_save_between_reading_and_writing_wins(site, what):
    await site.import_lines([build_note(1), build_note(2)])
    first, second = [row["id"] for row in await list_items(site)]
    job_id = await site.start(UNPUBLISH_ITEMS, Selection())
    async with site.rt.db.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute("SELECT FROM item WHERE id = $1 FOR UPDATE", first)
        attempt = asyncio.create_task(site.attempt(job_id))
        await site.until_waiting("FOR UPDATE")
        if what == "deleted":
            await conn.execute("DELETE FROM item WHERE id = $1", first)
        else:
            revision = uuid7()
            await conn.execute(CHANGED, revision, first)
            await conn.execute(
                "INSERT INTO item_revision (id, item_id, title, status, fields, author_id)"
                " SELECT $1, id, title, status, fields, author_id FROM item WHERE id = $2",
                revision,
                first,
            )
        await transaction.commit()
    job = await attempt
    message = (
        "This item was deleted meanwhile." if what == "deleted" else "Somebody changed this item just now."
    )
    assert await site.problems(job) == [(1, message)]
    assert await site.fetch_value("SELECT status FROM item WHERE id = $1", second) == 0


async def test_two_batches_over_the_same_items_in_opposite_orders_both_end(site):
    await site.import_lines([build_note(number, status=number % 2 == 0) for number in range(150)])
    ids = [row["id"] for row in await list_items(site)]
    lines = [write_listed(item_id, None) for item_id in ids]
    arguments = Selection(listed=len(lines))
    started = [
        await site.start(PUBLISH_ITEMS, arguments, chunks=build_chunks(lines)),
        await site.start(UNPUBLISH_ITEMS, arguments, chunks=build_chunks(lines[::-1])),
    ]
    jobs = await asyncio.gather(*map(site.attempt, started))
    assert [(job.status, job.failures, job.progress_done) for job in jobs] == [(JobStatus.DONE, 0, 150)] * 2
    assert await site.fetch_value("SELECT count(*) FROM item_revision WHERE item_id <> ALL($1)", ids) == 0
    assert (
        await site.fetch_value(
            "SELECT count(*) FROM item i JOIN item_revision r ON r.id = i.current_revision_id WHERE r.status = i.status"
        )
        == 150
    )


async def test_pages_are_forgotten_with_the_slice(site):
    await site.import_lines([build_note(1)])
    (item_id,) = [row["id"] for row in await list_items(site)]
    cache = site.rt.cache
    for tag in (f"item:{item_id}", "items", "items:note"):
        await cache.put(f"page {tag}", b"old", [tag], 60, cache.generation())
    await site.run(UNPUBLISH_ITEMS, Selection())
    assert [await cache.get(f"page {tag}") for tag in (f"item:{item_id}", "items", "items:note")] == [
        None
    ] * 3


async def test_no_pages_are_left_to_the_sweeper_however_many_slices_there_are(site):
    await site.import_lines([build_note(number) for number in range(450)])
    await site.run(UNPUBLISH_ITEMS, Selection())
    assert await site.fetch("SELECT kind FROM job WHERE drop_tags IS NOT NULL") == []


async def test_what_was_refused_is_tried_again_whatever_revision_there_is_now(site):
    await site.import_lines([build_note(1), build_note(2)])
    first, second = [row["id"] for row in await list_items(site)]
    refused = await choose(site, UNPUBLISH_ITEMS, (first, uuid7()), (UUID(int=5), None), (second, uuid7()))
    assert refused.result["refused"] == 3
    again = await site.run(UNPUBLISH_ITEMS, Selection(retry_of=refused.id, retried=3))
    assert (again.result["done"], again.result["refused"]) == (2, 1)
    assert [row["status"] for row in await list_items(site)] == [0, 0]
    assert await site.problems(again) == [(2, "This item was deleted meanwhile.")]
