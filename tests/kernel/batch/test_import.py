"""Items come in from lines of JSON; whatever is wrong with a line is told, and costs no other line."""

import asyncio
import io
from uuid import UUID

import orjson
import pytest

from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.lines import LINE_MAX, build_chunks, read_lines
from kernel.errors import BadInput
from kernel.ids import uuid7
from kernel.ledger.model import JobStatus
from tests.kernel.batch.batch_site import build_note

ID = "018f0000-0000-7000-8000-000000000001"


async def test_good_lines_become_items_with_a_revision_that_are_found(site):
    job = await site.import_lines([build_note(number) for number in range(450)])
    assert (job.status, job.result["outcome"]) == (JobStatus.DONE, "done")
    assert (job.result["done"], job.result["refused"]) == (450, 0)
    assert (job.progress_done, job.progress_total) == (450, 450)
    rows = await site.fetch(
        "SELECT i.title, r.title AS revised, r.log_message, r.author_id, i.author_id AS owner FROM item i"
        " JOIN item_revision r ON r.id = i.current_revision_id WHERE i.search_vector @@ 'words:C'::tsquery"
    )
    assert (
        {row["title"] for row in rows}
        == {row["revised"] for row in rows}
        == {f"Note {number}" for number in range(450)}
    )
    assert {row["log_message"] for row in rows} == {"Imported"}
    assert {row["author_id"] for row in rows} == {row["owner"] for row in rows} == {site.ctx.actor.id}
    assert await site.fetch_value("SELECT count(*) FROM job_chunk") == 0


async def test_everything_that_a_line_may_say_is_kept(site):
    author = await site.make_actor("Grace")
    line = {
        "id": ID,
        "type": "note",
        "title": "  All   of it ",
        "author": "grace",
        "status": False,
        "promote": True,
        "sticky": True,
        "created": "2020-02-29T12:00:00+02:00",
        "changed": "2021-01-01T00:00:00Z",
        "fields": {
            "field_place": "Rome",
            "field_body": {"value": "<p>x</p>", "format": "full_html"},
            "field_count": {"value": 9007199254740991},
            "field_open": {"value": False},
            "field_day": {"value": "2026-03-31"},
        },
    }
    job = await site.import_lines([line])
    assert await site.problems(job) == []
    (row,) = await site.fetch("SELECT * FROM item")
    assert row["id"] == UUID(ID)
    assert (row["title"], row["status"], row["promote"], row["sticky"]) == ("All of it", 0, True, True)
    assert row["author_id"] == author.actor.id
    assert (row["created"].isoformat(), row["changed"].isoformat()) == (
        "2020-02-29T10:00:00+00:00",
        "2021-01-01T00:00:00+00:00",
    )
    assert row["fields"] == {**line["fields"], "field_place": {"value": "Rome"}}


