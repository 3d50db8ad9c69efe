"""SQL is written where it is expected: in stores, the database adapter, the ledger and gather."""

import re
from collections.abc import Iterable
from typing import Final

import pytest

from tests.checks.sources import Source, parse_all, refuse, texts

SQL: Final = re.compile(
    r"\b(?:SELECT\s.+?\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+(?:AS\s+\w+\s+|\w+\s+)?SET|DELETE\s+FROM)\b"
    r"|^\s*(?:SELECT|CREATE|ALTER|DROP|TRUNCATE|LOCK\s+TABLE|NOTIFY|LISTEN)\s",
    re.DOTALL,
)
# The embedded server is given its first role and database before anything else could connect to it.
PLACES: Final = ("kernel/db/", "kernel/embedded/", "kernel/gather/", "kernel/ledger/")


def check_sql_places(tree: Iterable[Source]) -> list[str]:
    complaints = []
    for source in tree:
        if source.stem == "store" or source.path.startswith(PLACES):
            continue
        complaints += [
            source.at(line, f"SQL outside a store: {' '.join(text.split())[:60]}")
            for line, text in texts(source)
            if SQL.search(text)
        ]
    return complaints


def test_the_tree_keeps_its_sql_in_stores(product):
    refuse(check_sql_places(product))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param('await conn.fetch("SELECT id FROM item")', id="select"),
        pytest.param('await conn.fetch("""\n    SELECT id\n    FROM item\n""")', id="over-lines"),
        pytest.param('await conn.fetchval("SELECT now()")', id="without-a-table"),
        pytest.param('await conn.execute(f"INSERT INTO {table} VALUES ($1)")', id="in-an-f-string"),
        pytest.param('await conn.execute("UPDATE item SET title = $1")', id="update"),
        pytest.param('await conn.execute("UPDATE item i SET title = $1")', id="update-with-an-alias"),
        pytest.param(
            'await conn.execute("WITH x AS (DELETE FROM item RETURNING id) TABLE x")', id="in-a-cte"
        ),
        pytest.param('QUERY = "DROP TABLE " + name', id="ddl"),
    ],
)
def test_sql_elsewhere_is_caught(code):
    code = f"async def run(conn, table, name):\n    {code}"
    assert len(check_sql_places(parse_all({"kernel/item/save.py": code}))) == 1


def test_sql_in_stores_passes():
    code = 'async def select_item(conn):\n    return await conn.fetch("SELECT id FROM item")'
    files = dict.fromkeys(
        ("kernel/item/store.py", "kernel/db/roles.py", "kernel/ledger/sweep.py", "kernel/gather/run.py"), code
    )
    assert check_sql_places(parse_all(files)) == []


@pytest.mark.parametrize(
    "code",
    [
        pytest.param('"""Runs SELECT id FROM item."""', id="a-docstring"),
        pytest.param('x = "Select a type from the list."', id="a-sentence"),
        pytest.param('x = "UPDATE and DELETE are refused"', id="a-message"),
        pytest.param('x = "<select><option>from</option></select>"', id="html"),
    ],
)
def test_words_that_look_like_sql_pass(code):
    assert check_sql_places(parse_all({"web/pages.py": code})) == []
