"""What is exported and imported again is what it was; nobody exports what they may not see."""

import io
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.batch.delete_items import DELETE_ITEMS
from kernel.batch.export_items import EXPORT_ITEMS
from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.lines import CHUNK_LINES, build_chunks, read_lines, split_chunk
from kernel.batch.selection import Selection, write_listed
from tests.kernel.batch.batch_site import build_note

# Lower case is not the same to Python and to PostgreSQL.
NAME = "Änne İ"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), min_size=1, max_size=40)
WORDS = TEXT.filter(str.strip)
FIELDS = st.fixed_dictionaries(
    {"field_place": WORDS.map(lambda text: {"value": text})},
    optional={
        "field_body": st.builds(
            lambda text, chosen: {"value": text, "format": chosen},
            WORDS,
            st.sampled_from(["plain_text", "filtered_html", "full_html"]),
        ),
        "field_count": st.integers(-(2**53 - 1), 2**53 - 1).map(lambda number: {"value": number}),
        "field_open": st.booleans().map(lambda flag: {"value": flag}),
        "field_day": st.dates().map(lambda day: {"value": day.isoformat()}),
    },
)
MOMENTS = st.integers(-2_000_000_000, 7_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
NOTES = st.builds(
    lambda **line: {"type": "note", **line},
    title=WORDS,
    author=st.sampled_from(["ada", "ADA", NAME, ""]),
    status=st.booleans(),
    promote=st.booleans(),
    sticky=st.booleans(),
    created=MOMENTS.map(lambda moment: moment.isoformat()),
    fields=FIELDS,
)


async def read_output(site, job):
    rows = await site.fetch(
        "SELECT content FROM job_chunk WHERE job_id = $1 AND part = 'output' ORDER BY number", job.id
    )
    return "".join(row["content"] for row in rows)


async def export(site, selection=None, ctx=None):
    job = await site.run(EXPORT_ITEMS, selection or Selection(), ctx=ctx)
    assert job.result["outcome"] == "done"
    return job, [orjson.loads(line) for line in split_chunk(await read_output(site, job))]


async def read_content(site):
    """Everything of the items that does not say when and by whom it was written there."""
    return await site.fetch(
        "SELECT i.id, i.type, i.title, i.author_id, i.status, i.promote, i.sticky, i.created, i.changed, i.fields,"
        " i.search_vector::text, r.title AS revised, r.fields AS revised_fields FROM item i"
        " JOIN item_revision r ON r.id = i.current_revision_id ORDER BY i.id"
    )


@pytest.mark.timeout(60)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(notes=st.lists(NOTES, min_size=1, max_size=12))
async def test_export_delete_and_import_restore_the_same_content(site, notes):
    if not await site.fetch_value("SELECT count(*) FROM users WHERE name = $1", NAME):
        await site.make_actor(NAME)
    first = await site.import_lines(notes)
    assert await site.problems(first) == []
    content = await read_content(site)
    job, lines = await export(site)
    assert len(content) == len(lines) == job.result["done"] == len(notes)
    output = await read_output(site, job)
    assert (await site.run(DELETE_ITEMS, Selection())).result["done"] == len(notes)
    assert await read_content(site) == []
    texts = list(read_lines(io.BytesIO(output.encode())))
    again = await site.run(IMPORT_ITEMS, ImportItems(len(texts)), chunks=build_chunks(texts))
    assert await site.problems(again) == []
    assert await read_content(site) == content
    await site.run(DELETE_ITEMS, Selection())


async def test_the_lines_are_those_that_match_in_the_order_of_their_ids(site):
    await site.import_lines([build_note(number, status=number % 2 == 0) for number in range(250)])
    job, lines = await export(site, Selection(status=1, text="Note 1"))
    ids = [line["id"] for line in lines]
    assert ids == sorted(ids)
    expected = [n for n in range(250) if n % 2 == 0 and str(n).startswith("1")]
    assert [line["title"] for line in lines] == [f"Note {number}" for number in expected]
    assert (job.progress_done, job.progress_total) == (len(expected),) * 2


async def test_listed_ones_are_exported_each_once_whatever_else_is_listed(site):
    """More than one chunk of them, and slices that have nothing to write."""
    await site.import_lines([build_note(number) for number in range(CHUNK_LINES + 20)])
    ids = [row["id"] for row in await site.fetch("SELECT id FROM item ORDER BY id")]
    await site.fetch("DELETE FROM item WHERE id = ANY($1)", ids[:CHUNK_LINES])
    lines = [write_listed(item_id, None) for item_id in ids]
    job = await site.run(EXPORT_ITEMS, Selection(listed=len(lines)), chunks=build_chunks(lines))
    written = [orjson.loads(line)["id"] for line in split_chunk(await read_output(site, job))]
    assert written == [str(item_id) for item_id in ids[CHUNK_LINES:]]
    assert job.result["done"] == 20


async def test_what_the_actor_may_not_see_is_left_out_and_not_counted(site):
    ctx = await site.make_actor("ed", "administer content", "access content")
    await site.import_lines(
        [build_note(1), build_note(2, status=False), build_note(3, status=False, author="ed")]
    )
    job, lines = await export(site, ctx=ctx)
    assert [line["title"] for line in lines] == ["Note 1", "Note 3"]
    assert (job.result["done"], job.progress_total) == (2, 2)


async def test_an_export_that_is_killed_writes_every_item_once(site, monkeypatch):
    monkeypatch.setattr("kernel.batch.run.TURN_S", 0.0)
    await site.import_lines([build_note(number) for number in range(250)])
    job_id = await site.start(EXPORT_ITEMS, Selection())
    await site.attempt(job_id)
    async with site.holding("SELECT FROM job WHERE id = $1 FOR KEY SHARE", job_id):
        await site.die(job_id, lambda: site.until_waiting("FOR UPDATE"))
    await site.give_up_lease(job_id)
    job = await site.attempt(job_id)
    while not job.is_finished:
        job = await site.attempt(job_id)
    titles = [orjson.loads(line)["title"] for line in split_chunk(await read_output(site, job))]
    assert titles == [f"Note {number}" for number in range(250)]
