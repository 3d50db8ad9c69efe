"""A component with another idea of the contract is refused or contained, whatever it was written in."""

import pytest
from wasmtime.component import Component as NativeComponent

from kernel.errors import ConfigError, PluginError
from kernel.sandbox import selftest
from kernel.sandbox.artefact import Artefact
from kernel.sandbox.instance import Limits

LIMITS = Limits(memory_mb=2, cpu_ms=100.0, timeout_s=5.0)


async def load(sandbox, text):
    native = NativeComponent(sandbox.engine.native, text)
    return await sandbox.add("small", Artefact(native, ""), LIMITS)


async def refuse(sandbox, text):
    with pytest.raises(PluginError) as failure:
        await load(sandbox, text)
    assert sandbox.live_instances == 0
    return failure.value


async def test_what_is_exported_is_named_when_something_is_missing(sandbox):
    error = await refuse(
        sandbox, selftest.PLUGIN.replace('(export "invoke") (param "tap"', '(export "run") (param "tap"')
    )
    assert error.reason == "link-error"
    assert error.message == (
        "Plugin 'small': expected describe() -> string and invoke(tap: string, payload: string) -> result<string,"
        " string>, as in kernel.wit; it exports describe() -> string, run(tap: string, payload: string) ->"
        " result<string, string>"
    )


async def test_a_component_without_exports_is_refused(sandbox):
    assert "it exports nothing" in (await refuse(sandbox, "(component)")).message


async def test_an_import_that_the_kernel_does_not_have_is_refused(sandbox):
    error = await refuse(sandbox, selftest.PLUGIN.replace("variables@0.1.0", "variables@0.2.0"))
    assert error.reason == "link-error"
    assert "trovato:kernel/variables@0.2.0" in error.detail


async def test_a_describe_of_another_type_is_refused(sandbox):
    lifted = '(canon lift (core func $plugin "describe")'
    as_text = f'(result string)\n    {lifted} (memory (core memory $memory "memory"))))'
    assert as_text in selftest.PLUGIN
    as_number = f"(result u32) {lifted}))"
    error = await refuse(sandbox, selftest.PLUGIN.replace(as_text, as_number))
    assert error.reason == "link-error"
    assert "it exports describe() -> u32, invoke(tap: string" in error.message


@pytest.mark.parametrize("taps", ["[]", '{"taps":1}', '{"taps":[1]}', "[[[[[[[[[[["])
async def test_a_description_that_makes_no_sense_is_refused(sandbox, taps):
    quoted = taps.ljust(11).replace('"', "\\22")
    error = await refuse(sandbox, selftest.PLUGIN.replace("{\\22taps\\22:[]}", quoted))
    assert error.reason == "bad-answer"


async def test_text_that_is_no_utf_8_is_refused(sandbox):
    error = await refuse(sandbox, selftest.PLUGIN.replace("{\\22taps\\22:[]}", "\\ff\\fe       {}"))
    assert error.reason == "abort"
    assert "invalid utf-8" in error.detail


def import_as(params, loads):
    """The plugin with another idea of what `variables.get` is given."""
    count = loads.count("i32.const") + 1
    return (
        selftest.PLUGIN.replace('(param "name" string) (param "default" string)', params)
        .replace("(func $get (param i32 i32 i32 i32 i32))", f"(func $get (param {'i32 ' * count}))")
        .replace(
            "(i32.const 64) (i32.const 4) (i32.const 64) (i32.const 4) (i32.const 36)",
            f"{loads} (i32.const 36)",
        )
    )


async def test_a_number_where_a_text_belongs_reaches_no_host_function(sandbox):
    """wasmtime does not compare the types, so the number could be taken for an address."""
    text = import_as(
        '(param "name" s32) (param "default" string)', "(i32.const 64) (i32.const 64) (i32.const 4)"
    )
    component = await load(sandbox, text)
    instance = await component.take(None)
    assert await instance.invoke("4444", b"") == b""
    instance.close()


@pytest.mark.parametrize(
    ("params", "loads"),
    [('(param "name" string)', "(i32.const 64) (i32.const 4)"), ("", "")],
    ids=["one", "none"],
)
async def test_too_few_arguments_trap_the_plugin(sandbox, params, loads):
    component = await load(sandbox, import_as(params, loads))
    instance = await component.take(None)
    with pytest.raises(PluginError) as failure:
        await instance.invoke("4444", b"")
    assert failure.value.reason == "link-error"
    instance.close()


async def test_the_self_test_holds():
    await selftest.self_test()


async def test_the_self_test_names_what_does_not_hold(monkeypatch):
    broken = selftest.PLUGIN.replace(
        "(then unreachable))\n      (i32.store (i32.const 32)", "(then))\n      (i32.store (i32.const 32)"
    )
    assert broken != selftest.PLUGIN
    monkeypatch.setattr(selftest, "PLUGIN", broken)
    with pytest.raises(ConfigError) as failure:
        await selftest.self_test()
    assert failure.value.problems == [
        "The sandbox does not hold with wasmtime 50.0.1: a trap is contained: expected 'abort', and found b'refused'."
    ]
