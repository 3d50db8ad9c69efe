"""Tables that a manifest declares are read with every mistake told, and those of the database follow them."""

import asyncpg
import pytest

from kernel.errors import ConfigError, Conflict
from kernel.plugin.manifest import read_manifest
from kernel.plugin.model import Budgets
from kernel.plugin.tables import COLUMNS_MAX, INDEXES_MAX, TABLES_MAX
from kernel.plugin_data import difference
from kernel.plugin_data.difference import Difference, compare_tables
from kernel.plugin_data.store import (
    apply_tables,
    count_rows,
    drop_tables,
    read_tables,
    take_back_changes,
)
from kernel.tap.capability import Column, Index, Table
from tests.fixtures.database import ROOT
from tests.fixtures.tables import TABLES, open_owner

HEAD = 'name = "blog"\nversion = "1.0.0"\napi_version = "0.1"\n[taps]\nimplements = []\n'
# The first line after it.
FIRST = 6


@pytest.fixture
def read(tmp_path):
    def read_tables_of(text):
        folder = tmp_path / "blog"
        folder.mkdir(exist_ok=True)
        path = folder / "blog.info.toml"
        path.write_text(HEAD + text, encoding="utf-8")
        try:
            return read_manifest(path, Budgets()).may.tables
        except ConfigError as refusal:
            return [problem.removeprefix(f"{path}:") for problem in refusal.problems]

    return read_tables_of


def one_table(*columns, indexes=()):
    return {"vote": Table("vote", tuple(columns), tuple(indexes))}


# The manifest -------------------------------------------------------------------------------------------------------


def test_tables_are_read():
    folder = ROOT / "tests" / "wasm" / "ledgerling"
    assert read_manifest(folder / "ledgerling.info.toml", Budgets()).may.tables == TABLES


