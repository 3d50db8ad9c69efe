"""`trovato import`, `export`, `reindex` and `refresh-pages`, run as a person runs them: in processes of their own."""

import gzip
import json
import re

import pytest

from kernel.batch.lines import LINE_MAX

pytestmark = pytest.mark.timeout(60)

TYPE = {
    "fields": [
        {"name": "field_place", "label": "Place", "kind": "text", "required": True},
        {"name": "field_body", "label": "Body", "kind": "text_long"},
    ]
}


def build_note(number, **changes):
    return {"type": "note", "title": f"Note {number}", "fields": {"field_place": "Rome"}, **changes}


def write(path, *lines):
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


@pytest.fixture
async def worker(run_worker_here):
    async with run_worker_here() as rt:
        async with rt.db.acquire() as conn:
            await conn.execute(
                "INSERT INTO item_type (type, label, settings) VALUES ('note', 'Note', $1)", TYPE
            )
        yield rt


async def list_titles(rt):
    async with rt.db.acquire() as conn:
        return [row["title"] for row in await conn.fetch("SELECT title FROM item ORDER BY id")]


async def test_a_file_comes_in_and_what_is_refused_is_written_beside_it(worker, trovato, tmp_path):
    file = write(
        tmp_path / "notes.jsonl", build_note(1), "no json", build_note(3), build_note(4, type="poem")
    )
    ran = await trovato("import", file, "--wait")
    assert ran.status == 1, ran.err
    first, *rest = ran.out.splitlines()
    assert re.fullmatch(r"Import items: http://localhost:\d+/batch/[0-9a-f-]{36}", first)
    refused = tmp_path / "notes.jsonl.refused.jsonl"
    assert rest == [
        "2 items imported, 2 lines refused.",
        f"They stand in {refused}, each with what is wrong: mend them there and import that file.",
    ]
    assert await list_titles(worker) == ["Note 1", "Note 3"]
    lines = [json.loads(line) for line in refused.read_text().splitlines()]
    assert [line["_refused"]["line"] for line in lines] == [2, 4]
    assert lines[0]["text"] == "no json"
    mended = refused.read_text().replace('"poem"', '"note"').splitlines()[1]
    again = await trovato("import", write(tmp_path / "mended", mended), "--wait")
    assert (again.status, again.out.splitlines()[1:]) == (0, ["1 items imported, 0 lines refused."])
    assert await list_titles(worker) == ["Note 1", "Note 3", "Note 4"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "mended",
        "notes.jsonl",
        "notes.jsonl.refused.jsonl",
    ]


async def test_lines_come_through_a_pipe_and_may_leave_out_their_type(worker, trovato, tmp_path):
    line = json.dumps({"title": "Piped", "fields": {"field_place": "Rome"}})
    refused = tmp_path / "kept"
    ran = await trovato("import", "-", "--type", "note", "--refused", refused, given=f"{line}\nx".encode())
    assert ran.status == 1, ran.err
    assert await list_titles(worker) == ["Piped"]
    assert json.loads(refused.read_text())["_refused"]["line"] == 2


async def test_without_waiting_the_address_is_enough(worker, trovato, tmp_path):
    ran = await trovato("import", write(tmp_path / "a", build_note(1)))
    assert (ran.status, ran.err) == (0, "")
    (line,) = ran.out.splitlines()
    assert line.startswith("Import items: http://")


async def test_an_export_is_what_an_import_takes(worker, trovato, tmp_path):
    notes = [build_note(number, status=number != 2) for number in range(1, 4)]
    assert (await trovato("import", write(tmp_path / "in", *notes), "--wait")).status == 0
    piped = await trovato("export", "--type", "note", "--status", "published")
    assert (piped.status, piped.err) == (0, "2 items exported.\n")
    assert [json.loads(line)["title"] for line in piped.out.splitlines()] == ["Note 1", "Note 3"]
    file = tmp_path / "all.jsonl"
    ran = await trovato("export", "--output", file)
    assert (ran.status, ran.out, ran.err) == (0, "", "3 items exported.\n")
    assert not (tmp_path / "all.jsonl.part").exists()
    async with worker.db.acquire() as conn:
        await conn.execute("DELETE FROM item")
    assert (await trovato("import", file, "--wait")).status == 0
    assert await list_titles(worker) == ["Note 1", "Note 2", "Note 3"]


