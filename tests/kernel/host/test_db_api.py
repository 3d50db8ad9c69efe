"""`db` asked directly: what a plugin may ask of its own tables, and what it cannot, however it asks."""

import json

import pytest

from kernel.context import Context
from kernel.host.db_api import ANSWER_MAX, list_db_functions
from kernel.ids import parse_uuid
from kernel.ledger.writes import JobWrites
from kernel.plugin.model import PluginSet
from kernel.plugin_data.read import DOCUMENT_MAX
from kernel.plugin_data.values import TEXT_MAX
from kernel.sandbox.host import HostError
from kernel.tap.capability import Capabilities
from kernel.tap.catalogue import ITEM_PRESAVE, PAGE, QUEUE_WORKER
from kernel.tap.effects import WISHES_MAX, Wishes
from kernel.tap.registry import TapPlugin, TapRegistry
from kernel.tap.scope import TapScope
from tests.fixtures.tables import TABLES

ITEM = "0190a000-0000-7000-8000-000000000001"
MOMENT = "2026-03-01T10:00:00+00:00"
STATEMENT = "'; DROP TABLE plugin_ledgerling.vote; --"


class Asker:
    """What the plugin `ledgerling` is answered in one scope."""

    def __init__(self, db, effects, tap=QUEUE_WORKER, *, may=None):
        self.functions = {function.name: function.call for function in list_db_functions(db)}
        plugin = TapPlugin("ledgerling", None, {}, may or Capabilities(tables=TABLES))
        self.scope = TapScope(PluginSet(registry=TapRegistry((plugin,))), Context(), effects=effects)
        self.state = self.scope.get_state(plugin)
        self.state.tap = tap

    async def select(self, table="vote", **query):
        return json.loads(await self.functions["select"](self.state, json.dumps({"table": table, **query})))

    async def insert(self, table="vote", **row):
        return await self.functions["insert"](self.state, table, json.dumps(row))

    async def update(self, conditions=(), table="vote", **values):
        query = {"table": table, "values": values, "conditions": list(conditions)}
        return json.loads(await self.functions["update"](self.state, json.dumps(query)))

    async def delete(self, conditions=(), table="vote"):
        query = {"table": table, "conditions": list(conditions)}
        return json.loads(await self.functions["delete"](self.state, json.dumps(query)))

    async def raw(self, function, *arguments):
        return await self.functions[function](self.state, *arguments)


@pytest.fixture
async def writes(own_tables, database):
    """Where a job's plugins write; rolled back after the test."""
    opened = JobWrites(database)
    yield opened
    await opened.abandon()


@pytest.fixture
def job(database, writes):
    return Asker(database, writes)


@pytest.fixture
def request_of(own_tables, web_database):
    return Asker(web_database, Wishes(), PAGE)


@pytest.fixture
def dry(database):
    """Where there are no tables at all: what is refused is refused before the database is asked."""
    asker = Asker(database, Wishes(), PAGE)
    yield asker
    assert asker.scope.effects.writes == []


async def refused(call):
    with pytest.raises(HostError) as caught:
        await call
    # What was asked for stands in the message, so it is cut and harmless there.
    assert len(caught.value.as_json()) < 2_000
    return caught.value.code


def names(rows, field="note"):
    return [row[field] for row in rows]


# Rows ---------------------------------------------------------------------------------------------------------------


@pytest.mark.story("3.10")
async def test_every_kind_of_value_comes_back_as_it_went(job):
    row = {
        "item_id": ITEM,
        "stars": -(2**63),
        "note": STATEMENT,
        "seen": "2026-03-01T12:00:00+02:00",
        "share": 0.1,
        "done": False,
        "data": {"list": [1, None, "ü"], "deep": {"x": True}},
    }
    row_id = await job.insert(**row)
    assert parse_uuid(row_id).version == 7
    assert await job.select() == [{"id": row_id, **row, "seen": MOMENT, "voter_id": None}]


