"""Plugins call functions of others: whose rights count, what comes back, and that nobody waits for ever."""

import asyncio
import json

import pytest

from kernel.context import Actor
from kernel.errors import PluginError
from kernel.host.plugin_api import PAYLOAD_MAX
from kernel.ids import uuid7
from kernel.tap.catalogue import ITEM_VIEW
from tests.fixtures.plugins import make_item_data

USER = Actor(id=uuid7(), permissions=frozenset({"reach far", "access content"}))


async def order(scope, do, **details):
    """What the first plugin makes of it while it shows an item. Raises PluginError."""
    payload = {"ctx": {}, "items": [make_item_data(json.dumps({"do": do, **details}))]}
    state = scope.get_state(scope.registry.plugins[0])
    (tree,) = json.loads(await state.invoke(ITEM_VIEW, json.dumps(payload).encode(), {}))
    return json.loads(tree["#value"])


def relay(*way):
    """An order that goes through the plugins one after the other."""
    (plugin, *rest) = way
    return {"plugin": plugin, "function": "relay", "data": [[name, "relay"] for name in rest]}


@pytest.mark.story("8.9")
async def test_a_function_of_another_plugin_answers(open_reach):
    async with await open_reach("reach", "blog") as scope:
        assert await order(scope, "call", plugin="blog", function="tell", data={"top": 3}) == {
            "data": {"top": 3},
            "calls": 1,
            "stage": "live",
            "user": "00000000-0000-0000-0000-000000000000",
            "may": False,
        }


@pytest.mark.story("8.9")
@pytest.mark.parametrize(
    ("plugin", "function"),
    [("nobody", "tell"), ("blog", "nothing"), ("blog", "item_view"), ("blog", "function:tell"), ("", "")],
)
async def test_a_function_that_nobody_offers_is_not_found(open_reach, plugin, function):
    async with await open_reach("reach", "blog") as scope:
        code, message = await order(scope, "call", plugin=plugin, function=function)
    assert code == "not-found"
    assert repr(plugin) in message


@pytest.mark.story("8.9")
async def test_which_plugins_are_enabled_is_told_and_noted(open_reach):
    async with await open_reach("reach", "blog") as scope:
        assert await order(scope, "exists", name="blog") is True
        assert await order(scope, "exists", name="nobody") is False
        assert "plugins" in scope.get_state(scope.registry.plugins[0]).record.tags


@pytest.mark.story("8.9")
@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("fail", "nothing to be had for None"),
        ("spin", "processor time"),
        ("large", "1,000,003 bytes"),
        ("odd", "cannot be sent"),
    ],
)
async def test_a_function_that_fails_is_an_error_that_the_caller_can_handle(open_reach, function, words):
    async with await open_reach("reach", "blog") as scope:
        code, message = await order(scope, "call", plugin="blog", function=function)
        assert code == "failed"
        assert message.startswith(f"Plugin 'blog', function:{function}: ")
        assert words in message
        # And the caller's next call is as good as any.
        assert (await order(scope, "call", plugin="blog", function="tell"))["calls"] == 1


async def test_a_function_acts_for_the_same_user_with_its_own_rights(open_reach):
    may = {"blog": {"permissions": frozenset({"reach far"})}}
    async with await open_reach("reach", "blog", "other", actor=USER, may=may) as scope:
        told = await order(scope, "call", plugin="blog", function="tell")
        assert (told["user"], told["may"]) == (str(USER.id), True)
        # What the manifest of this one does not ask for it does not learn, whoever calls it.
        told = await order(scope, "call", plugin="other", function="tell")
        assert (told["user"], told["may"]) == (str(USER.id), False)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("{", "bad-payload"),
        ("NaN", "bad-payload"),
        ('"\\ud800"', "bad-payload"),
        ("[" * 65 + "]" * 65, "bad-payload"),
        (json.dumps("x" * PAYLOAD_MAX), "too-large"),
    ],
)
async def test_what_is_no_payload_is_refused(open_reach, payload, code):
    async with await open_reach("reach", "blog") as scope:
        assert await order(scope, "call_raw", plugin="blog", function="tell", payload=payload) == code


async def test_a_plugin_that_is_free_keeps_its_instance_and_one_that_waits_takes_another(
    open_reach, workshop
):
    async with await open_reach("reach", "blog") as scope:
        for number in (1, 2):
            told = await order(scope, "call", plugin="blog", function="tell")
            assert told["calls"] == number
        assert workshop.sandbox.live_instances == 2
        # reach → blog → reach: the second one is another instance, and gone afterwards.
        way = [["reach", "tell"]]
        told = await order(scope, "call", plugin="blog", function="relay", data=way)
        assert told["calls"] == 1
        assert workshop.sandbox.live_instances == 2
        told = await order(scope, "call", plugin="reach", function="tell")
        assert told["calls"] == 1
        assert workshop.sandbox.live_instances == 2
    assert workshop.sandbox.live_instances == 0