async def test_an_item_that_an_export_leaves_out_is_named(worker, trovato, tmp_path):
    assert (
        await trovato("import", write(tmp_path / "in", build_note(1), build_note(2)), "--wait")
    ).status == 0
    async with worker.db.acquire() as conn:
        long_one = await conn.fetchval(
            """
            UPDATE item SET fields = jsonb_build_object('field_body', jsonb_build_object('value', repeat('x', $1)))
            WHERE title = 'Note 2' RETURNING id::text
            """,
            LINE_MAX,
        )
    file = tmp_path / "out"
    ran = await trovato("export", "--output", file)
    assert (ran.status, ran.out) == (1, "")
    refused, *told = ran.err.splitlines()
    assert told == ["1 items exported.", "1 are not in it; why stands above."]
    assert json.loads(refused)["id"] == long_one
    assert json.loads(refused)["_refused"]["message"].startswith("This item is too long for a line")
    assert [json.loads(line)["title"] for line in file.read_text().splitlines()] == ["Note 1"]


async def test_empty_lines_are_not_counted(worker, trovato, tmp_path):
    ran = await trovato(
        "import", write(tmp_path / "in", "", build_note(1), "  ", build_note(2), ""), "--wait"
    )
    assert ran.out.splitlines()[1:] == ["2 items imported, 0 lines refused."]
    async with worker.db.acquire() as conn:
        arguments = await conn.fetchval("SELECT cursor->'arguments' FROM job WHERE kind = 'run_batch'")
    assert arguments["count"] == 2


async def test_the_index_and_the_pages_are_made_anew(worker, trovato, tmp_path):
    ran = await trovato("import", write(tmp_path / "in", build_note(1)), "--wait")
    assert ran.status == 0, ran.err
    async with worker.db.acquire() as conn:
        await conn.execute("UPDATE item SET search_vector = ''")
    indexed = await trovato("reindex", "--wait")
    assert (indexed.status, indexed.out.splitlines()[1:]) == (0, ["1 items indexed."])
    async with worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT search_vector @@ 'note' FROM item")
    generation = worker.cache.generation()
    fresh = await trovato("refresh-pages", "--wait")
    assert (fresh.status, fresh.out.splitlines()[1:]) == (0, ["The kept pages of 1 items are forgotten."])
    assert worker.cache.generation() > generation


async def test_that_no_worker_answers_is_said(trovato, config, tmp_path):
    file = write(tmp_path / "in", build_note(1))
    ran = await trovato("import", file, "--wait")
    assert ran.status == 1
    assert ran.out.startswith("Import items: http://")
    assert "No worker has answered for 5 s." in ran.err
    assert "`trovato jobs cancel " in ran.err
    left = await trovato("reindex")
    assert left.status == 0
    assert "No worker has answered for 5 s." in left.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("import",), "Missing argument 'FILE|-'", id="no-file"),
        pytest.param(("import", "{tmp}/lost"), "does not exist", id="missing"),
        pytest.param(("import", "{tmp}"), "is a directory", id="directory"),
        pytest.param(("import", "{tmp}/empty"), "There is nothing in empty.", id="empty"),
        pytest.param(("import", "{tmp}/blank", "--wait"), "There is nothing in blank.", id="blank"),
        pytest.param(
            ("import", "{tmp}/packed"), "This file is compressed. Unpack it first.", id="compressed"
        ),
        pytest.param(("import", "{tmp}/wide"), "not UTF-8 but UTF-16", id="utf-16"),
        pytest.param(("import", "{tmp}/good", "--type", "poem"), "no item type 'poem'", id="import-type"),
        pytest.param(
            ("import", "{tmp}/good", "--refused", "{tmp}/no/where"), "there is no directory", id="refused"
        ),
        pytest.param(("export", "--type", "poem"), "no item type 'poem'", id="export-type"),
        pytest.param(("export", "--status", "lost"), "'lost' is not one of", id="status"),
        pytest.param(("export", "--output", "{tmp}/no/where"), "there is no directory", id="output"),
        pytest.param(("export", "--output", "{tmp}"), "is a directory", id="output-directory"),
    ],
)
async def test_a_mistake_is_named_and_starts_nothing(trovato, database, tmp_path, arguments, words):
    write(tmp_path / "good", build_note(1))
    (tmp_path / "empty").touch()
    (tmp_path / "blank").write_bytes(b"\n \r\n\t\n")
    (tmp_path / "packed").write_bytes(gzip.compress(b"{}"))
    (tmp_path / "wide").write_bytes("{}".encode("utf-16"))
    ran = await trovato(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert ran.status != 0
    assert words in " ".join(ran.err.split())
    assert "Traceback" not in ran.err
    async with database.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job") == 0
