"""Instances live as long as a request: made when first needed, used for all its taps, shared with nobody."""

import asyncio

import pytest

from kernel.tap.catalogue import ITEM_INSERT, ITEM_VIEW
from kernel.tap.dispatch import dispatch
from kernel.tap.record import Record
from kernel.tap.registry import TapOptions
from kernel.tap.scope import LATER_S, SHARED_KEYS_MAX, SHARED_MAX
from tests.fixtures.plugins import make_item_data, read_seen


async def count_calls(scope):
    """How often this instance of the plugin has been called, this call included."""
    ((_, answer),) = (await dispatch(scope, ITEM_VIEW, items=[make_item_data()])).answers
    return read_seen(answer[0])["calls"]


@pytest.mark.story("3.8")
async def test_an_instance_is_made_when_first_needed_and_serves_all_taps_of_the_request(workshop):
    probe = await workshop.load("probe", item_view=TapOptions(), item_insert=TapOptions())
    async with workshop.scope(probe) as scope:
        assert workshop.sandbox.live_instances == 0
        assert await count_calls(scope) == 1
        await dispatch(scope, ITEM_INSERT, item=make_item_data())
        assert await count_calls(scope) == 2
        assert workshop.sandbox.live_instances == 1
    assert workshop.sandbox.live_instances == 0


async def test_instances_of_a_request_are_given_back_after_the_answer(workshop):
    probe = await workshop.load("probe", item_view=TapOptions())
    async with workshop.scope(probe) as scope:
        scope.closes_later = True
        await count_calls(scope)
    assert workshop.sandbox.live_instances == 1
    async with asyncio.timeout(5):
        while workshop.sandbox.live_instances:
            await asyncio.sleep(LATER_S)


@pytest.mark.story("3.8")
async def test_requests_at_the_same_time_share_nothing(workshop):
    probe = await workshop.load("probe", item_view=TapOptions())
    async with workshop.scope(probe) as one, workshop.scope(probe) as two:
        assert await asyncio.gather(count_calls(one), count_calls(two)) == [1, 1]
        assert one.find_shared("seen").value == two.find_shared("seen").value == "Hello;"
        assert workshop.sandbox.live_instances == 2


async def test_taps_dispatched_at_the_same_time_take_turns(workshop):
    probe = await workshop.load("probe", item_view=TapOptions())
    async with workshop.scope(probe) as scope:
        assert sorted(await asyncio.gather(*(count_calls(scope) for _ in range(5)))) == [1, 2, 3, 4, 5]
        assert workshop.sandbox.live_instances == 1


async def test_an_instance_that_broke_is_replaced_for_the_next_tap(workshop):
    hostile = await workshop.load("hostile", "hostile", item_view=TapOptions())
    async with workshop.scope(hostile) as scope:
        await dispatch(scope, ITEM_VIEW, items=[make_item_data("trap")])
        assert workshop.sandbox.live_instances == 0
        assert (await dispatch(scope, ITEM_VIEW, items=[make_item_data("well")])).failures == ()
        # An error that the plugin answered properly broke nothing.
        await dispatch(scope, ITEM_VIEW, items=[make_item_data("error")])
        assert workshop.sandbox.live_instances == 1


async def test_a_cancelled_request_leaves_no_instance(workshop):
    hostile = await workshop.load("hostile", "hostile", cpu_ms=5_000.0, item_view=TapOptions())
    async with workshop.scope(hostile) as scope:
        call = asyncio.create_task(dispatch(scope, ITEM_VIEW, items=[make_item_data("loop")]))
        while workshop.sandbox.live_instances == 0:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert workshop.sandbox.live_instances == 0


async def test_the_scratch_pad_is_bounded(workshop):
    async with workshop.scope() as scope:
        nothing = Record()
        assert scope.share("big", "x" * (SHARED_MAX - 3), nothing)
        assert not scope.share("more", "", nothing)
        assert scope.share("big", "small", nothing)
        assert all(scope.share(f"key {number}", "", nothing) for number in range(SHARED_KEYS_MAX - 1))
        assert not scope.share("one too many", "", nothing)
        assert scope.share("big", "still", nothing)
        assert scope.find_shared("big").value == "still"
        assert scope.find_shared("one too many") is None
