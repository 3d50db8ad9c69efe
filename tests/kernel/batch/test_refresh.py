"""All kept pages are forgotten: those of items slice by slice, the listings when the last item's page is."""

from kernel.batch import run as batch_run
from kernel.batch.refresh_pages import REFRESH_PAGES
from kernel.batch.selection import SLICE, Selection
from tests.kernel.batch.batch_site import build_note


async def keep(site, *tags):
    cache = site.rt.cache
    for tag in tags:
        await cache.put(f"page {tag}", b"old", [tag], 60, cache.generation())


async def list_kept(site, *tags):
    return [tag for tag in tags if await site.rt.cache.get(f"page {tag}") is not None]


async def test_the_pages_of_every_item_and_every_listing_are_forgotten(site):
    await site.import_lines([build_note(1), build_note(2, status=False)])
    ids = [row["id"] for row in await site.fetch("SELECT id FROM item")]
    tags = [
        f"item:{ids[0]}",
        f"item:{ids[1]}",
        "items",
        "items:note",
        "items:page",
        "item_types",
        "plugin_pages",
        "fragments",
    ]
    await keep(site, *tags, "user:1")
    job = await site.run(REFRESH_PAGES, Selection())
    assert job.result["done"] == 2
    assert await list_kept(site, *tags, "user:1") == ["user:1"]


async def test_listings_are_kept_until_the_last_item_is_done(site, monkeypatch):
    monkeypatch.setattr(batch_run, "TURN_S", 0.0)
    await site.import_lines([build_note(number) for number in range(SLICE + 1)])
    ids = [row["id"] for row in await site.fetch("SELECT id FROM item ORDER BY id")]
    tags = [f"item:{ids[0]}", f"item:{ids[-1]}", "items:note"]
    await keep(site, *tags)
    job_id = await site.start(REFRESH_PAGES, Selection())
    await site.attempt(job_id)
    assert await list_kept(site, *tags) == tags[1:]
    await site.attempt(job_id)
    assert await list_kept(site, *tags) == tags[2:]
    await site.attempt(job_id)
    assert await list_kept(site, *tags) == []


async def test_no_item_is_changed(site):
    await site.import_lines([build_note(1)])
    before = await site.fetch("SELECT * FROM item")
    await site.run(REFRESH_PAGES, Selection())
    assert await site.fetch("SELECT * FROM item") == before