async def test_what_a_row_leaves_out_has_its_default_or_stays_empty(job):
    row_id = await job.insert()
    assert await job.select(fields=["stars", "note", "id"]) == [{"stars": 0, "note": None, "id": row_id}]


@pytest.mark.story("3.10")
async def test_rows_are_changed_and_removed_by_conditions(job):
    ids = [await job.insert(stars=n, note=f"n{n}") for n in range(4)]
    at_least_two = {"field": "stars", "op": ">=", "value": 2}
    assert await job.update([at_least_two], note=None, done=True) == 2
    assert names(await job.select(order_by=["stars"])) == ["n0", "n1", None, None]
    assert await job.delete([{"field": "id", "value": ids[0]}]) == 1
    assert await job.delete([{"field": "id", "value": ids[0]}]) == 0
    assert await job.delete() == 3


async def test_a_value_that_must_be_unique_is_a_conflict_and_the_rest_goes_on(job):
    await job.insert(item_id=ITEM, note="first")
    assert await refused(job.insert(item_id=ITEM)) == "conflict"
    await job.insert(note="second")
    assert await refused(job.update(item_id=ITEM)) == "conflict"
    assert names(await job.select()) == ["first", "second"]


CONDITIONS = [
    ([], "abcd"),
    ([{"field": "stars", "value": 2}], "b"),
    ([{"field": "stars", "op": "=", "value": 2}, {"field": "note", "value": "a"}], ""),
    ([{"field": "stars", "op": "!=", "value": 2}], "acd"),
    ([{"field": "stars", "op": "<", "value": 2}], "a"),
    ([{"field": "stars", "op": "<=", "value": 2}], "ab"),
    ([{"field": "stars", "op": ">", "value": 3}], "d"),
    ([{"field": "stars", "op": "in", "value": [1, 4, 9]}], "ad"),
    ([{"field": "stars", "op": "in", "value": []}], ""),
    ([{"field": "item_id", "op": "in", "value": [ITEM]}], "a"),
    ([{"field": "item_id", "op": "is null"}], "bcd"),
    ([{"field": "item_id", "op": "is not null"}], "a"),
    ([{"field": "data", "op": "is not null"}], "c"),
    ([{"field": "seen", "op": ">=", "value": "2026-03-01T11:00:00+01:00"}], "b"),
    ([{"field": "share", "op": "<", "value": 1}], "c"),
    ([{"field": "done", "value": True}], "d"),
    ([{"any": [{"field": "stars", "value": 1}, {"field": "stars", "value": 4}]}], "ad"),
    (
        [
            {"field": "stars", "op": ">", "value": 1},
            {
                "any": [
                    {"field": "done", "value": True},
                    {"all": [{"field": "stars", "value": 2}, {"field": "note", "value": "b"}]},
                ]
            },
        ],
        "bd",
    ),
]


@pytest.mark.story("3.10")
@pytest.mark.parametrize(
    ("conditions", "expected"), CONDITIONS, ids=[json.dumps(told)[:60] for told, _ in CONDITIONS]
)
async def test_conditions_choose_rows(job, conditions, expected):
    await job.insert(note="a", stars=1, item_id=ITEM)
    await job.insert(note="b", stars=2, seen=MOMENT)
    await job.insert(note="c", stars=3, data={}, share=0.5)
    await job.insert(note="d", stars=4, done=True)
    assert "".join(names(await job.select(conditions=conditions))) == expected
    assert await job.select(conditions=conditions, count=True) == [{"count": len(expected)}]