def test_defaults_of_every_kind_are_read(read):
    tables = read(
        """
        [tables.vote.columns]
        a = { type = "text", default = "x" }
        b = { type = "integer", default = -3 }
        c = { type = "number", default = 1 }
        d = { type = "boolean", default = false }
        e = { type = "time", default = "2026-03-01T10:00:00+01:00" }
        f = { type = "uuid", default = "0190a000-0000-7000-8000-000000000001" }
        g = { type = "json", default = { list = [1, "two", true] } }
        """
    )
    assert [column.default for column in tables["vote"].columns] == [
        "x",
        -3,
        1,
        False,
        "2026-03-01T10:00:00+01:00",
        "0190a000-0000-7000-8000-000000000001",
        {"list": [1, "two", True]},
    ]


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ('[tables.Vote.columns]\na = "text"', 0, "table 'Vote' must hold a-z, 0-9 and _ only"),
        ("[tables.vote]", 0, "table 'vote' has no columns; expected [tables.vote.columns]"),
        ('[tables]\nvote = "x"', 1, "tables.vote must be a table"),
        ('[tables.vote.column]\na = "text"', 0, "'column' is no key of a manifest; did you mean 'columns'?"),
        (
            '[tables.vote.columns]\nok = "text"\na = "varchar"',
            2,
            "the type 'varchar'; expected one of 'text'",
        ),
        ('[tables.vote.columns]\na = ["text"]', 1, "the type ['text']; expected one of 'text'"),
        ("[tables.vote.columns]\na = { required = true }", 1, "the type None; expected one of 'text'"),
        ('[tables.vote.columns]\n"a; DROP" = "text"', 1, "must hold a-z, 0-9 and _ only"),
        ('[tables.vote.columns]\nid = "uuid"', 1, "'id' is there by itself"),
        ('[tables.vote.columns]\nxmin = "text"', 1, "a name that PostgreSQL keeps for itself"),
        (
            '[tables.vote.columns]\na = { type = "text", requird = true }',
            1,
            "'requird' is no key of a manifest; did you mean 'required'?",
        ),
        (
            '[tables.vote.columns]\na = { type = "text", required = 1 }',
            1,
            "required must be true or false, not 1",
        ),
        (
            '[tables.vote.columns]\na = { type = "integer", default = 9223372036854775808 }',
            1,
            "is no whole number of 64 bits",
        ),
        (
            '[tables.vote.columns]\na = { type = "integer", default = true }',
            1,
            "default True is no whole number",
        ),
        ('[tables.vote.columns]\na = { type = "number", default = nan }', 1, "default nan is no number"),
        ('[tables.vote.columns]\na = { type = "time", default = "2026-03-01" }', 1, "is no time as text"),
        ('[tables.vote.columns]\na = { type = "uuid", default = "7" }', 1, "is no UUID as text"),
        ('[tables.vote.columns]\na = { type = "json", default = [2026-03-01] }', 1, "list or table of plain"),
        (
            '[tables.vote.columns]\na = "text"\n[tables.vote.indexes]\ncolumns = ["a"]',
            2,
            "indexes must be tables, each under [[tables.vote.indexes]]",
        ),
        (
            (
                '[tables.vote.columns]\na = "text"\n[[tables.vote.indexes]]\ncolumns = ["a"]\n'
                '[[tables.vote.indexes]]\ncolumns = ["b"]'
            ),
            5,
            "'b' is no column of this table; it has 'a'",
        ),
        (
            '[tables.vote.columns]\na = "json"\n[[tables.vote.indexes]]\ncolumns = ["a"]',
            3,
            "'a' is a json column, which cannot be indexed",
        ),
        (
            '[tables.vote.columns]\na = "text"\n[[tables.vote.indexes]]\nunique = "yes"\ncolumns = ["a"]',
            3,
            "unique must be true or false, not 'yes'",
        ),
        ('[tables.vote.columns]\na = "text"\n[[tables.vote.indexes]]', 2, "columns must be a list of column"),
    ],
)
def test_mistakes_are_told_with_their_line(read, text, line, sentence):
    problems = read(text)
    assert len(problems) == 1
    assert problems[0].startswith(f"{FIRST + line}: ")
    assert sentence in problems[0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "".join(f'[tables.t{n}.columns]\na = "text"\n' for n in range(TABLES_MAX + 1)),
            "21 tables are too many",
        ),
        (
            "[tables.vote.columns]\n" + "".join(f'c{n} = "text"\n' for n in range(COLUMNS_MAX + 1)),
            "61 columns are too many",
        ),
        (
            "[tables.vote.columns]\n"
            + "".join(f'c{n} = "text"\n' for n in range(INDEXES_MAX + 1))
            + "".join(f'[[tables.vote.indexes]]\ncolumns = ["c{n}"]\n' for n in range(INDEXES_MAX + 1)),
            "11 indexes are too many",
        ),
    ],
    ids=["tables", "columns", "indexes"],
)
def test_there_is_an_end_to_what_a_plugin_may_declare(read, text, sentence):
    assert sentence in read(text)[0]


# The difference -----------------------------------------------------------------------------------------------------


def test_what_is_the_same_needs_nothing():
    assert compare_tables(TABLES, TABLES) == Difference()


def test_a_new_table_comes_with_its_indexes():
    assert [str(change) for change in compare_tables({}, TABLES).changes] == [
        "table 'vote' is made",
        "table 'vote' gets the unique index over item_id",
        "table 'voter' is made",
    ]


def test_columns_and_indexes_come_and_indexes_go():
    old = one_table(Column("a", "text"), Column("b", "text", required=True), indexes=[Index(("a",))])
    new = one_table(
        Column("a", "text", required=True, default="x"),
        Column("b", "text"),
        Column("c", "integer"),
        indexes=[Index(("a",), unique=True)],
    )
    found = compare_tables(old, new)
    assert [str(change) for change in found.changes] == [
        "column 'b' of table 'vote' may be empty from now on",
        "table 'vote' gets the column 'c'",
    ]
    # The version that runs before may write rows at which these would fail.
    assert [str(change) for change in found.later] == [
        "column 'a' of table 'vote' must have a value from now on",
        "table 'vote' gets the unique index over a",
        "table 'vote' loses the index over a",
    ]


