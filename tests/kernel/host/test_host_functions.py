"""What plugins ask the kernel, through real WASM: users, variables, the scratch pad, other plugins, the log."""

import json
from dataclasses import replace
from uuid import UUID

import orjson
import pytest
from structlog.testing import capture_logs

from kernel.context import Actor, Context
from kernel.host.logging_api import MESSAGE_MAX, write_log
from kernel.host.request_context import KEY_MAX, VALUE_MAX, set_shared
from kernel.host.table import list_host_functions
from kernel.host.variables import list_variable_functions
from kernel.tap.answers import MenuEntry
from kernel.tap.catalogue import ITEM_INSERT
from kernel.tap.dispatch import dispatch
from kernel.tap.menu import build_menu, get_page
from kernel.tap.registry import TapOptions, TapPlugin
from tests.fixtures.plugins import make_item_data

EDITOR = Actor(
    UUID("0190a000-0000-7000-8000-00000000000a"), "ed", permissions=frozenset({"granted", "not asked for"})
)
PERMISSIONS = ("granted", "denied")


@pytest.fixture
def ask(workshop):
    """What the plugin `probe` was told by every host function, for the actor."""

    async def ask_probe(actor, **capabilities):
        probe = await workshop.load("probe", page=TapOptions(), **capabilities)
        match = build_menu([("probe", [MenuEntry("/x", "X")])], frozenset()).resolve("/x")
        async with workshop.scope(probe, ctx=Context(actor=actor)) as scope:
            return json.loads((await get_page(scope, match)).content["#value"])

    return ask_probe


@pytest.mark.story("3.11")
async def test_the_user_is_told_and_the_nil_uuid_for_strangers(ask):
    assert (await ask(EDITOR))["user"] == "0190a000-0000-7000-8000-00000000000a"
    assert (await ask(Actor()))["user"] == "00000000-0000-0000-0000-000000000000"


@pytest.mark.story("3.11")
async def test_permissions_follow_the_roles_as_far_as_the_manifest_asks(ask):
    told = await ask(EDITOR, may={"permissions": frozenset(PERMISSIONS)})
    assert told["may"] == {"granted": True, "denied": False, "not asked for": False}
    told = await ask(replace(EDITOR, is_admin=True), may={"permissions": frozenset(PERMISSIONS)})
    assert told["may"] == {"granted": True, "denied": True, "not asked for": False}


async def test_a_question_that_the_manifest_does_not_ask_for_is_logged(ask):
    with capture_logs() as logs:
        await ask(EDITOR, may={"permissions": frozenset(PERMISSIONS), "variables": frozenset({"site_name"})})
    questions = {(line["plugin"], line.get("permission") or line.get("variable")) for line in logs}
    assert questions == {("probe", "not asked for"), ("probe", "mail_password")}


async def test_variables_are_read_where_the_plugin_may_and_else_are_the_default(ask, database):
    async with database.acquire() as conn:
        for name, value in {
            "probe_text": "ten",
            "probe_data": {"per_page": 10},
            "site_name": "Trovato",
            "mail_password": "hush",
        }.items():
            await conn.execute("INSERT INTO variable (name, value) VALUES ($1, $2)", name, value)
    told = await ask(Actor(), may={"variables": frozenset({"site_name"})})
    assert told["variables"] == {
        "probe_text": "ten",
        "probe_data": '{"per_page":10}',
        "probe_unset": "the default",
        "site_name": "Trovato",
        "mail_password": "the default",
    }


async def test_a_variable_is_read_once_per_request(workshop, database):
    function, _ = list_variable_functions(database)
    plugin = TapPlugin("probe", None, {})
    async with database.acquire() as conn:
        await conn.execute("INSERT INTO variable (name, value) VALUES ('probe_x', $1)", "before")
        async with workshop.scope(plugin) as scope:
            state = scope.get_state(plugin)
            assert await function.call(state, "probe_x", "") == "before"
            await conn.execute("UPDATE variable SET value = $1", "after")
            assert await function.call(state, "probe_x", "") == "before"
            assert await function.call(state, "probe_" + "x" * 300, "default") == "default"
            assert await function.call(state, "probe_\x00", "default") == "default"


async def test_other_plugins_are_known_by_name(ask):
    assert (await ask(Actor()))["plugins"] == {"probe": True, "nobody": False}


async def test_the_scratch_pad_takes_only_what_is_small(workshop):
    plugin = TapPlugin("probe", None, {})
    async with workshop.scope(plugin) as scope:
        state = scope.get_state(plugin)
        assert set_shared(state, "k" * KEY_MAX, "v" * VALUE_MAX)
        assert not set_shared(state, "k" * (KEY_MAX + 1), "v")
        assert not set_shared(state, "k", "v" * (VALUE_MAX + 1))
        assert not set_shared(state, "", "v")


@pytest.mark.story("3.14")
async def test_messages_are_logged_with_level_plugin_and_tap(workshop):
    probe = await workshop.load("probe", item_insert=TapOptions())
    async with workshop.scope(probe) as scope:
        with capture_logs() as logs:
            await dispatch(scope, ITEM_INSERT, item=make_item_data("A"))
    (line,) = logs
    assert {key: line[key] for key in ("event", "log_level", "plugin", "tap", "message", "cut")} == {
        "event": "plugin message",
        "log_level": "warning",
        "plugin": "probe",
        "tap": "tap_item_insert",
        "message": "inserted A",
        "cut": False,
    }


@pytest.mark.story("3.14")
@pytest.mark.parametrize(
    ("level", "logged"),
    [("debug", "debug"), ("info", "info"), ("warning", "warning"), ("error", "error"), ("shout", "info")],
)
async def test_levels(workshop, level, logged):
    plugin = TapPlugin("probe", None, {})
    async with workshop.scope(plugin) as scope:
        with capture_logs() as logs:
            write_log(scope.get_state(plugin), level, "x" * (MESSAGE_MAX + 1))
    assert [(line["log_level"], len(line["message"]), line["cut"]) for line in logs] == [
        (logged, MESSAGE_MAX, True)
    ]


async def test_each_function_stands_once_in_the_table(ledger):
    names = [function.full_name for function in list_host_functions(ledger)]
    assert len(names) == len(set(names)) == 33
    assert orjson.dumps(names)