@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        ("contains", "50%", ["100 or 50%"]),
        ("contains", "%", ["100 or 50%"]),
        ("contains", "_", ["a_b"]),
        ("contains", "\\", ["back\\slash"]),
        ("contains", "OR", ["100 or 50%"]),
        ("contains", "", ["100 or 50%", "a_b", "back\\slash"]),
        ("starts_with", "A", ["a_b"]),
        ("starts_with", "a%", []),
        ("starts_with", "_", []),
    ],
)
async def test_text_is_looked_for_as_it_stands(job, op, value, expected):
    for note in ("100 or 50%", "a_b", "back\\slash"):
        await job.insert(note=note)
    found = await job.select(conditions=[{"field": "note", "op": op, "value": value}])
    assert names(found) == expected


async def test_order_limit_and_offset_make_pages_that_do_not_overlap(job):
    for note in "abcdef":
        await job.insert(note=note, stars=1 if note in "bd" else 0)
    pages = [
        names(await job.select(fields=["note"], order_by=["-stars"], limit=2, offset=n)) for n in (0, 2, 4)
    ]
    assert pages == [["b", "d"], ["a", "c"], ["e", "f"]]
    assert names(await job.select(order_by=["stars", "-note"])) == ["f", "e", "c", "a", "d", "b"]


async def test_a_select_without_a_limit_answers_a_hundred(job, writes):
    conn = await writes.open()
    await conn.execute(
        "INSERT INTO plugin_ledgerling.vote (id, stars) SELECT gen_random_uuid(), n FROM generate_series(1, 1200) n"
    )
    assert len(await job.select()) == 100
    assert len(await job.select(limit=1_000)) == 1_000
    assert len(await job.select(limit=1_000, offset=1_000)) == 200


@pytest.mark.story("3.10")
async def test_tables_of_the_plugin_are_joined(job):
    ann, bob = await job.insert("voter", name="Ann"), await job.insert("voter", name="Bob")
    for note, voter in (("a", ann), ("b", bob), ("c", None), ("d", ann)):
        await job.insert(note=note, voter_id=voter)
    by_voter = {"table": "voter", "on": {"id": "voter_id"}}
    query = {"joins": [by_voter], "fields": ["note", "voter.name"], "order_by": ["-voter.name", "note"]}
    assert await job.select(**query) == [
        {"note": "b", "voter.name": "Bob"},
        {"note": "a", "voter.name": "Ann"},
        {"note": "d", "voter.name": "Ann"},
    ]
    query["joins"] = [{**by_voter, "left": True, "as": "who"}]
    query["fields"] = ["vote.note", "who.id"]
    query["order_by"] = ["who.name", "note"]
    assert names(await job.select(**query), "vote.note") == ["a", "d", "b", "c"]
    alike = {"table": "vote", "as": "other", "on": {"voter_id": "voter_id"}}
    where = [{"field": "other.note", "value": "d"}]
    assert names(await job.select(joins=[alike], conditions=where)) == ["a", "d"]