def test_what_is_not_declared_any_more_is_kept_and_said():
    found = compare_tables(TABLES, one_table(*TABLES["vote"].columns[2:], indexes=TABLES["vote"].indexes))
    assert found.kept == (
        "Column 'item_id' of table 'vote' is not declared any more. It is kept with its values.",
        "Column 'stars' of table 'vote' is not declared any more. It is kept with its values.",
        "Table 'voter' is not declared any more. It is kept with its rows.",
    )
    # Nobody will fill it, so nobody can require it.
    assert found.changes == (difference.Relax("vote", "stars"),)


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (
            Column("a", "integer"),
            "is text and cannot become integer. Declare a new column under another name",
        ),
        (Column("b", "text", required=True), "is new and required. Give it a default"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(column, sentence):
    (refusal,) = compare_tables(one_table(Column("a", "text")), one_table(column)).refused
    assert sentence in refusal


# The database -------------------------------------------------------------------------------------------------------


async def test_tables_stand_as_declared_and_doing_it_again_changes_nothing(owner):
    first = await apply_tables(owner, "ledgerling", TABLES)
    assert len(first.changes) == 3
    stored = await read_tables(owner, "ledgerling")
    assert compare_tables(stored, TABLES) == Difference()
    assert await apply_tables(owner, "ledgerling", TABLES) == Difference()
    assert await count_rows(owner, "ledgerling", 9) == {"vote": 0, "voter": 0}


async def test_the_worker_writes_and_the_web_tier_reads(own_tables, database, web_database):
    insert = "INSERT INTO plugin_ledgerling.voter VALUES (gen_random_uuid(), 'Ann')"
    async with database.acquire() as conn:
        await conn.execute(insert)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("DROP TABLE plugin_ledgerling.voter")
    async with web_database.acquire() as conn:
        assert await conn.fetchval("SELECT name FROM plugin_ledgerling.voter") == "Ann"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(insert)


async def test_rows_live_through_an_upgrade(owner):
    await apply_tables(owner, "blog", one_table(Column("a", "text"), Column("b", "integer")))
    await owner.execute(
        "INSERT INTO plugin_blog.vote VALUES (gen_random_uuid(), 'x', NULL), (gen_random_uuid(), 'y', 2)"
    )
    new = one_table(
        Column("b", "integer", required=True, default=7),
        Column("c", "json", required=True, default={"n": 1}),
        Column("d", "time", default="2026-03-01T10:00:00+00:00"),
        indexes=[Index(("b", "d"), unique=True)],
    )
    found = await apply_tables(owner, "blog", new)
    assert found.kept == ("Column 'a' of table 'vote' is not declared any more. It is kept with its values.",)
    rows = await owner.fetch("SELECT a, b, c, d::text FROM plugin_blog.vote ORDER BY a")
    assert [tuple(row) for row in rows] == [
        ("x", 7, {"n": 1}, "2026-03-01 10:00:00+00"),
        ("y", 2, {"n": 1}, "2026-03-01 10:00:00+00"),
    ]
    # What was kept comes back when it is declared again.
    again = one_table(*new["vote"].columns, Column("a", "text"), indexes=new["vote"].indexes)
    assert await apply_tables(owner, "blog", again) == Difference()


async def test_the_version_that_runs_goes_on_writing_until_the_next_one_does(owner):
    """And as before when that never comes."""
    old = one_table(Column("a", "text"), indexes=[Index(("a",))])
    new = one_table(
        Column("a", "text", required=True, default="none"),
        Column("b", "time", required=True, default="2026-03-01T10:00:00+00:00"),
        Column("c", "text", default="it's"),
        indexes=[Index(("a", "b"), unique=True), Index(("c",))],
    )
    insert = "INSERT INTO plugin_blog.vote (id, a) VALUES (gen_random_uuid(), $1)"
    await apply_tables(owner, "blog", old)
    before = await read_tables(owner, "blog")
    made = await apply_tables(owner, "blog", new, beside_old=True)
    assert (len(made.changes), len(made.later)) == (3, 3)
    await owner.executemany(insert, [("x",), ("x",), (None,)])
    rows = await owner.fetch("SELECT a, b::text, c FROM plugin_blog.vote ORDER BY a")
    when = "2026-03-01 10:00:00+00"
    assert [tuple(row) for row in rows] == [("x", when, None), ("x", when, None), (None, when, None)]
    with pytest.raises(ConfigError, match="there are rows that are alike"):
        await apply_tables(owner, "blog", new)
    await take_back_changes(owner, "blog", made.changes)
    assert await read_tables(owner, "blog") == before
    await owner.execute("DELETE FROM plugin_blog.vote WHERE a = 'x'")
    await apply_tables(owner, "blog", new, beside_old=True)
    await apply_tables(owner, "blog", new)
    assert compare_tables(await read_tables(owner, "blog"), new) == Difference()
    assert await owner.fetchval("SELECT a FROM plugin_blog.vote") == "none"
    # What nobody declares any more is left out and empty.
    await apply_tables(owner, "blog", old)
    await owner.execute(insert, "y")
    assert await owner.fetchval("SELECT b FROM plugin_blog.vote WHERE a = 'y'") is None


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (one_table(Column("a", "integer")), "Plugin 'blog': Column 'a' of table 'vote' is text"),
        (
            one_table(Column("a", "text", required=True)),
            "cannot become required: there are rows without a value",
        ),
        (
            one_table(Column("b", "text"), indexes=[Index(("b",), unique=True)]),
            "cannot get a unique index over b: there are rows that are alike",
        ),
    ],
)
async def test_what_the_rows_do_not_allow_is_refused_and_nothing_is_done(owner, table, sentence):
    await apply_tables(owner, "blog", one_table(Column("a", "text"), Column("b", "text")))
    await owner.execute(
        "INSERT INTO plugin_blog.vote VALUES (gen_random_uuid(), NULL, 'x'), (gen_random_uuid(), 'a', 'x')"
    )
    before = await read_tables(owner, "blog")
    (old,) = table.values()
    declared = {"vote": old, "another": Table("another", (Column("a", "text"),))}
    with pytest.raises(ConfigError, match=sentence):
        await apply_tables(owner, "blog", declared)
    assert await read_tables(owner, "blog") == before


