"""The search index is made anew from what stands in the rows; one item that does not fit costs itself alone."""

import asyncio

from kernel.batch.reindex import REINDEX
from kernel.batch.selection import Selection
from kernel.batch.store import list_last_runs
from kernel.ids import uuid7
from tests.kernel.batch.batch_site import build_note

FOUND = "SELECT count(*) FROM item WHERE search_vector @@ to_tsquery('simple', $1)"


async def test_every_item_is_found_again_under_what_it_says(site):
    await site.import_lines([build_note(number) for number in range(250)])
    await site.fetch("UPDATE item SET search_vector = ''")
    job = await site.run(REINDEX, Selection())
    assert (job.result["done"], job.progress_done, job.progress_total) == (250, 250, 250)
    assert await site.fetch_value(FOUND, "words") == 250


async def test_a_change_of_what_is_searched_reaches_the_items(site):
    await site.import_lines([build_note(1), build_note(2, fields={"field_place": {"value": "Paris"}})])
    assert await site.fetch_value(FOUND, "paris") == 0
    await site.fetch("INSERT INTO search_field_config VALUES ('note', 'field_place', 'B')")
    await site.run(REINDEX, Selection())
    assert await site.fetch_value(FOUND, "paris") == 1


async def test_what_is_as_it_should_be_is_not_written(site):
    await site.import_lines([build_note(1)])
    before = await site.fetch("SELECT ctid, xmin FROM item")
    await site.run(REINDEX, Selection())
    assert await site.fetch("SELECT ctid, xmin FROM item") == before


async def test_an_item_with_more_words_than_an_index_holds_is_named_and_the_others_are_indexed(site):
    fields = [{"name": f"field_{n}", "label": f"{n}", "kind": "text_long"} for n in range(6)]
    await site.fetch(
        "INSERT INTO item_type (type, label, settings) VALUES ('tome', 'Tome', $1)", {"fields": fields}
    )
    tome = {
        field["name"]: {"value": " ".join(f"{field['name'][-1]}{n:x}zqx" for n in range(20_000))}
        for field in fields
    }
    await site.import_lines([build_note(1), {"type": "tome", "title": "Tome", "fields": tome}, build_note(3)])
    for field in fields:
        await site.fetch("INSERT INTO search_field_config VALUES ('tome', $1, 'C')", field["name"])
    await site.fetch("UPDATE item SET search_vector = ''")
    job = await site.run(REINDEX, Selection())
    assert (job.result["done"], job.result["refused"]) == (2, 1)
    ((number, message),) = await site.problems(job)
    assert (number, message[:38]) == (2, "Its words do not fit into the index: s")
    assert await site.fetch_value(FOUND, "note") == 2
    # When the item has become shorter it alone is tried again.
    await site.fetch("UPDATE item SET fields = '{}', search_vector = '' WHERE type = 'tome'")
    again = await site.run(REINDEX, Selection(retry_of=job.id, retried=1))
    assert (again.result["done"], again.result["refused"]) == (1, 0)
    assert await site.fetch_value(FOUND, "tome") == 1
    # Which is not said to be the last time that the index was made anew.
    async with site.rt.db.acquire() as conn:
        assert (await list_last_runs(conn, ["reindex"]))["reindex"]["job"] == str(job.id)


async def test_an_item_that_is_saved_meanwhile_is_left_to_its_save(site):
    await site.import_lines([build_note(1)])
    await site.fetch("UPDATE item SET search_vector = ''")
    job_id = await site.start(REINDEX, Selection())
    async with site.rt.db.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute("SELECT FROM item FOR UPDATE")
        attempt = asyncio.create_task(site.attempt(job_id))
        await site.until_waiting("FOR NO KEY UPDATE")
        revision = uuid7()
        await conn.execute(
            "INSERT INTO item_revision (id, item_id, title, status, fields, author_id)"
            " SELECT $1, id, title, status, fields, author_id FROM item",
            revision,
        )
        await conn.execute("UPDATE item SET current_revision_id = $1", revision)
        await transaction.commit()
    assert (await attempt).result["refused"] == 0
    assert await site.fetch_value("SELECT search_vector::text FROM item") == ""
