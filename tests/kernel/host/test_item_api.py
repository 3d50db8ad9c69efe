"""Items by handle, through real WASM and with hostile arguments."""

import pytest

from kernel.host import item_api
from kernel.tap.catalogue import ITEM_PRESAVE, ITEM_VIEW
from kernel.tap.dispatch import dispatch
from kernel.tap.handle import CHANGES_MAX, VALUE_MAX, HandledItem
from kernel.tap.registry import TapOptions, TapPlugin
from tests.fixtures.plugins import ALL_FIELDS, make_item_data, read_seen

BODY = {"value": "<p>Hi</p>", "format": "filtered_html"}


def make_item():
    return make_item_data("T", field_body=BODY, field_minutes=4, field_featured=True, field_secret=2**70)


@pytest.mark.story("3.9")
@pytest.mark.parametrize("mode", ["full", "handle"])
async def test_a_field_reads_as_its_own_kind_and_as_nothing_else(workshop, mode):
    probe = await workshop.load(
        "probe", item_view=TapOptions(mode, fields=ALL_FIELDS.fields - {"field_secret"})
    )
    async with workshop.scope(probe) as scope:
        ((_, answer),) = (await dispatch(scope, ITEM_VIEW, items=[make_item()])).answers
    seen = read_seen(answer[0])
    assert (seen["id"], seen["type"], seen["title"]) == ("0190a000-0000-7000-8000-000000000001", "blog", "T")
    # Field, text, integer, boolean.
    assert seen["fields"] == {
        "field_body": [BODY, "<p>Hi</p>", None, None],
        "field_minutes": [{"value": 4}, None, 4, None],
        "field_featured": [{"value": True}, None, None, True],
        "field_secret": [None, None, None, None],
        "field_missing": [None, None, None, None],
    }


async def test_a_view_cannot_change_the_item(workshop):
    probe = await workshop.load("probe", item_view=TapOptions("handle"))
    async with workshop.scope(probe) as scope:
        ((_, answer),) = (await dispatch(scope, ITEM_VIEW, items=[make_item()])).answers
    assert read_seen(answer[0])["set"] is False


@pytest.mark.story("3.9")
async def test_presave_writes_by_handle(workshop):
    probe = await workshop.load("probe", item_presave=TapOptions("handle", fields=ALL_FIELDS.fields))
    async with workshop.scope(probe) as scope:
        ((_, change),) = (
            await dispatch(scope, ITEM_PRESAVE, item=make_item(), extra={"op": "insert"})
        ).answers
    assert change["title"] == "T+insert"
    assert change["fields"]["field_body"] == {"value": "<p>Hi</p>+", "format": "filtered_html"}
    assert change["fields"]["field_minutes"] == {"value": 5}


@pytest.fixture
async def state(workshop):
    """A plugin's state in which handle 1 is an item that may be changed."""
    plugin = TapPlugin("probe", None, {})
    async with workshop.scope(plugin) as scope:
        state = scope.get_state(plugin)
        state.handles = {1: HandledItem(make_item(), None, may_change=True)}
        yield state


@pytest.mark.story("3.9")
@pytest.mark.parametrize("handle", [0, 2, -1, 2**31 - 1, -(2**31)])
async def test_an_unknown_handle_reads_as_nothing_and_is_not_written(state, handle):
    assert [read(state, handle) for read in (item_api.get_id, item_api.get_type, item_api.get_title)] == [
        None
    ] * 3
    for read in (
        item_api.get_field,
        item_api.get_field_string,
        item_api.get_field_int,
        item_api.get_field_bool,
    ):
        assert read(state, handle, "field_body") is None
    assert not item_api.set_title(state, handle, "x")
    assert not item_api.set_field(state, handle, "field_body", '{"value":"x"}')
    assert not item_api.set_value(state, handle, "field_body", "x")


@pytest.mark.parametrize(
    "field_json",
    ["", "{", "[]", "null", "{}", '{"value":[]}', '{"value":1,"x":2}', '{"value":"\\ud800"}', "[" * 100_000],
)
async def test_a_field_that_cannot_be_read_is_not_written(state, field_json):
    assert not item_api.set_field(state, 1, "field_body", field_json)
    assert state.handles[1].change == {}


@pytest.mark.parametrize("name", ["", "title", "body", "field_" + "x" * 40, "field_Body", "field_\x00"])
async def test_what_is_no_field_is_not_written(state, name):
    assert not item_api.set_value(state, 1, name, "x")
    assert item_api.get_field(state, 1, name) is None


async def test_sizes_are_bounded(state):
    assert not item_api.set_value(state, 1, "field_body", "x" * (VALUE_MAX + 1))
    assert not item_api.set_value(state, 1, "field_body", "\x00")
    assert not item_api.set_title(state, 1, "x" * 256)
    assert not item_api.set_title(state, 1, " ")
    assert all(item_api.set_value(state, 1, f"field_{number}", number) for number in range(CHANGES_MAX))
    assert not item_api.set_value(state, 1, "field_more", 1)
    assert item_api.set_value(state, 1, "field_0", 7)
    assert item_api.get_field_int(state, 1, "field_0") == 7


async def test_an_integer_that_cannot_cross_the_boundary_reads_as_nothing(state):
    assert item_api.get_field_int(state, 1, "field_secret") is None


async def test_a_change_is_seen_by_later_reads(state):
    assert item_api.set_field(state, 1, "field_body", '{"value":"new"}')
    assert item_api.get_field_string(state, 1, "field_body") == "new"
    assert item_api.get_field(state, 1, "field_body") == '{"value":"new","format":"filtered_html"}'
    assert item_api.set_title(state, 1, "New")
    assert item_api.get_title(state, 1) == "New"