async def test_calls_go_four_deep(open_reach):
    async with await open_reach("reach", "a", "b", "c", "d", "e") as scope:
        assert await order(scope, "call", **relay("a", "b", "c", "d")) == "arrived"
        code, message = await order(scope, "call", **relay("a", "b", "c", "d", "e"))
        assert code == "too-deep"
        assert "item_view → a.relay → b.relay → c.relay → d.relay → e.relay" in message


@pytest.mark.parametrize("way", [("a", "a"), ("a", "b", "a"), ("reach", "a", "reach")], ids="-".join)
async def test_a_circle_is_refused_where_it_closes(open_reach, way):
    async with await open_reach("reach", "a", "b") as scope:
        code, message = await order(scope, "call", **relay(*way))
        assert code == "too-deep"
        assert message.startswith("The calls go in a circle: item_view → ")
        # The chain is over with the call.
        assert await order(scope, "call", **relay("a", "b")) == "arrived"


async def test_what_a_function_learned_its_caller_learned_and_the_other_way_round(open_reach):
    may = {"blog": {"permissions": frozenset({"reach far"})}}
    async with await open_reach("reach", "blog", "other", actor=USER, may=may) as scope:
        reach, blog, other = (scope.get_state(plugin) for plugin in scope.registry.plugins)
        await order(scope, "call", plugin="blog", function="relay", data=[])
        assert not reach.record.has_user
        await order(scope, "call", plugin="blog", function="tell")
        assert reach.record.has_user
        assert reach.record.permissions["reach far"] is True
        # One that fails tells something too.
        blog.record.note_tags("secret")
        await order(scope, "call", plugin="blog", function="fail")
        assert "secret" in reach.record.tags
        # What reach knows by now may be in what it hands over.
        await order(scope, "call", plugin="other", function="relay", data=[])
        assert other.record.has_user
        assert other.record.permissions["reach far"] is True


async def test_the_time_of_the_caller_ends_the_function_too(open_reach, workshop):
    async with await open_reach("reach", "blog", cpu_ms=60_000.0) as scope:
        state = scope.get_state(scope.registry.plugins[0])
        orders = [make_item_data(json.dumps({"do": "call", "plugin": "blog", "function": "spin"}))]
        with pytest.raises(PluginError) as failure:
            await state.invoke(ITEM_VIEW, json.dumps({"items": orders}).encode(), {}, 0.2)
        assert (failure.value.reason, failure.value.plugin) == ("timeout", "reach")
        assert workshop.sandbox.live_instances == 0


async def test_a_cancelled_caller_leaves_no_instance(open_reach, workshop):
    async with await open_reach("reach", "blog", cpu_ms=60_000.0) as scope:
        calling = asyncio.create_task(order(scope, "call", plugin="blog", function="spin"))
        while workshop.sandbox.live_instances < 2:
            await asyncio.sleep(0.005)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert workshop.sandbox.live_instances == 0


@pytest.mark.timeout(60)
async def test_a_hundred_calls_at_the_same_time_through_each_other_all_arrive(open_reach, workshop):
    """More than there are permits, each of them waiting for others: who waits holds none."""
    async with await open_reach("reach", "a", "b"):
        pass  # loaded before they come

    async def go(number):
        async with await open_reach("reach", "a", "b") as scope:
            way = relay("a", "b") if number % 2 else relay("b", "a")
            return await order(scope, "call", **way)

    assert await asyncio.gather(*(go(number) for number in range(100))) == ["arrived"] * 100
    assert workshop.sandbox.live_instances == 0


async def test_two_plugins_that_call_each_other_at_the_same_time_in_one_request_do_not_wait_for_each_other(
    open_reach, workshop
):
    async with await open_reach("reach", "a") as scope:
        other = scope.registry.plugins[1]

        async def go_back():
            orders = [make_item_data(json.dumps({"do": "call", **relay("reach")}))]
            payload = json.dumps({"items": orders}).encode()
            (tree,) = json.loads(await scope.get_state(other).invoke(ITEM_VIEW, payload, {}))
            return json.loads(tree["#value"])

        ways = [order(scope, "call", **relay("a")), go_back(), order(scope, "call", **relay("a")), go_back()]
        assert await asyncio.gather(*ways) == ["arrived"] * 4
        assert workshop.sandbox.live_instances == 2


async def test_calls_are_counted_under_the_name_of_the_function(open_reach, workshop):
    async with await open_reach("reach", "blog") as scope:
        await order(scope, "call", plugin="blog", function="tell")
        await order(scope, "call", plugin="blog", function="fail")
        (metrics,) = {id(p.component.metrics): p.component.metrics for p in scope.registry.plugins}.values()
    text = metrics.render().decode()
    for function, outcome in (("tell", "ok"), ("fail", "tap-error")):
        labels = f'outcome="{outcome}",plugin="blog",tap="function:{function}"'
        assert f"trovato_tap_seconds_count{{{labels}}} 1.0" in text