NOTE = build_note()
BAD_LINES = {
    "no-json": ('{"type": "note"', "This is not JSON"),
    "no-object": ("[1]", "A line must be a JSON object"),
    "nan": ('{"type": "note", "title": NaN}', "This is not JSON"),
    "deep": ("[" * 100_000, "This is not JSON"),
    "deep-in-a-field": (
        '{"type": "note", "title": "x", "fields": {"field_place": ' + "[" * 900 + "]" * 900 + "}}",
        "field_place: Place must be text.",
    ),
    "lone-surrogate": ('{"type": "note", "title": "\\ud800"}', "This is not JSON"),
    "escaped-nul": ({**NOTE, "title": "a\x00b"}, "title: The title holds a character that cannot be stored."),
    "escaped-nul-in-a-key": (
        {**NOTE, "fields": {"field_\x00": 1}},
        "field_\ufffd: The type Note has no such field.",
    ),
    "unknown-key": ({**NOTE, "colour": "red"}, "There is no key 'colour'. A line has: id, type,"),
    "unknown-type": ({**NOTE, "type": "poem"}, "There is no item type 'poem'. This site has: "),
    "no-type": ({"title": "x"}, "type must name an item type."),
    "type-is-a-number": ({**NOTE, "type": 7}, "type must name an item type."),
    "no-title": ({"type": "note", "fields": NOTE["fields"]}, "title: The title must be text."),
    "required-field-missing": ({**NOTE, "fields": {}}, "field_place: Place is required."),
    "fields-is-a-list": ({**NOTE, "fields": []}, "fields must be an object"),
    "unknown-format": (
        {**NOTE, "fields": {**NOTE["fields"], "field_body": {"value": "x", "format": "php"}}},
        "field_body: The text format must be one of",
    ),
    "number-too-large": (
        {**NOTE, "fields": {**NOTE["fields"], "field_count": 2**53}},
        "field_count: Count must be a whole number.",
    ),
    "no-date": (
        {**NOTE, "fields": {**NOTE["fields"], "field_day": "31.3.2026"}},
        "field_day: Day must be a date",
    ),
    "bad-id": ({**NOTE, "id": "7"}, "id must be a UUID"),
    "status-is-text": ({**NOTE, "status": "yes"}, "status must be true or false."),
    "time-without-zone": (
        {**NOTE, "created": "2020-01-01T00:00:00"},
        "created must be a moment with its time zone",
    ),
    "time-out-of-the-calendar": (
        {**NOTE, "created": "0001-01-01T00:00:00+14:00"},
        "created must be a moment with its time zone",
    ),
    "unknown-author": ({**NOTE, "author": "nobody here"}, "There is no account 'nobody here'."),
    "author-with-nul": ({**NOTE, "author": "a\x00b"}, "author must be the name of an account."),
    "format-with-nul": (
        {**NOTE, "fields": {**NOTE["fields"], "field_body": {"value": "x", "format": "\x00"}}},
        "field_body: The text format must be one of",
    ),
    "value-with-nul": ({**NOTE, "fields": {"field_place": "\x00"}}, "field_place: Place holds a character"),
    "type-with-nul": ({**NOTE, "type": "\x00"}, "There is no item type '\\x00'."),
    "author-is-a-list": ({**NOTE, "author": []}, "author must be the name of an account."),
}


@pytest.mark.parametrize(("line", "message"), BAD_LINES.values(), ids=BAD_LINES)
async def test_a_bad_line_is_told_and_kept_and_the_others_come_in(site, line, message):
    job = await site.import_lines([build_note(1), line, build_note(3)])
    assert (job.status, job.result["done"], job.result["refused"]) == (JobStatus.DONE, 2, 1)
    ((number, told),) = await site.problems(job)
    assert number == 2
    assert told.startswith(message)
    kept = await site.fetch_value("SELECT content FROM job_problem")
    assert kept == (line if isinstance(line, str) else orjson.dumps(line).decode())
    assert {row["title"] for row in await site.fetch("SELECT title FROM item")} == {"Note 1", "Note 3"}


async def test_empty_lines_are_no_lines_and_still_count_for_the_numbers(site):
    job = await site.import_lines(["", "  ", build_note(), "", "x"])
    assert (job.result["done"], job.result["refused"]) == (1, 1)
    assert [number for number, _ in await site.problems(job)] == [5]


async def test_an_id_that_stands_already_is_refused_in_the_file_and_on_the_site(site):
    first = await site.import_lines([build_note(1, id=ID), build_note(2, id=ID)])
    assert await site.problems(first) == [(2, "The id is that of line 1.")]
    second = await site.import_lines([build_note(3, id=ID), build_note(4)])
    assert await site.problems(second) == [(1, "An item with this id exists already.")]
    assert {row["title"] for row in await site.fetch("SELECT title FROM item")} == {"Note 1", "Note 4"}
    assert await site.fetch_value("SELECT count(*) FROM item_revision") == 2


