"""Plugins that write while many items are worked: in an import, and when the search index is made anew."""

import json

import pytest

from kernel.batch.reindex import REINDEX
from kernel.batch.selection import Selection
from kernel.context import Actor, Context
from kernel.jobs import INDEX_ITEM, IndexItem
from kernel.user.account import create_user
from tests.kernel.batch.batch_site import BatchSite

FIELDS = [{"name": "field_body", "label": "Body", "kind": "text_long"}]


@pytest.fixture
async def site(writers):
    async with writers.rt.db.acquire() as conn:
        await conn.execute(
            "INSERT INTO item_type (type, label, settings) VALUES ('note', 'Note', $1)", {"fields": FIELDS}
        )
    admin = await create_user(writers.rt.db, name="ada", password=None, is_admin=True)
    return BatchSite(writers.rt, Context(actor=Actor(id=admin.id, name="ada", is_admin=True)))


def line(note, *more, **options):
    body = json.dumps([["insert", "vote", {"note": note}], *more])
    return {"type": "note", "title": note, "fields": {"field_body": {"value": body}}, **options}


async def test_an_import_brings_what_plugins_wrote_for_the_items_that_came_in(site, writers):
    """A plugin that fails over one, and a line that is refused after it was asked about, leave nothing."""
    taken = "0190a000-0000-7000-8000-000000000001"
    await site.import_lines([line("a", id=taken)])
    job = await site.import_lines([line("again", id=taken), line("b"), line("c", ["fail"]), line("d")])
    assert (job.result["done"], job.result["refused"]) == (3, 1)
    assert await writers.notes("first") == await writers.notes("second") == ["a", "b", "d"]


async def test_the_index_brings_what_plugins_wrote(site, writers):
    await site.import_lines([line("a"), line("b", ["fail"])])
    await site.run(REINDEX, Selection())
    assert await writers.notes() == ["a", "a"]
    items = await site.fetch("SELECT id FROM item")
    await writers.run(INDEX_ITEM, IndexItem([row["id"] for row in items]))
    assert await writers.notes() == ["a", "a", "a"]