async def test_rows_that_are_more_than_an_answer_holds_are_refused_before_they_are_all_fetched(job):
    for _ in range(ANSWER_MAX // TEXT_MAX + 1):
        await job.insert(note="x" * TEXT_MAX)
    assert await refused(job.select()) == "too-large"
    assert len(await job.select(fields=["id"])) == ANSWER_MAX // TEXT_MAX + 1


# What is noted ------------------------------------------------------------------------------------------------------


async def test_a_reader_depends_on_each_table_that_it_asked(job):
    await job.select(joins=[{"table": "voter", "on": {"id": "voter_id"}}], count=True)
    assert job.state.record.tags == {"table:ledgerling.vote", "table:ledgerling.voter"}
    assert job.state.record.obstacle == ""


async def test_a_writer_drops_the_table_and_its_answer_cannot_be_kept(job, writes):
    await job.insert("voter", name="Ann")
    assert list(writes.tags) == ["table:ledgerling.voter"]
    assert job.state.record.obstacle


# Requests -----------------------------------------------------------------------------------------------------------


async def test_in_a_request_changes_are_wishes_and_ids_are_known(request_of):
    row_id = await request_of.insert(note="x")
    assert parse_uuid(row_id) is not None
    assert await request_of.update(note="y") is None
    assert await request_of.delete() is None
    assert await request_of.select() == []
    writes = request_of.scope.effects.writes
    assert [(write.plugin, write.change["kind"]) for write in writes] == [
        ("ledgerling", "insert"),
        ("ledgerling", "update"),
        ("ledgerling", "delete"),
    ]
    assert writes[0].change == {"kind": "insert", "table": "vote", "id": row_id, "row": {"note": "x"}}


async def test_one_request_may_ask_for_so_much(request_of):
    for _ in range(WISHES_MAX):
        await request_of.insert()
    assert await refused(request_of.insert()) == "too-large"


async def test_one_request_may_ask_for_so_many_characters(request_of):
    for _ in range(5):
        await request_of.insert(data=["x" * 99_900])
    assert await refused(request_of.insert(data=["x" * 99_900])) == "too-large"


@pytest.mark.parametrize("effects", [None, Wishes()], ids=["declaring", "presave"])
async def test_some_taps_may_read_and_not_write(own_tables, database, effects):
    asker = Asker(database, effects, ITEM_PRESAVE if effects else QUEUE_WORKER)
    assert await asker.select() == []
    assert {await refused(call) for call in (asker.insert(), asker.update(note="x"), asker.delete())} == {
        "not-available"
    }


OTHERS = [
    "secret",
    "plugin_stranger.secret",
    "users",
    "public.users",
    "Vote",
    "",
    "vote\0",
    STATEMENT,
    'vote" "x',
    None,
    7,
    ["vote"],
    {"table": "vote"},
    "v" * 100_000,
]

# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.story("3.10")
@pytest.mark.parametrize(
    "table",
    [
        "secret",
        "plugin_stranger.secret",
        "users",
        "public.users",
        "Vote",
        "",
        "vote\x00",
        STATEMENT,
        'vote" "x',
        None,
        7,
        ["vote"],
        {"table": "vote"},
        "v" * 100000,
    ],
    ids=lambda table: ascii(table)[:20],
)
async def test_no_other_table_can_be_named(dry, table):
    # A NUL does not even come through.
    code = "bad-payload" if table == "vote\0" else "no-such-table"
    assert await refused(dry.select(table)) == code
    assert await refused(dry.update(table=table, note="x")) == code
    assert await refused(dry.delete(table=table)) == code
    assert await refused(dry.select(joins=[{"table": table, "on": {"id": "id"}}])) == code
    if isinstance(table, str):
        assert await refused(dry.insert(table, note="x")) == "no-such-table"


QUERIES = [
    {"fields": ["note; SELECT 1"]},
    {"fields": ['note" FROM users --']},
    {"fields": ["*"]},
    {"fields": ["public.users.name"]},
    {"fields": []},
    {"fields": "note"},
    {"fields": [1]},
    {"sql": "SELECT 1"},
    {"order_by": ["note DESC"]},
    {"order_by": ["--note"]},
    {"order_by": ["data"]},
    {"order_by": ["note"] * 6},
    {"limit": 0},
    {"limit": 1_001},
    {"limit": -1},
    {"limit": "1"},
    {"limit": True},
    {"limit": 1.5},
    {"limit": 10**30},
    {"offset": -1},
    {"offset": 10**9},
    {"count": True, "limit": 5},
    {"count": 1},
    {"conditions": {}},
    {"conditions": [[]]},
    {"conditions": ["1=1"]},
    {"conditions": [{}]},
    {"conditions": [{"any": []}]},
    {"conditions": [{"all": []}]},
    {"conditions": [{"any": [], "field": "note"}]},
    {"conditions": [{"field": "note", "op": "= ANY(SELECT 1)", "value": "x"}]},
    {"conditions": [{"field": "note", "op": ["="], "value": "x"}]},
    {"conditions": [{"field": "note", "op": "=", "value": None}]},
    {"conditions": [{"field": "note", "op": "is null", "value": 1}]},
    {"conditions": [{"field": "note", "op": "=", "value": "x", "sql": "1"}]},
    {"conditions": [{"field": "note", "op": "<", "value": 1}]},
    {"conditions": [{"field": "note", "value": ["x"]}]},
    {"conditions": [{"field": "note", "value": {"x": 1}}]},
    {"conditions": [{"field": "stars", "value": "1"}]},
    {"conditions": [{"field": "stars", "value": True}]},
    {"conditions": [{"field": "stars", "value": 1.5}]},
    {"conditions": [{"field": "stars", "value": 2**63}]},
    {"conditions": [{"field": "stars", "op": "contains", "value": "1"}]},
    {"conditions": [{"field": "stars", "op": "in", "value": 1}]},
    {"conditions": [{"field": "stars", "op": "in", "value": [1, None]}]},
    {"conditions": [{"field": "stars", "op": "in", "value": [1] * 501}]},
    {"conditions": [{"field": "data", "op": "=", "value": {}}]},
    {"conditions": [{"field": "done", "op": "<", "value": True}]},
    {"conditions": [{"field": "seen", "value": "2026-03-01"}]},
    {"conditions": [{"field": "seen", "value": "now()"}]},
    {"conditions": [{"field": "seen", "value": "0001-01-01T00:00:00+14:00"}]},
    {"conditions": [{"field": "item_id", "value": "7"}]},
    {"conditions": [{"field": "item_id", "value": ITEM.upper()}]},
    {"conditions": [{"field": "stars", "value": 1}] * 51},
    {"joins": [{"table": "voter", "on": {}}]},
    {"joins": [{"table": "voter", "on": "1=1"}]},
    {"joins": [{"table": "voter", "on": {"id": "stars"}}]},
    {"joins": [{"table": "voter", "on": {"id": "voter.id"}}]},
    {"joins": [{"table": "voter", "on": {"id": 'voter_id" OR 1=1 --'}}]},
    {"joins": [{"table": "voter", "on": {'id" OR 1=1 --': "voter_id"}}]},
    {"joins": [{"table": "voter", "on": {"id": "voter_id"}, "as": 'x" CROSS JOIN users "y'}]},
    {"joins": [{"table": "voter", "on": {"id": "voter_id"}, "as": "vote"}]},
    {"joins": [{"table": "vote", "on": {"voter_id": "voter_id"}}]},
    {"joins": [{"table": "voter", "on": {"id": "voter_id"}, "as": f"v{n}"} for n in range(5)]},
    {"joins": {"table": "voter"}},
]


@pytest.mark.story("3.10")
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: json.dumps(query)[:70])
async def test_what_is_not_in_the_schema_is_refused(dry, query):
    assert await refused(dry.select(**query)) == "bad-payload"


