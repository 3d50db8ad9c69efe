"""What a plugin asks of the clock and of chance is answered truly, and noted on its instance."""

import time

import pytest
from wasmtime.component import Component as NativeComponent

from kernel.errors import PluginError
from kernel.sandbox import selftest
from kernel.sandbox.artefact import Artefact
from kernel.sandbox.instance import Limits
from kernel.sandbox.sandbox import Sandbox
from kernel.sandbox.senses import RANDOM_MAX, TOO_MUCH
from kernel.sandbox.wasi import WASI_VERSION
from tests.kernel.sandbox.conftest import FUNCTIONS, LIMITS, NATIVE, Watched, page_payload

SMALL = Limits(memory_mb=8, cpu_ms=500.0, timeout_s=5.0)
# Of each function with its type, the arguments of the core function, and the instructions that push them; what it
# answers is written to the memory, or dropped.
BYTES = ('(param "len" u64) (result (list u8))', "(param i64 i32)", "(i64.const {size}) (i32.const 8192)", "")
NUMBER = ("(result u64)", "(result i64)", "", "(drop)")
CASES = {
    ("clocks/wall-clock", "now"): ("", "(param i32)", "(i32.const 8192)", ""),
    ("clocks/monotonic-clock", "now"): NUMBER,
    ("random/random", "get-random-bytes"): BYTES,
    ("random/random", "get-random-u64"): NUMBER,
    ("random/insecure", "get-insecure-random-bytes"): BYTES,
    ("random/insecure", "get-insecure-random-u64"): NUMBER,
    ("random/insecure-seed", "insecure-seed"): (
        "(result (tuple u64 u64))",
        "(param i32)",
        "(i32.const 8192)",
        "",
    ),
}
CLOCKS = ("clocks/wall-clock", "clocks/monotonic-clock")


def write_component(interface, name, size=16):
    """The self-test's plugin, in which `get` of variables is the function in question."""
    kind, core, push, after = CASES[interface, name]
    if interface == "clocks/wall-clock":
        # A record has to have a name, under which the interface exports it.
        record = '(type $d (record (field "seconds" u64) (field "nanoseconds" u32)))'
        kind, types = "(result $datetime)", f'{record} (export "datetime" (type $datetime (eq $d)))'
    else:
        types = ""
    text = selftest.PLUGIN.replace('(memory (export "memory") 1)', '(memory (export "memory") 4)')
    start, end = text.index("(import"), text.index("(core module $memory")
    imported = f'(instance $variables {types} (export "{name}" (func {kind})))'
    text = f'{text[:start]}(import "wasi:{interface}@{WASI_VERSION}" {imported}){text[end:]}'
    text = text.replace('(alias export $variables "get"', f'(alias export $variables "{name}"')
    text = text.replace("(func $get (param i32 i32 i32 i32 i32))", f"(func $get {core})")
    call = "(call $get (i32.const 64) (i32.const 4) (i32.const 64) (i32.const 4) (i32.const 36))"
    assert call in text
    return text.replace(call, f"(call $get {push.format(size=size)}) {after}".strip())


async def ask(sandbox, text):
    """The instance after it has asked, with what was noted before."""
    native = NativeComponent(sandbox.engine.native, text)
    component = await sandbox.add("small", Artefact(native, ""), SMALL)
    instance = await component.take(Watched())
    try:
        assert not instance.asked_clock
        assert not instance.asked_chance
        await instance.invoke(selftest._ASK, b"")
        return instance.asked_clock, instance.asked_chance
    finally:
        instance.close()


@pytest.mark.parametrize(("interface", "name"), CASES, ids=" ".join)
async def test_each_function_is_noted_and_answers_what_its_type_says(sandbox, interface, name):
    is_clock = interface in CLOCKS
    assert await ask(sandbox, write_component(interface, name)) == (is_clock, not is_clock)


async def test_more_random_bytes_than_a_plugin_needs_end_its_call(sandbox):
    await ask(sandbox, write_component("random/random", "get-random-bytes", RANDOM_MAX))
    with pytest.raises(PluginError) as failure:
        await ask(sandbox, write_component("random/random", "get-random-bytes", RANDOM_MAX + 1))
    assert TOO_MUCH in failure.value.detail


@pytest.fixture(params=[0, 1], ids=["made when it is wanted", "ready"])
async def any_torture(torture_wasm, request):
    sandbox = await Sandbox.open(FUNCTIONS, cache_dir=NATIVE, ready_instances=request.param)
    component = await sandbox.load("torture", torture_wasm, LIMITS)
    await component.fill()
    yield component
    await sandbox.close()


async def test_an_interpreter_asks_neither_of_them_by_itself(any_torture):
    instance = await any_torture.take(Watched())
    for _ in range(2):
        await instance.invoke("tap_page", page_payload("compute", rounds="10"))
    assert (instance.asked_clock, instance.asked_chance) == (False, False)
    instance.close()


async def test_the_interpreter_is_told_the_truth(run_case):
    first, second = await run_case("draw"), await run_case("draw")
    assert first[1] != second[1], "uuid4 draws from os.urandom"
    assert abs(first[2] - time.time()) < 60


async def test_what_was_noted_stays_with_the_instance(any_torture):
    instance = await any_torture.take(Watched())
    await instance.invoke("tap_page", page_payload("draw"))
    assert (instance.asked_clock, instance.asked_chance) == (True, True)
    await instance.invoke("tap_page", page_payload("compute", rounds="10"))
    assert (instance.asked_clock, instance.asked_chance) == (True, True)
    instance.close()
    other = await any_torture.take(Watched())
    assert (other.asked_clock, other.asked_chance) == (False, False)
    other.close()
