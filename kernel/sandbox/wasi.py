"""WASI for untrusted code: the real thing with an empty configuration, nothing in it that could wait, and the clocks
and chance noted.

Without this, `time.sleep` in a plugin would hold the event loop (the synchronous flavour), or abort the whole
process (the asynchronous one, which wants a runtime that is not there).
"""

from collections.abc import Mapping
from typing import Any, Final

from wasmtime import Engine as NativeEngine
from wasmtime import WasmtimeError

from kernel.sandbox.bindings import Linker, error_pointer, make_sync_callback
from kernel.sandbox.imports import Guest
from kernel.sandbox.senses import list_senses

WASI_VERSION: Final = "0.2.12"
REFUSED: Final = "plugins may not wait, open connections or read input"

# How many arguments each function has that is not to be had. It cannot simply answer at once: what it was lent
# would have to be given back, which wasmtime refuses in a store whose calls are asynchronous.
_REFUSED_FUNCTIONS: Final[dict[str, dict[str, int]]] = {
    "wasi:io/poll": {"poll": 1, "[method]pollable.block": 1},
    "wasi:sockets/tcp-create-socket": {"create-tcp-socket": 1},
    "wasi:sockets/udp-create-socket": {"create-udp-socket": 1},
    "wasi:sockets/ip-name-lookup": {"resolve-addresses": 2},
    "wasi:cli/stdin": {"get-stdin": 0},
}


def define_wasi(linker: Linker, engine: NativeEngine, guests: Mapping[int, Guest]) -> None:
    """Raises RuntimeError when wasmtime's WASI is not the version known here."""
    shadows = list_senses(guests)
    for interface, functions in _REFUSED_FUNCTIONS.items():
        shadows[interface] = {name: _make_refusal(arity) for name, arity in functions.items()}
    _check_version(engine, shadows)
    linker.add_wasi()
    linker.allow_shadowing(allowed=True)
    for interface, callbacks in shadows.items():
        linker.add_functions(_qualify(interface), {name: (it, False) for name, it in callbacks.items()})
    linker.allow_shadowing(allowed=False)


def _check_version(engine: NativeEngine, shadows: Mapping[str, Mapping[str, Any]]) -> None:
    """A shadow under another version than wasmtime's own would silently do nothing."""
    for interface, callbacks in shadows.items():
        for name, callback in callbacks.items():
            linker = Linker(engine)
            linker.add_wasi()
            try:
                linker.add_functions(_qualify(interface), {name: (callback, False)})
            except WasmtimeError:
                continue  # it exists already: this is the one to be shadowed
            finally:
                linker.close()
            raise RuntimeError(
                f"wasmtime has no {_qualify(interface)} {name}: adapt the sandbox to its version."
            )


def _qualify(interface: str) -> str:
    return f"{interface}@{WASI_VERSION}"


def _make_refusal(arity: int) -> Any:
    return make_sync_callback(arity, _refuse)


def _refuse(_context: int, _arguments: Any, _results: Any) -> int | None:
    return error_pointer(REFUSED)