async def test_tables_in_use_are_waited_for_and_then_left_alone(own_tables, owner, config, monkeypatch):
    monkeypatch.setattr("kernel.plugin_data.store._LOCK_WAIT", "50ms")
    async with open_owner(config) as other, other.transaction():
        await other.execute("LOCK TABLE plugin_ledgerling.vote IN ROW EXCLUSIVE MODE")
        with pytest.raises(Conflict, match="in use"):
            await drop_tables(owner, "ledgerling")
    assert await read_tables(owner, "ledgerling")


async def test_dropped_tables_are_gone_and_others_are_not(own_tables, owner):
    await drop_tables(owner, "ledgerling")
    await drop_tables(owner, "ledgerling")
    assert await read_tables(owner, "ledgerling") == {}
    assert await count_rows(owner, "stranger", 9) == {"secret": 1}


async def test_a_plugin_without_tables_has_no_schema(owner):
    assert await apply_tables(owner, "plain", {}) == Difference()
    assert not await owner.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'plugin_plain')")


async def test_identifiers_are_names_even_when_sql_knows_them_as_words(owner):
    table = Table("select", (Column("order", "text"), Column("user", "text")), (Index(("order", "user")),))
    await apply_tables(owner, "table", {"select": table})
    assert await read_tables(owner, "table") == {"select": table}
