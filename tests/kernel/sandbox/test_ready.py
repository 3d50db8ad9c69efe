"""Ready instances are nobody's before, prepared at nobody's expense, and there again soon."""

import json
import time
from dataclasses import replace

import pytest
import structlog
from wasmtime.component import Component as NativeComponent

from kernel.errors import PluginError
from kernel.sandbox import selftest
from kernel.sandbox.artefact import Artefact
from kernel.sandbox.host import HostFunction
from kernel.sandbox.instance import Limits
from kernel.sandbox.sandbox import Sandbox
from tests.kernel.sandbox.conftest import FUNCTIONS, LIMITS, NATIVE, Watched, page_payload


@pytest.fixture
async def ready_sandbox():
    sandbox = await Sandbox.open(FUNCTIONS, cache_dir=NATIVE, ready_instances=3)
    yield sandbox
    await sandbox.close()
    assert sandbox.live_instances == 0


@pytest.fixture
async def ready_torture(torture_wasm, ready_sandbox):
    component = await ready_sandbox.load("torture", torture_wasm, LIMITS)
    await component.fill()
    return component


async def test_instances_are_ready_before_anybody_asks(ready_torture, ready_sandbox):
    assert ready_sandbox.live_instances == 3
    started = time.perf_counter()
    instance = await ready_torture.take(Watched())
    assert time.perf_counter() - started < 0.01
    assert (instance.cpu_ms, instance.host_calls) == (0.0, 0)
    instance.close()


async def test_a_plugin_that_cannot_be_prepared_is_refused_when_it_is_loaded():
    """It describes itself, and loops when it is warmed up: a tap whose name has seven letters."""
    ready = await Sandbox.open(FUNCTIONS, cache_dir=NATIVE, ready_instances=2)
    moody = selftest.PLUGIN.replace(
        "(i32.eq (local.get 1) (i32.const 1))", "(i32.eq (local.get 1) (i32.const 7))"
    )
    native = NativeComponent(ready.engine.native, moody)
    with pytest.raises(PluginError) as failure:
        await ready.add("moody", Artefact(native, ""), Limits(memory_mb=2, cpu_ms=5.0, timeout_s=5.0))
    assert (failure.value.reason, ready.live_instances) == ("cpu-budget", 0)
    await ready.close()


async def test_a_taken_instance_is_replaced_and_never_comes_back(ready_torture, ready_sandbox):
    for _ in range(8):
        instance = await ready_torture.take(Watched())
        answer = await instance.invoke("tap_page", page_payload("remember", what="mine"))
        assert json.loads(answer) == ["mine"]
        instance.close()
        await ready_torture.fill()
        assert ready_sandbox.live_instances == 3


async def test_more_may_be_taken_than_are_ready(ready_torture, ready_sandbox):
    taken = [await ready_torture.take(Watched()) for _ in range(7)]
    await ready_torture.fill()
    assert ready_sandbox.live_instances == 10
    for instance in taken:
        instance.close()
    assert ready_sandbox.live_instances == 3


async def test_each_instance_calls_the_host_in_the_name_of_who_took_it(ready_torture):
    first = await ready_torture.take(Watched(title="first"))
    second = await ready_torture.take(Watched(title="second"))
    for instance, title in ((second, "second"), (first, "first"), (second, "second")):
        answer = await instance.invoke("tap_page", page_payload("wait", name="it"))
        assert json.loads(answer) == f"it of {title}"
    first.close()
    second.close()


async def test_while_it_is_prepared_a_plugin_asks_in_nobodys_name(bench_wasm):
    """An instance that works for nobody has no state to hand to a host function."""
    states = []

    async def get_variable(state, _name, _default):
        states.append(state)
        return ""

    functions = [HostFunction("variables", "get", get_variable)]
    sandbox = await Sandbox.open(functions, cache_dir=NATIVE, ready_instances=2)
    component = await sandbox.load("bench", bench_wasm, LIMITS)
    await component.fill()
    assert states == []
    instance = await component.take("me")
    await instance.invoke("tap_page", page_payload("anything"))
    assert states == ["me"]
    instance.close()
    await sandbox.close()


async def test_a_plugin_that_does_not_fit_into_its_memory_is_refused(torture_wasm, ready_sandbox):
    limits = Limits(memory_mb=1, cpu_ms=100.0, timeout_s=5.0)
    with pytest.raises(PluginError, match="cannot be linked") as failure:
        await ready_sandbox.load("torture", torture_wasm, limits)
    assert failure.value.reason == "link-error"
    assert ready_sandbox.live_instances == 0


async def test_whoever_holds_an_instance_when_the_sandbox_closes_finds_it_broken(torture_wasm):
    sandbox = await Sandbox.open(FUNCTIONS, cache_dir=NATIVE, ready_instances=0)
    component = await sandbox.load("torture", torture_wasm, LIMITS)
    instance = await component.take(Watched())
    await sandbox.close()
    assert instance.broken
    instance.close()


async def test_instances_that_cannot_be_made_ready_are_logged_and_made_when_they_are_needed(bench_wasm):
    """Here, since memory for the second instance is not granted."""
    sandbox = await Sandbox.open(FUNCTIONS, cache_dir=NATIVE, ready_instances=2)
    component = await sandbox.load("bench", bench_wasm, LIMITS)
    pool = component._pool
    pool._blueprint = replace(pool._blueprint, limits=replace(LIMITS, memory_mb=1))
    with structlog.testing.capture_logs() as logs:
        await component.fill()
    assert [(line["plugin"], line["reason"]) for line in logs] == [("bench", "link-error")]
    with pytest.raises(PluginError, match="cannot be linked"):
        await component.take(Watched())
    await sandbox.close()
