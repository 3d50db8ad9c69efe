"""What docs/batches.md tells is so: its examples come in, its tables are those of the code."""

import re

import orjson
import pytest

from kernel.batch.item_line import KEYS, REFUSED_KEY
from kernel.batch.lines import CHUNK_BYTES, CHUNK_LINES, LINE_MAX
from kernel.batch.operations import OPERATIONS
from kernel.batch.run import TURN_S
from kernel.batch.selection import SLICE
from kernel.jobs import RUN_BATCH
from tests.fixtures.database import ROOT


@pytest.fixture(scope="module")
def document():
    return (ROOT / "docs/batches.md").read_text(encoding="utf-8")


def read_table(document, name):
    """The cells of its rows."""
    part = document.partition(f"<!-- {name}:")[2].partition(f"<!-- end of {name} -->")[0]
    rows = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def read_examples(document):
    return [part.splitlines() for part in re.findall(r"```jsonl\n(.*?)```", document, re.DOTALL)]


async def test_the_examples_come_in(site, document):
    examples, _ = read_examples(document)
    job = await site.import_lines(examples)
    assert await site.problems(job) == []
    assert job.result["done"] == len(examples) == 3
    assert await site.fetch("SELECT title, status FROM item ORDER BY title") == [
        {"title": "A draft", "status": 0},
        {"title": "About us", "status": 1},
        {"title": "Imprint", "status": 1},
    ]


async def test_the_refused_line_is_refused_for_what_stands_in_it(site, document):
    _, (example,) = read_examples(document)
    await site.fetch("DELETE FROM item_type WHERE type <> 'page'")
    job = await site.import_lines(["", example])
    ((number, message),) = await site.problems(job)
    told = orjson.loads(example)[REFUSED_KEY]
    assert told["line"] == number
    assert re.sub(r"has: .*", "", told["message"]) == re.sub(r"has: .*", "", message)
    mended = await site.import_lines([example.replace('"type": "pagg"', '"type": "page"')])
    assert mended.result["done"] == 1


def test_the_tables_are_those_of_the_code(document):
    assert [row[:2] for row in read_table(document, "operations")] == [
        [operation.label, operation.permission] for operation in OPERATIONS.values()
    ]
    assert [row[0] for row in read_table(document, "keys")] == [f"`{key}`" for key in KEYS]


def test_the_limits_are_those_of_the_code(document):
    assert f"| a line | {LINE_MAX:,} bytes;" in document
    assert f"| lines in a slice of an import | {CHUNK_LINES}, or {CHUNK_BYTES // 10**6} MB;" in document
    assert f"| items in a slice of other batches | {SLICE} |" in document
    assert (TURN_S, RUN_BATCH.at_once) == (10.0, 2)
    assert "After ten seconds" in document
    assert "Two\n  batches are worked on at a time." in document
