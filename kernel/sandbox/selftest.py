"""Tries out, at start, what the sandbox takes for granted of wasmtime, with a plugin of a few instructions."""

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from wasmtime.component import Component as NativeComponent

from kernel.errors import ConfigError, PluginError, PluginFailure
from kernel.sandbox.artefact import Artefact
from kernel.sandbox.engine import WASMTIME_VERSION
from kernel.sandbox.host import HostFunction
from kernel.sandbox.instance import Instance, Limits
from kernel.sandbox.sandbox import Sandbox

# What `invoke` does depends on the length of the tap's name.
_LOOP: Final = "1"
_GROW: Final = "22"
_TRAP: Final = "333"
_ASK: Final = "4444"

PLUGIN: Final = """
(component
  (import "trovato:kernel/variables@0.1.0" (instance $variables
    (export "get" (func (param "name" string) (param "default" string) (result string)))))
  (core module $memory
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 4096))
    (data (i32.const 16) "{\\22taps\\22:[]}")
    (data (i32.const 64) "name")
    (data (i32.const 80) "refused")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free (i32.add (global.get $free) (i32.add (local.get 3) (i32.const 8))))))
  (core instance $memory (instantiate $memory))
  (alias export $variables "get" (func $get))
  (core func $get (canon lower (func $get)
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $plugin
    (import "memory" "memory" (memory 1))
    (import "host" "get" (func $get (param i32 i32 i32 i32 i32)))
    (func (export "describe") (result i32)
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 11))
      (i32.const 0))
    (func (export "invoke") (param i32 i32 i32 i32) (result i32)
      (if (i32.eq (local.get 1) (i32.const 1)) (then (loop $again (br $again))))
      (if (i32.eq (local.get 1) (i32.const 3)) (then unreachable))
      (i32.store (i32.const 32) (i32.const 0))
      (i32.store (i32.const 36) (i32.const 80))
      (i32.store (i32.const 40) (i32.const 7))
      (if (i32.eq (local.get 1) (i32.const 2)) (then
        (if (i32.ne (memory.grow (i32.const 1024)) (i32.const -1)) (then unreachable))))
      (if (i32.eq (local.get 1) (i32.const 4)) (then
        (call $get (i32.const 64) (i32.const 4) (i32.const 64) (i32.const 4) (i32.const 36))))
      (i32.const 32)))
  (core instance $plugin (instantiate $plugin
    (with "memory" (instance $memory)) (with "host" (instance (export "get" (func $get))))))
  (func (export "describe") (result string)
    (canon lift (core func $plugin "describe") (memory (core memory $memory "memory"))))
  (func (export "invoke") (param "tap" string) (param "payload" string) (result (result string (error string)))
    (canon lift (core func $plugin "invoke")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
"""


async def self_test() -> None:
    """Takes about 50 ms. Raises ConfigError that names everything that does not hold."""

    async def get_variable(_state: object, _name: str, _default: str) -> str:
        return "answer"

    limits = Limits(memory_mb=1, cpu_ms=6.0, timeout_s=5.0)
    functions = [HostFunction("variables", "get", get_variable)]
    with tempfile.TemporaryDirectory() as folder:
        sandbox = await Sandbox.open(functions, cache_dir=Path(folder), ready_instances=0)
        try:
            native = NativeComponent(sandbox.engine.native, PLUGIN)
            component = await sandbox.add("self_test", Artefact(native, ""), limits)
            problems = [
                await _check("a loop is stopped", component.take, _LOOP, "cpu-budget"),
                await _check("a trap is contained", component.take, _TRAP, "abort"),
                await _check("memory is bounded", component.take, _GROW, b"refused"),
                await _check("a host function is awaited", component.take, _ASK, b"answer"),
            ]
        finally:
            await sandbox.close()
    found = [problem for problem in problems if problem]
    if found:
        raise ConfigError(
            [f"The sandbox does not hold with wasmtime {WASMTIME_VERSION}: {it}" for it in found]
        )


async def _check(
    what: str,
    take: Callable[[object], Awaitable[Instance]],
    tap: str,
    expected: PluginFailure | bytes,
) -> str:
    """An empty text when the outcome is the expected one."""
    instance = await take(None)
    outcome: str | bytes
    try:
        outcome = await instance.invoke(tap, b"")
    except PluginError as error:
        outcome = error.reason
    finally:
        instance.close()
    return "" if outcome == expected else f"{what}: expected {expected!r}, and found {outcome!r}."
