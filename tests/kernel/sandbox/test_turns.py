"""Permits, turns of the event loop, and the ticker: who may run when, and for how long."""

import asyncio
import time

import pytest

from kernel.sandbox.admission import TURN_S, Admission
from kernel.sandbox.engine import Engine
from tests.kernel.sandbox.conftest import Watched, page_payload


async def test_permits_are_given_in_the_order_of_asking():
    admission = Admission(1)
    order = []

    async def run(number):
        await admission.enter()
        order.append(number)
        await asyncio.sleep(0)
        admission.leave()

    await asyncio.gather(*(run(number) for number in range(10)))
    assert order == list(range(10))


async def test_what_has_begun_is_finished_before_something_new_begins():
    admission = Admission(1)
    order = []

    async def run(number):
        await admission.enter(is_new=True)
        order.append(f"begin {number}")
        admission.spend(TURN_S)
        admission.leave()
        await admission.enter()
        order.append(f"end {number}")
        admission.spend(TURN_S)
        admission.leave()

    await asyncio.gather(*(run(number) for number in range(4)))
    assert order == [f"{word} {number}" for number in range(4) for word in ("begin", "end")]


async def test_no_more_hold_a_permit_than_there_are():
    admission = Admission(3)
    holding = most = 0

    async def run():
        nonlocal holding, most
        await admission.enter()
        holding += 1
        most = max(most, holding)
        await admission.pause()
        holding -= 1
        admission.leave()

    await asyncio.gather(*(run() for _ in range(20)))
    assert (holding, most) == (0, 3)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_a_permit_is_not_lost_when_its_taker_is_cancelled(turns):
    admission = Admission(1)
    await admission.enter()
    waiter = asyncio.create_task(admission.enter())
    await asyncio.sleep(0)
    admission.leave()
    for _ in range(turns):
        await asyncio.sleep(0)
    got_it = waiter.done()
    waiter.cancel()
    await asyncio.wait({waiter})
    if got_it:
        admission.leave()
    await asyncio.wait_for(admission.enter(), 1)


async def test_whoever_comes_after_a_full_turn_waits_for_the_next():
    admission = Admission(8)
    await admission.enter()
    late = asyncio.create_task(admission.enter())
    admission.spend(TURN_S)
    await asyncio.sleep(0)
    assert not late.done()
    await asyncio.wait_for(late, 1)


async def test_the_ticker_sleeps_while_no_plugin_runs(torture, sandbox):
    instance = await torture.take(Watched())
    await instance.invoke("tap_page", page_payload("compute", rounds=100_000))
    deadline = time.monotonic() + 5
    while sandbox.engine.is_ticking:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    await instance.invoke("tap_page", page_payload("compute", rounds=100_000))
    assert sandbox.engine.is_ticking
    instance.close()


def test_an_engine_closes_while_its_ticker_sleeps():
    engine = Engine()
    engine.enter()
    engine.leave()
    engine.close()


def test_another_version_of_wasmtime_is_refused(monkeypatch):
    monkeypatch.setattr("kernel.sandbox.engine.WASMTIME_VERSION", "49.0.0")
    with pytest.raises(RuntimeError, match=r"needs wasmtime 49\.0\.0, and 50\.0\.1 is installed"):
        Engine()
