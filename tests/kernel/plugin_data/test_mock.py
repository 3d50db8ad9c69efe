"""The stand-in for the database that authors test with answers as the kernel does."""

import json

import pytest
from trovato_sdk import DbError, all_of, any_of, db, variables
from trovato_sdk.kernel import Err
from trovato_sdk.mock_db import Tables
from trovato_sdk.testing import TestKernel

from kernel.context import Context
from kernel.host.db_api import list_db_functions
from kernel.ledger.writes import JobWrites
from kernel.plugin.model import PluginSet
from kernel.sandbox.host import HostError
from kernel.tap.capability import Capabilities
from kernel.tap.catalogue import QUEUE_WORKER
from kernel.tap.registry import TapPlugin, TapRegistry
from kernel.tap.scope import TapScope
from tests.fixtures.tables import TABLES

COLUMNS = {
    name: {
        column.name: {"type": column.kind, "required": column.required, "default": column.default}
        for column in table.columns
    }
    for name, table in TABLES.items()
}


class Pair:
    """Asks both the same; an id that one made is known to the other by the place at which it was made."""

    def __init__(self, functions, state):
        self._functions = functions
        self._state = state
        self._mock = Tables(COLUMNS, {})
        self.ids = []

    async def ask(self, function, *arguments):
        real = await self._ask_kernel(function, *(self._name(text, 0) for text in arguments))
        mocked = self._ask_mock(function, *(self._name(text, 1) for text in arguments))
        if function == "insert":
            self.ids.append((real, mocked))
            return
        for number, (own, other) in enumerate(self.ids):
            real, mocked = real.replace(own, f"id{number}"), mocked.replace(other, f"id{number}")
        assert json.loads(real) == json.loads(mocked)

    def _name(self, text, which):
        for number, ids in enumerate(self.ids):
            text = text.replace(f"id{number}", ids[which])
        return text

    async def _ask_kernel(self, function, *arguments):
        try:
            return await self._functions[function](self._state, *arguments)
        except HostError as refusal:
            return json.dumps(f"refused {refusal.code}")

    def _ask_mock(self, function, *arguments):
        try:
            return getattr(self._mock, function)(*arguments)
        except Err as refusal:
            return json.dumps(f"refused {json.loads(refusal.value)['code']}")


@pytest.fixture
async def pair(own_tables, database):
    writes = JobWrites(database)
    plugin = TapPlugin("ledgerling", None, {}, Capabilities(tables=TABLES))
    scope = TapScope(PluginSet(registry=TapRegistry((plugin,))), Context(), effects=writes)
    state = scope.get_state(plugin)
    state.tap = QUEUE_WORKER
    yield Pair({function.name: function.call for function in list_db_functions(database)}, state)
    await writes.abandon()


SELECTS = [
    {},
    {"fields": ["note", "stars"], "order_by": ["-note", "stars"]},
    {"order_by": ["stars"], "limit": 2, "offset": 1},
    {"count": True, "conditions": [{"field": "stars", "op": ">", "value": 1}]},
    {"conditions": [{"field": "note", "op": "contains", "value": "B"}]},
    {"conditions": [{"field": "note", "op": "starts_with", "value": "b"}]},
    {"conditions": [{"field": "note", "op": "!=", "value": "Abc"}]},
    {"conditions": [{"field": "note", "op": "is null"}]},
    {"conditions": [{"field": "stars", "op": "in", "value": [1, 3]}]},
    {"conditions": [{"any": [{"field": "stars", "op": "<", "value": 2}, {"field": "done", "value": True}]}]},
    {"conditions": [{"field": "id", "value": "id2"}]},
    {"joins": [{"table": "voter", "on": {"id": "voter_id"}}], "fields": ["note", "voter.name"]},
    {
        "joins": [{"table": "voter", "on": {"id": "voter_id"}, "left": True, "as": "who"}],
        "fields": ["vote.note", "who.name"],
        "order_by": ["who.name", "-stars"],
    },
    {"conditions": [{"field": "unknown", "value": 1}]},
    {"table": "unknown"},
]


async def test_the_stand_in_answers_as_the_kernel_does(pair):
    await pair.ask("insert", "voter", json.dumps({"name": "Ann"}))
    for row in (
        {"note": "Abc", "stars": 1, "voter_id": "id0"},
        {"note": "bcd", "stars": 2, "done": True},
        {"stars": 3, "data": {"x": [1]}},
        {"note": "%_"},
    ):
        await pair.ask("insert", "vote", json.dumps(row))
    for select in SELECTS:
        await pair.ask("select", json.dumps({"table": "vote", **select}))
    for function, query in (
        (
            "update",
            {"table": "vote", "values": {"note": "new"}, "conditions": [{"field": "stars", "value": 2}]},
        ),
        ("delete", {"table": "vote", "conditions": [{"field": "note", "op": "is null"}]}),
        ("update", {"table": "vote", "values": {"unknown": 1}, "conditions": []}),
    ):
        await pair.ask(function, json.dumps(query))
        await pair.ask("select", json.dumps({"table": "vote"}))


def test_the_functions_of_the_sdk_ask_it():
    with TestKernel(tables=COLUMNS, variables={"x": "1"}) as kernel:
        row_id = db.insert("vote", {"note": "a", "stars": 2})
        db.insert("vote", {"note": "b"})
        assert db.find("vote", row_id)["note"] == "a"
        assert db.find("voter", row_id) is None
        assert [row["note"] for row in db.select("vote", where=[("stars", "<", 1)])] == ["b"]
        either = any_of(("note", "=", "b"), all_of(("note", "=", "a"), ("stars", "in", (2, 3))))
        assert db.count("vote", where=[either]) == 2
        assert db.update("vote", {"stars": 5}, where={"note": "b", "item_id": None}) == 1
        assert db.delete("vote", where={"id": row_id}) == 1
        assert [row["stars"] for row in kernel.rows["vote"].values()] == [5]
        with pytest.raises(DbError, match="bad-payload: Column 'name'"):
            db.insert("voter", {})
        variables.set("y", "2")
        assert kernel.set_variables == {"x": "1", "y": "2"}