def nest(depth):
    condition = {"field": "stars", "value": 1}
    for _ in range(depth):
        condition = {"any": [condition]}
    return condition


async def test_conditions_nest_so_deep(job):
    assert await job.select(conditions=[nest(4)]) == []
    assert await refused(job.select(conditions=[nest(5)])) == "bad-payload"
    endless = '{"table": "vote", "conditions": [' + '{"any": [' * 10_000
    assert await refused(job.raw("select", endless)) == "bad-payload"
    assert await refused(job.raw("select", endless + "]}" * 10_000 + "]}")) == "bad-payload"


ROWS = [
    ({"id": ITEM}, "bad-payload"),
    ({"unknown": 1}, "bad-payload"),
    ({'note") VALUES (1); --': "x"}, "bad-payload"),
    ({"xmin": "1"}, "bad-payload"),
    ({"stars": None}, "bad-payload"),
    ({"stars": "1"}, "bad-payload"),
    ({"stars": 1e300}, "bad-payload"),
    ({"note": 7}, "bad-payload"),
    ({"note": ["x"]}, "bad-payload"),
    ({"note": "x" * (TEXT_MAX + 1)}, "too-large"),
    ({"done": 1}, "bad-payload"),
    ({"seen": 0}, "bad-payload"),
    ({"seen": "tomorrow"}, "bad-payload"),
    ({"share": "0.5"}, "bad-payload"),
    ({"share": True}, "bad-payload"),
    ({"item_id": ITEM.replace("-", "")}, "bad-payload"),
    ({"note": "\0"}, "bad-payload"),
    ({"data": {"deep": "\0"}}, "bad-payload"),
    ({"data": {"\0": 1}}, "bad-payload"),
    ({"note": "\ud800"}, "bad-payload"),
    ({"data": {"\ud800": 1}}, "bad-payload"),
    ({"share": float("nan")}, "bad-payload"),
    ({"share": float("inf")}, "bad-payload"),
    ({"data": [float("nan")]}, "bad-payload"),
    ({"data": "x" * DOCUMENT_MAX}, "too-large"),
]


