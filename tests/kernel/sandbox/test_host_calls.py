"""Host functions answer, wait, refuse and fail without ever reaching into wasmtime."""

import asyncio
import json

import pytest
import structlog

from kernel.errors import PluginError
from kernel.sandbox.host import HostFunction
from kernel.sandbox.sandbox import Sandbox
from tests.kernel.sandbox.conftest import LIMITS, NATIVE, Watched, page_payload


@pytest.mark.story("1.5")
async def test_a_hundred_plugins_wait_for_the_host_at_the_same_time(torture_wasm):
    """Each goes on only when all hundred are waiting; one that held up another would hold up all for ever."""
    all_here = asyncio.Barrier(100)

    async def wait_10_ms(number, _name, _default):
        await all_here.wait()
        await asyncio.sleep(0.01)
        return f"{number} has waited"

    functions = [HostFunction("variables", "get", wait_10_ms)]
    sandbox = await Sandbox.open(functions, cache_dir=NATIVE, ready_instances=0)
    component = await sandbox.load("torture", torture_wasm, LIMITS)
    instances = [await component.take(number) for number in range(100)]
    payload = page_payload("wait", name="x")
    answers = await asyncio.gather(*(instance.invoke("tap_page", payload) for instance in instances))
    assert [json.loads(answer) for answer in answers] == [f"{number} has waited" for number in range(100)]
    await sandbox.close()


@pytest.mark.story("1.5")
async def test_more_plugins_may_wait_than_may_run(torture):
    """With a permit held across the host call, the ninth would wait for ever."""
    state = Watched()
    instances = [await torture.take(state) for _ in range(30)]
    calls = [asyncio.create_task(i.invoke("tap_page", page_payload("wait", name="gate"))) for i in instances]
    await state.waiting.wait()
    state.release.set()
    assert set(await asyncio.gather(*calls)) == {b'"gate of Hello"'}
    for instance in instances:
        instance.close()


async def test_a_host_function_may_call_another_plugin(torture_wasm):
    async def ask_another(state, name, default):
        if state == "inner":
            return "innermost"
        instance = await component.take("inner")
        try:
            return (await instance.invoke("tap_page", page_payload("wait", name="x"))).decode()
        finally:
            instance.close()

    sandbox = await Sandbox.open(
        [HostFunction("variables", "get", ask_another)],
        cache_dir=NATIVE,
        ready_instances=0,
        running_at_once=1,
    )
    component = await sandbox.load("torture", torture_wasm, LIMITS)
    outer = await component.take("outer")
    assert await outer.invoke("tap_page", page_payload("wait", name="x")) == b'"\\"innermost\\""'
    outer.close()
    await sandbox.close()


async def test_a_cancelled_call_cancels_the_host_function_and_breaks_the_instance(torture, sandbox):
    state = Watched()
    instance = await torture.take(state)
    call = asyncio.create_task(instance.invoke("tap_page", page_payload("wait", name="gate")))
    await state.waiting.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert state.cancelled == ["gate"]
    assert instance.broken
    assert sandbox.live_instances == 0


async def test_a_call_cancelled_while_it_computes_breaks_the_instance(torture, sandbox):
    instance = await torture.take(Watched())
    call = asyncio.create_task(instance.invoke("tap_page", page_payload("loop"), cpu_ms=60_000))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert sandbox.live_instances == 0


@pytest.mark.parametrize(("case", "name"), [("wait", "gate"), ("loop", "")])
async def test_a_call_that_takes_too_long_ends_with_timeout(run_case, case, name):
    with pytest.raises(PluginError, match=r"took longer than 0\.05 s") as failure:
        await run_case(case, name=name, timeout_s=0.05, cpu_ms=60_000)
    assert failure.value.reason == "timeout"


async def test_a_timeout_of_the_host_function_itself_is_its_own_failure(torture_wasm):
    async def time_out(_state, _name, _default):
        raise TimeoutError

    functions = [HostFunction("variables", "get", time_out)]
    sandbox = await Sandbox.open(functions, cache_dir=NATIVE, ready_instances=0)
    component = await sandbox.load("torture", torture_wasm, LIMITS)
    instance = await component.take(None)
    assert await instance.invoke("tap_page", page_payload("wait", name="x")) == b'""'
    instance.close()
    await sandbox.close()


async def test_waiting_costs_no_processor_time(torture):
    instance = await torture.take(Watched())
    await instance.invoke("tap_page", page_payload("wait", name="soon"), cpu_ms=100)
    assert instance.cpu_ms < 10
    assert instance.host_calls == 1
    instance.close()


