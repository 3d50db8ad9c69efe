"""Many items are deleted with all that belongs to them; what was changed meanwhile stays."""

from kernel.batch.delete_items import DELETE_ITEMS
from kernel.batch.lines import build_chunks
from kernel.batch.selection import Selection, write_listed
from kernel.ids import uuid7
from tests.kernel.batch.batch_site import build_note


async def list_ids(site):
    return [row["id"] for row in await site.fetch("SELECT id FROM item ORDER BY id")]


async def test_all_that_match_are_gone_with_their_revisions(site):
    await site.import_lines([build_note(number) for number in range(250)] + [build_note(title="Kept")])
    job = await site.run(DELETE_ITEMS, Selection(types=["note"], text="note "))
    assert (job.result["done"], job.result["refused"], job.progress_total) == (250, 0, 250)
    assert await site.titles() == ["Kept"]
    assert await site.fetch_value("SELECT count(*) FROM item_revision") == 1


async def test_one_that_is_gone_already_counts_as_deleted(site):
    await site.import_lines([build_note(1)])
    lines = [write_listed(uuid7(), None), write_listed((await list_ids(site))[0], None)]
    job = await site.run(DELETE_ITEMS, Selection(listed=2), chunks=build_chunks(lines))
    assert (job.result["done"], job.result["refused"]) == (2, 0)
    assert await site.titles() == []


async def test_only_what_the_actor_may_delete_and_has_seen_goes(site):
    ctx = await site.make_actor(
        "ed", "access content overview", "delete own note content", "edit any note content"
    )
    await site.import_lines([build_note(1), build_note(2, author="ed"), build_note(3, author="ed")])
    ids = await list_ids(site)
    lines = [write_listed(ids[0], None), write_listed(ids[1], uuid7()), write_listed(ids[2], None)]
    job = await site.run(DELETE_ITEMS, Selection(listed=3), chunks=build_chunks(lines), ctx=ctx)
    assert (job.result["done"], job.result["refused"]) == (1, 2)
    assert await site.problems(job) == [
        (1, "You may not delete this item."),
        (2, "Somebody changed this item since you chose it."),
    ]
    assert await list_ids(site) == ids[:2]


async def test_their_pages_and_listings_are_forgotten(site):
    await site.import_lines([build_note(1)])
    cache = site.rt.cache
    (item_id,) = await list_ids(site)
    await cache.put("page", b"old", [f"item:{item_id}"], 60, cache.generation())
    await cache.put("list", b"old", ["items:note"], 60, cache.generation())
    await site.run(DELETE_ITEMS, Selection())
    assert (await cache.get("page"), await cache.get("list")) == (None, None)