@pytest.mark.parametrize(("row", "code"), ROWS, ids=[ascii(row)[:50] for row, _ in ROWS])
async def test_rows_that_do_not_fit_are_refused(dry, row, code):
    assert await refused(dry.insert(**row)) == code
    assert await refused(dry.update(**row)) == code


@pytest.mark.parametrize(
    "document",
    [
        "",
        "null",
        "[]",
        "1",
        '"vote"',
        "{",
        '{"table": "vote"} {}',
        "[" * 5_000,
        '{"a":' * 5_000,
        "nan",
        "\ud800",
        "\0",
    ],
    ids=lambda document: ascii(document)[:20],
)
async def test_what_is_no_json_object_is_refused(dry, document):
    for function in ("select", "update", "delete"):
        assert await refused(dry.raw(function, document)) == "bad-payload"
    assert await refused(dry.raw("insert", "vote", document)) == "bad-payload"


async def test_what_is_too_long_is_refused_unread(dry):
    document = " " * (DOCUMENT_MAX + 1)
    assert await refused(dry.raw("select", document)) == "too-large"
    assert await refused(dry.raw("insert", "vote", document)) == "too-large"


@pytest.mark.parametrize("query", [{"table": "vote"}, {"table": "vote", "values": {"note": "x"}}])
async def test_conditions_cannot_be_forgotten(job, query):
    await job.insert(note="x")
    for function in ("update", "delete"):
        assert await refused(job.raw(function, json.dumps(query))) == "bad-payload"
    assert len(await job.select()) == 1


async def test_a_table_that_is_declared_and_not_made_yet_is_not_available(database):
    writes = JobWrites(database)
    asker = Asker(database, writes)
    assert await refused(asker.select()) == "not-available"
    assert await refused(asker.insert()) == "not-available"
    await writes.abandon()


@pytest.mark.story("3.10")
async def test_sql_is_run_for_nobody(own_tables, database):
    query = json.dumps({"sql": "SELECT * FROM users", "params": []})
    asker = Asker(database, None, may=Capabilities(tables=TABLES))
    with pytest.raises(HostError, match="runs no SQL of plugins") as caught:
        asker.functions["query-raw"](asker.state, query)
    assert caught.value.code == "not-available"


async def test_statements_in_values_are_text(job):
    """In each place that takes a value of the plugin's choice."""
    await job.insert(note=STATEMENT, data={STATEMENT: [STATEMENT]})
    condition = {"field": "note", "value": STATEMENT}
    assert await job.update([condition], note=f"{STATEMENT}!") == 1
    for op, value in (("contains", STATEMENT), ("starts_with", STATEMENT), ("in", [f"{STATEMENT}!"])):
        found = await job.select(conditions=[{"field": "note", "op": op, "value": value}])
        assert found[0]["data"] == {STATEMENT: [STATEMENT]}
    assert await job.delete([condition]) == 0