async def test_host_calls_are_limited_and_those_that_do_not_wait_count_a_twentieth(run_case):
    assert await run_case("wait_often", times=100) == "waited"
    assert await run_case("ask_often", times=2_000) == "asked"
    for case, times in (("wait_often", 101), ("ask_often", 2_001)):
        with pytest.raises(PluginError, match="more host calls than one tap may make") as failure:
            await run_case(case, times=times)
        assert failure.value.reason == "host-error"


async def test_the_limit_on_host_calls_is_for_each_call(torture):
    instance = await torture.take(Watched())
    for _ in range(2):
        await instance.invoke("tap_page", page_payload("wait_often", times=80))
    assert instance.host_calls == 160
    instance.close()


async def test_garbage_from_a_plugin_reaches_host_functions_as_plain_values(run_case):
    state = Watched(title="Hello")
    assert await run_case("ask_garbage", state=state) == [None] * 8 + [False]
    assert state.messages == [("info", "\x1b[31m" * 100), ("no such level", "")]


async def test_functions_that_this_kernel_does_not_bring_say_so_and_are_logged_once(run_case):
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            assert await run_case("ask_unavailable") == [None, "not-available", "not-available"]
    assert [line["function"] for line in logs] == ["cache-api.get", "db.select", "cache-api.set"]


async def test_a_bug_in_a_host_function_is_logged_and_not_told(run_case):
    with structlog.testing.capture_logs() as logs:
        answers = await run_case("ask_failing")
    message = "The kernel could not do this; its log says why."
    assert answers == ["", False, None, {"code": "host-error", "message": message}]
    assert [str(line["exc_info"]) for line in logs] == ["a bug of ours, with a secret"] * 4


async def test_host_functions_that_fail_at_once_do_not_mix_their_errors(torture):
    """The package's own layer hands one call's exception to another."""
    instances = [await torture.take(Watched(title=str(number))) for number in range(20)]
    with structlog.testing.capture_logs():
        answers = await asyncio.gather(
            *(
                instance.invoke(
                    "tap_page", page_payload("ask_failing" if number % 2 else "wait", name="soon")
                )
                for number, instance in enumerate(instances)
            )
        )
    for number, answer in enumerate(answers):
        if number % 2 == 0:
            assert json.loads(answer) == f"soon of {number}"
    for instance in instances:
        instance.close()


async def test_an_interrupt_in_a_host_function_reaches_the_caller_and_not_wasmtime(torture_wasm):
    def interrupt(_state, _handle):
        raise KeyboardInterrupt

    functions = [HostFunction("item-api", "get-title", interrupt)]
    sandbox = await Sandbox.open(functions, cache_dir=NATIVE, ready_instances=0)
    component = await sandbox.load("torture", torture_wasm, LIMITS)
    instance = await component.take(None)
    with pytest.raises(KeyboardInterrupt):
        await instance.invoke("tap_page", page_payload("ask_often", times=1))
    assert sandbox.live_instances == 0
    await sandbox.close()


@pytest.mark.parametrize("answer", [5, None, b"x", "\ud800"])
async def test_an_answer_of_the_wrong_type_is_a_bug_and_reads_as_nothing(torture_wasm, answer):
    async def get_variable(_state, _name, _default):
        return answer

    functions = [HostFunction("variables", "get", get_variable)]
    sandbox = await Sandbox.open(functions, cache_dir=NATIVE, ready_instances=0)
    component = await sandbox.load("torture", torture_wasm, LIMITS)
    instance = await component.take(None)
    assert await instance.invoke("tap_page", page_payload("wait", name="x")) == b'""'
    instance.close()
    await sandbox.close()


async def test_one_instance_runs_one_call_at_a_time(torture):
    state = Watched()
    instance = await torture.take(state)
    call = asyncio.create_task(instance.invoke("tap_page", page_payload("wait", name="gate")))
    await state.waiting.wait()
    with pytest.raises(RuntimeError, match="one call at a time"):
        await instance.invoke("tap_page", page_payload("wait", name="x"))
    state.release.set()
    assert await call == b'"gate of Hello"'
    instance.close()


async def test_an_instance_closed_during_a_call_is_freed_when_the_call_ends(torture, sandbox):
    state = Watched()
    instance = await torture.take(state)
    call = asyncio.create_task(instance.invoke("tap_page", page_payload("wait", name="gate")))
    await state.waiting.wait()
    instance.close()
    assert sandbox.live_instances == 1
    state.release.set()
    assert await call == b'"gate of Hello"'
    assert sandbox.live_instances == 0


async def test_a_function_that_the_contract_does_not_have_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"kernel\.wit has no function item-api\.get-titel"):
        await Sandbox.open(
            [HostFunction("item-api", "get-titel", lambda: None)], cache_dir=tmp_path, ready_instances=0
        )