async def test_more_words_than_an_index_holds_cost_that_line_alone(site):
    def write(seed):
        return " ".join(f"{seed}{number:x}zqx" for number in range(20_000))

    fields = [{"name": f"field_{n}", "label": f"{n}", "kind": "text_long"} for n in range(6)]
    async with site.rt.db.acquire() as conn:
        await conn.execute(
            "INSERT INTO item_type (type, label, settings) VALUES ('tome', 'Tome', $1)", {"fields": fields}
        )
        await conn.executemany(
            "INSERT INTO search_field_config VALUES ('tome', $1, 'C')", [(field["name"],) for field in fields]
        )
    tome = {
        "type": "tome",
        "title": "Tome",
        "fields": {field["name"]: write(field["name"][-1]) for field in fields},
    }
    job = await site.import_lines([build_note(1), tome, build_note(3)])
    assert (job.result["done"], job.result["refused"]) == (2, 1)
    ((number, told),) = await site.problems(job)
    assert (number, told[:30]) == (2, "This cannot be stored: string ")


async def test_who_imports_may_still_create_only_what_they_may(site):
    ctx = await site.make_actor("ed", "administer content", "create page content", "access content")
    full = {"type": "page", "title": "Full", "fields": {"field_body": {"value": "x", "format": "full_html"}}}
    job = await site.import_lines([{"type": "page", "title": "Mine"}, build_note(), full], ctx=ctx)
    assert await site.problems(job) == [
        (2, "You may not create note content."),
        (3, "field_body: You may not use the text format full_html."),
    ]
    assert job.result["done"] == 1


async def test_a_right_that_is_taken_away_ends_the_batch(site):
    ctx = await site.make_actor("ed", "administer content", "create note content")
    chunks = build_chunks([orjson.dumps(build_note()).decode()])
    job_id = await site.start(IMPORT_ITEMS, ImportItems(count=1), chunks=chunks, ctx=ctx)
    await site.fetch("DELETE FROM users_roles RETURNING user_id")
    job = await site.attempt(job_id)
    assert (job.status, job.result["outcome"]) == (JobStatus.DONE, "forbidden")
    assert await site.fetch_value("SELECT count(*) FROM item") == 0


async def test_the_refused_lines_alone_are_tried_again(site):
    fixed = {"type": "poem", "title": "A poem", "fields": {}}
    first = await site.import_lines([build_note(1), fixed, "x", build_note(4), fixed])
    assert first.result["refused"] == 3
    async with site.rt.db.acquire() as conn:
        await conn.execute("INSERT INTO item_type (type, label) VALUES ('poem', 'Poem')")
    await site.rt.cache.drop(["item_types"])
    again = await site.run(IMPORT_ITEMS, ImportItems(count=3, retry_of=first.id))
    assert (again.result["done"], again.result["refused"]) == (2, 1)
    assert [number for number, _ in await site.problems(again)] == [3]
    assert await site.fetch_value("SELECT count(*) FROM item") == 4


async def test_lines_without_an_id_come_in_once_however_often_they_are_tried(site):
    """Two who press the button at the same moment, and one who does it again afterwards; also over two rounds."""
    poem = {"type": "poem", "title": "A poem", "fields": {}}
    first = await site.import_lines([build_note(1), poem, {**poem, "title": "Another"}])
    second = await site.run(IMPORT_ITEMS, ImportItems(count=2, retry_of=first.id))
    assert second.result["refused"] == 2
    await site.fetch("INSERT INTO item_type (type, label) VALUES ('poem', 'Poem')")
    await site.rt.cache.drop(["item_types"])
    again = [ImportItems(count=2, retry_of=job.id) for job in (first, second)]
    started = [await site.start(IMPORT_ITEMS, arguments) for arguments in again]
    jobs = await asyncio.gather(*map(site.attempt, started))
    assert sorted(job.result["done"] for job in jobs) == [0, 2]
    (late,) = [job for job in jobs if job.result["done"] == 0]
    assert await site.problems(late) == [(2, "This line came in before."), (3, "This line came in before.")]
    assert await site.titles() == ["Note 1", "A poem", "Another"]


