"""Every plugin that implements a tap is asked, in order, with what it may see; one that fails, fails alone."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from kernel.context import Context
from kernel.tap.catalogue import (
    CRON,
    ITEM_DELETE,
    ITEM_INFO,
    ITEM_INSERT,
    ITEM_PRESAVE,
    ITEM_UPDATE_INDEX,
    ITEM_VIEW,
    MENU,
    PAGE,
    PERM,
)
from kernel.tap.dispatch import BATCH_ITEMS, Dispatched, dispatch
from kernel.tap.registry import TapOptions
from tests.fixtures.plugins import ALL_FIELDS, make_item_data, read_seen


@pytest.mark.story("3.15")
async def test_view_asks_every_implementor_in_order_of_weight_and_collects_the_answers(workshop):
    last = await workshop.load("last", item_view=TapOptions(weight=5))
    first = await workshop.load("first", item_view=TapOptions(weight=-5))
    middle = await workshop.load("middle", item_view=TapOptions())
    other = await workshop.load("other", item_insert=TapOptions())
    async with workshop.scope(last, first, middle, other) as scope:
        dispatched = await dispatch(scope, ITEM_VIEW, items=[make_item_data("A")])
    assert [name for name, _ in dispatched.answers] == ["first", "middle", "last"]
    # Each heard in the request context what the ones before it had said.
    assert [read_seen(answer[0])["before"] for _, answer in dispatched.answers] == ["", "A;", "A;A;"]
    assert dispatched.failures == ()


async def test_view_of_many_items_is_one_call_per_plugin(workshop):
    probe = await workshop.load("probe", item_view=TapOptions())
    async with workshop.scope(probe) as scope:
        items = [make_item_data("A"), make_item_data("nothing"), make_item_data("C")]
        ((_, answer),) = (await dispatch(scope, ITEM_VIEW, items=items)).answers
    assert read_seen(answer[0])["title"] == "A"
    assert answer[1] is None
    assert (read_seen(answer[2])["title"], read_seen(answer[2])["calls"]) == ("C", 2)


@pytest.mark.parametrize("mode", ["full", "handle"])
async def test_a_listing_of_long_texts_goes_in_several_calls(workshop, mode):
    probe = await workshop.load("probe", item_view=TapOptions(mode, fields=frozenset({"field_long"})))
    items = [make_item_data(f"T{number}", field_long="x" * 180_000) for number in range(7)]
    async with workshop.scope(probe) as scope:
        dispatched = await dispatch(scope, ITEM_VIEW, items=items)
    assert dispatched.failures == ()
    ((_, answer),) = dispatched.answers
    assert [read_seen(tree)["title"] for tree in answer] == [f"T{number}" for number in range(7)]


async def test_view_of_no_items_asks_nobody(workshop):
    probe = await workshop.load("probe", item_view=TapOptions())
    async with workshop.scope(probe) as scope:
        assert await dispatch(scope, ITEM_VIEW, items=[]) == Dispatched()
        assert workshop.sandbox.live_instances == 0


async def test_a_plugin_sees_only_types_that_it_wants_and_is_not_started_for_others(workshop):
    picky = await workshop.load("picky", item_view=TapOptions(types=frozenset({"blog"})))
    async with workshop.scope(picky) as scope:
        assert (await dispatch(scope, ITEM_VIEW, items=[make_item_data("A", "page")])).answers == ()
        assert workshop.sandbox.live_instances == 0
        items = [make_item_data("A", "page"), make_item_data("B"), make_item_data("C", "page")]
        ((_, answer),) = (await dispatch(scope, ITEM_VIEW, items=items)).answers
    assert (answer[0], read_seen(answer[1])["title"], answer[2]) == (None, "B", None)


@pytest.mark.parametrize(
    ("options", "owner", "visible"),
    [
        pytest.param(TapOptions(), "probe", {"field_body", "field_secret"}, id="own-type"),
        pytest.param(TapOptions(), "another", set(), id="type-of-another"),
        pytest.param(TapOptions(fields=frozenset({"field_body"})), "another", {"field_body"}, id="asked-for"),
        pytest.param(
            TapOptions(fields=frozenset({"field_body"})), "probe", {"field_body"}, id="own-but-fewer"
        ),
        pytest.param(TapOptions(fields=frozenset()), "probe", set(), id="own-but-none"),
    ],
)
@pytest.mark.parametrize("mode", ["full", "handle"])
async def test_a_plugin_sees_the_fields_that_its_manifest_asks_for(workshop, mode, options, owner, visible):
    probe = await workshop.load(
        "probe", item_view=TapOptions(mode, options.fields, options.types, options.weight)
    )
    item = make_item_data("A", field_body="text", field_secret="hidden")
    async with workshop.scope(probe, owners={"blog": owner}) as scope:
        ((_, answer),) = (await dispatch(scope, ITEM_VIEW, items=[item])).answers
    seen = read_seen(answer[0])
    assert {name for name, reads in seen["fields"].items() if reads[0] is not None} == visible
    assert (seen["title"], seen["type"]) == ("A", "blog")


async def test_the_context_says_where_and_not_who(workshop):
    probe = await workshop.load("probe", item_view=TapOptions())
    async with workshop.scope(probe, ctx=Context(stage_id="spring")) as scope:
        ((_, answer),) = (await dispatch(scope, ITEM_VIEW, items=[make_item_data()])).answers
    assert read_seen(answer[0])["stage"] == "spring"


async def test_events_and_index_texts(workshop):
    probe = await workshop.load("probe", item_insert=TapOptions(), item_update_index=TapOptions())
    async with workshop.scope(probe) as scope:
        assert (await dispatch(scope, ITEM_INSERT, item=make_item_data("A"))).answers == (("probe", None),)
        assert (await dispatch(scope, ITEM_UPDATE_INDEX, item=make_item_data("A"))).answers == (
            ("probe", "words of A"),
        )
        assert await dispatch(scope, ITEM_DELETE, item=make_item_data("A")) == Dispatched()


async def test_declarations_are_read_into_values(workshop):
    probe = await workshop.load("probe", item_info=TapOptions(), menu=TapOptions(), perm=TapOptions())
    async with workshop.scope(probe) as scope:
        ((_, types),) = (await dispatch(scope, ITEM_INFO)).answers
        ((_, entries),) = (await dispatch(scope, MENU)).answers
        ((_, permissions),) = (await dispatch(scope, PERM)).answers
    assert [item_type["type"] for item_type in types] == ["probe"]
    assert [(entry.path, entry.function) for entry in entries] == [
        ("/probe", "front"),
        ("/probe/{number}", "one"),
    ]
    assert [permission.name for permission in permissions] == ["look closely"]


@pytest.mark.story("13.6")
async def test_cron_is_asked_of_one_plugin_which_can_tell_how_long_ago_it_ran(workshop):
    one = await workshop.load("one", cron=TapOptions())
    other = await workshop.load("other", cron=TapOptions())
    slot = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
    times = {"now": slot + timedelta(seconds=2), "last_run": slot - timedelta(minutes=1), "slot": slot}
    async with workshop.scope(one, other) as scope:
        first = await dispatch(scope, CRON, extra={**times, "last_run": None}, plugin="one")
        later = await dispatch(scope, CRON, extra=times, plugin="other")
    assert first == Dispatched((("one", "slot 10:00 the first in live"),))
    assert later == Dispatched((("other", "slot 10:00 62 s later in live"),))


@pytest.mark.parametrize("title", ["trap", "loop", "memory bomb", "recursion", "error"])
@pytest.mark.story("3.15")
async def test_a_plugin_that_breaks_leaves_the_answers_of_the_others(workshop, title):
    before = await workshop.load("before", item_view=TapOptions())
    hostile = await workshop.load("hostile", "hostile", item_view=TapOptions())
    after = await workshop.load("after", item_view=TapOptions())
    async with workshop.scope(before, hostile, after) as scope:
        with capture_logs() as logs:
            dispatched = await dispatch(scope, ITEM_VIEW, items=[make_item_data(title)])
        assert [name for name, _ in dispatched.answers] == ["before", "after"]
        (failure,) = dispatched.failures
        # The next tap of the same request finds the plugin in order again, in an instance of its own.
        again = await dispatch(scope, ITEM_VIEW, items=[make_item_data("well")])
    reasons = {
        "trap": {"abort"},
        "loop": {"cpu-budget"},
        "memory bomb": {"memory"},
        "recursion": {"tap-error", "stack-overflow"},
        "error": {"tap-error"},
    }
    assert (failure.plugin, failure.tap) == ("hostile", "tap_item_view")
    assert failure.reason in reasons[title]
    (logged,) = (line for line in logs if line["event"] == "a plugin failed")
    assert (logged["plugin"], logged["tap"], logged["reason"]) == ("hostile", "tap_item_view", failure.reason)
    assert [name for name, _ in again.answers] == ["before", "hostile", "after"]


@pytest.mark.story("3.18")
async def test_an_exception_is_logged_with_plugin_tap_message_and_traceback(workshop):
    hostile = await workshop.load("hostile", "hostile", item_view=TapOptions())
    async with workshop.scope(hostile) as scope:
        with capture_logs() as logs:
            await dispatch(scope, ITEM_VIEW, items=[make_item_data("error")])
    (logged,) = (line for line in logs if line["event"] == "a plugin failed")
    assert logged["error"] == "Plugin 'hostile', tap_item_view: ValueError: boom"
    assert 'raise ValueError("boom")' in logged["detail"] or "in raise_error" in logged["detail"]


@pytest.mark.parametrize(
    ("title", "complaint"),
    [
        ("half a JSON", "not valid JSON"),
        ("not a number", "not valid JSON"),
        ("lone surrogate", "not valid JSON"),
        ("nothing at all", "not valid JSON"),
        ("NUL", "holds a NUL"),
        ("deep", "nested deeper than 64"),
        ("no list", "must answer a list with one render element or null per item"),
        ("too few", "0 answers for 1 items"),
        ("no element", "answer 1 must be a render element"),
        ("no type", "answer 1 must be a render element"),
    ],
)
async def test_a_garbage_answer_costs_the_plugin_its_part_and_nobody_else(workshop, title, complaint):
    hostile = await workshop.load("hostile", "hostile", item_view=TapOptions(weight=-1))
    probe = await workshop.load("probe", item_view=TapOptions())
    async with workshop.scope(hostile, probe) as scope:
        dispatched = await dispatch(scope, ITEM_VIEW, items=[make_item_data(title)])
    assert [name for name, _ in dispatched.answers] == ["probe"]
    (failure,) = dispatched.failures
    assert failure.reason == "bad-answer"
    assert failure.message.startswith("Plugin 'hostile', tap_item_view: bad answer: ")
    assert complaint in failure.message


async def test_a_tap_that_the_artefact_lacks_is_a_failure_that_names_what_it_has(workshop):
    probe = await workshop.load("probe", item_delete=TapOptions())
    async with workshop.scope(probe) as scope:
        (failure,) = (await dispatch(scope, ITEM_DELETE, item=make_item_data())).failures
    assert failure.reason == "tap-not-implemented"
    assert "Plugin 'probe', tap_item_delete" in failure.message
    assert "tap_item_view" in failure.message


async def test_a_loop_does_not_hold_up_another_request(workshop):
    hostile = await workshop.load("hostile", "hostile", cpu_ms=300.0, item_view=TapOptions())
    probe = await workshop.load("probe", item_view=TapOptions())
    async with workshop.scope(hostile) as spinning, workshop.scope(probe) as ordinary:
        loop = asyncio.create_task(dispatch(spinning, ITEM_VIEW, items=[make_item_data("loop")]))
        await asyncio.sleep(0)
        dispatched = await dispatch(ordinary, ITEM_VIEW, items=[make_item_data("A")])
        assert not loop.done()
        assert [name for name, _ in dispatched.answers] == ["probe"]
        assert (await loop).failures[0].reason == "cpu-budget"


@pytest.mark.parametrize(
    ("tap", "arguments"),
    [
        pytest.param(ITEM_VIEW, {"item": make_item_data()}, id="item-for-items"),
        pytest.param(ITEM_PRESAVE, {"items": [make_item_data()]}, id="items-for-item"),
        pytest.param(ITEM_PRESAVE, {}, id="no-item"),
        pytest.param(MENU, {"item": make_item_data()}, id="item-for-nothing"),
        pytest.param(PAGE, {}, id="page-of-nobody"),
        pytest.param(CRON, {}, id="cron-of-nobody"),
        pytest.param(MENU, {"plugin": "blog"}, id="one-of-a-tap-that-asks-all"),
    ],
)
async def test_a_caller_that_hands_over_the_wrong_thing_is_told(workshop, tap, arguments):
    async with workshop.scope() as scope:
        with pytest.raises(TypeError, match=tap.name):
            await dispatch(scope, tap, **arguments)


async def test_a_long_listing_is_asked_for_in_calls_of_few_items_which_share_a_taps_limits(workshop):
    probe = await workshop.load("probe", item_view=ALL_FIELDS)
    items = [make_item_data(f"Item {number}") for number in range(2 * BATCH_ITEMS + 10)]
    async with workshop.scope(probe) as scope:
        ((_, answer),) = (await dispatch(scope, ITEM_VIEW, items=items)).answers
    assert [read_seen(tree)["title"] for tree in answer] == [item["title"] for item in items]
    tally, _ = probe.watch.take()
    assert tally["probe", "tap_item_view", "calls"] == 3
