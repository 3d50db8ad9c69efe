"""WASI for untrusted code: the real thing with an empty configuration, and nothing in it that could block.

Without a shadow, `time.sleep` in a plugin would hold the event loop (the synchronous flavour) or abort the
whole process (the asynchronous one, which wants a runtime that is not there).
"""

import ctypes
from collections.abc import Callable
from ctypes import byref
from typing import Any, Final

from wasmtime import Engine as NativeEngine
from wasmtime import WasmtimeError, _ffi
from wasmtime.component import Linker as NativeLinker

from kernel.sandbox.bindings import add_functions, error_pointer, make_sync_callback

WASI_VERSION: Final = "0.2.12"

_RESOURCE: Final = _ffi.WASMTIME_COMPONENT_RESOURCE.value
_LIST: Final = _ffi.WASMTIME_COMPONENT_LIST.value
_BOOL: Final = _ffi.WASMTIME_COMPONENT_BOOL.value
_U32: Final = _ffi.WASMTIME_COMPONENT_U32.value


class HardenedWasi:
    """Adds WASI to linkers. Raises RuntimeError when wasmtime's WASI is not the version known here."""

    def __init__(self, engine: NativeEngine) -> None:
        # wasmtime holds bare pointers to these callbacks.
        self._shadows = {
            f"{interface}@{WASI_VERSION}": {
                name: (make_sync_callback(arity, answer), False)
                for name, (arity, answer) in functions.items()
            }
            for interface, functions in _SHADOWS.items()
        }
        self._check_version(engine)

    def define(self, linker: NativeLinker) -> None:
        linker.add_wasip2()
        linker.allow_shadowing = True
        for interface, functions in self._shadows.items():
            add_functions(linker, interface, functions)
        linker.allow_shadowing = False

    def _check_version(self, engine: NativeEngine) -> None:
        """A shadow under another version than wasmtime's own would silently do nothing."""
        for interface, functions in self._shadows.items():
            for name, function in functions.items():
                with NativeLinker(engine) as linker:
                    linker.add_wasip2()
                    try:
                        add_functions(linker, interface, {name: function})
                    except WasmtimeError:
                        continue  # it exists already: this is the one to be shadowed
                raise RuntimeError(f"wasmtime has no {interface} {name}: adapt the sandbox to its version.")


def _drop(context: int, value: Any) -> None:
    """What is lent to a host function must be given back, or the guest traps when it returns."""
    if value.kind == _RESOURCE:
        pointer = ctypes.cast(context, ctypes.POINTER(_ffi.wasmtime_context_t))
        error = _ffi.wasmtime_component_resource_any_drop(pointer, value.of.resource)
        if error:
            _ffi.wasmtime_error_delete(error)
    elif value.kind == _LIST:
        for index in range(value.of.list.size):
            _drop(context, value.of.list.data[index])


def _return_at_once(context: int, arguments: Any, _results: Any) -> int | None:
    _drop(context, arguments[0])
    return None


def _say_ready(context: int, arguments: Any, results: Any) -> int | None:
    _drop(context, arguments[0])
    results[0].kind = _BOOL
    results[0].of.boolean = True
    return None


def _say_all_ready(context: int, arguments: Any, results: Any) -> int | None:
    if arguments[0].kind != _LIST:
        return _deny(context, arguments, results)
    count = arguments[0].of.list.size
    _drop(context, arguments[0])
    indexes = _ffi.wasmtime_component_vallist_t()
    _ffi.wasmtime_component_vallist_new_uninit(byref(indexes), count)
    for index in range(count):
        indexes.data[index].kind = _U32
        indexes.data[index].of.u32 = index
    results[0].kind = _LIST
    results[0].of.list = indexes
    return None


def _deny(_context: int, _arguments: Any, _results: Any) -> int | None:
    return error_pointer("plugin used a part of WASI that it may not use")


_SHADOWS: Final[dict[str, dict[str, tuple[int, Callable[[int, Any, Any], int | None]]]]] = {
    "wasi:io/poll": {
        "poll": (1, _say_all_ready),
        "[method]pollable.block": (1, _return_at_once),
        "[method]pollable.ready": (1, _say_ready),
    },
    "wasi:sockets/tcp-create-socket": {"create-tcp-socket": (1, _deny)},
    "wasi:sockets/udp-create-socket": {"create-udp-socket": (1, _deny)},
    "wasi:sockets/ip-name-lookup": {"resolve-addresses": (2, _deny)},
    "wasi:cli/stdin": {"get-stdin": (0, _deny)},
}