async def test_two_imports_of_the_same_ids_at_once_in_opposite_orders_both_end(site):
    lines = [build_note(number, id=str(uuid7())) for number in range(150)]
    texts = [orjson.dumps(line).decode() for line in lines]
    started = [
        await site.start(IMPORT_ITEMS, ImportItems(150), chunks=build_chunks(given))
        for given in (texts, texts[::-1])
    ]
    jobs = await asyncio.gather(*map(site.attempt, started))
    assert [(job.status, job.failures) for job in jobs] == [(JobStatus.DONE, 0)] * 2
    assert sum(job.result["done"] for job in jobs) == sum(job.result["refused"] for job in jobs) == 150
    assert await site.fetch_value("SELECT count(*) FROM item_revision") == 150


async def test_plugins_that_take_their_time_make_slices_short_and_cost_no_line(site, monkeypatch):
    monkeypatch.setattr("kernel.batch.import_items.PREPARE_S", 0.0)
    monkeypatch.setattr("kernel.batch.run.TURN_S", 0.0)
    lines = [build_note(1), "x", build_note(3), build_note(4), "y", ""]
    texts = [line if isinstance(line, str) else orjson.dumps(line).decode() for line in lines]
    job_id = await site.start(IMPORT_ITEMS, ImportItems(6), chunks=build_chunks(texts))
    done = []
    while not (job := await site.attempt(job_id)).is_finished:
        done.append(job.progress_done)
    assert done == [1, 3, 4, 5]
    assert (job.result["done"], job.result["refused"]) == (3, 2)
    assert [number for number, _ in await site.problems(job)] == [2, 5]
    assert await site.titles() == ["Note 1", "Note 3", "Note 4"]
    assert await site.fetch_value("SELECT count(*) FROM job_chunk") == 0


def read(data):
    return list(read_lines(io.BytesIO(data)))


def test_lines_end_where_json_lines_end():
    assert read(b"\xef\xbb\xbfa\r\n\nb\xe2\x80\xa8c\x85d".replace(b"\x85", b"\xc2\x85")) == [
        "a",
        "",
        "b\u2028c\x85d",
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b'{"title": "caf\xe9"}', '{"title": "caf\x1a"}', id="latin-1"),
        pytest.param(b"a\x00b", "a\x1ab", id="nul"),
        pytest.param(b"\xed\xa0\x80", "\x1a\x1a\x1a", id="surrogate"),
    ],
)
def test_what_is_not_utf_8_can_be_stored_and_is_no_json(data, text):
    assert read(data + b"\nx") == [text, "x"]
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(text)


@pytest.mark.parametrize("head", [b"\x1f\x8b\x08", b"PK\x03\x04", b"\xff\xfea\x00", b"\xfe\xff\x00a"])
def test_a_file_that_is_no_text_in_utf_8_is_refused_as_a_whole(head):
    with pytest.raises(BadInput):
        read(head + b"\n{}")


async def test_a_line_that_is_too_long_is_cut_and_refused(site):
    long = b'{"type": "note", "title": "' + "é".encode() * (LINE_MAX // 2) + b'"}'
    lines = read(long + b"\n" + orjson.dumps(build_note(2)))
    assert len(lines[0].encode()) == LINE_MAX + 1
    job = await site.import_lines(lines)
    assert await site.problems(job) == [(1, "The line is too long: 4,000,000 bytes is the most.")]
    kept = await site.fetch_value("SELECT content FROM job_problem")
    assert (len(kept), kept[-1]) == (1001, "\x1a")
    assert job.result["done"] == 1


async def test_an_item_of_the_same_id_is_not_lost_to_an_editor_who_was_first(site):
    item_id = uuid7()
    await site.import_lines([build_note(1, id=str(item_id))])
    revision = await site.fetch_value("SELECT current_revision_id FROM item")
    job = await site.import_lines([build_note(2, id=str(item_id))])
    assert job.result["refused"] == 1
    assert await site.fetch_value("SELECT current_revision_id FROM item") == revision
