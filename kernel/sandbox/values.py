"""Reads and writes the values that cross the boundary in wasmtime's own layout."""

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref
from typing import Any, Final

from wasmtime import _ffi

from kernel.sandbox.contract import Kind

Value: Final = _ffi.wasmtime_component_val_t

_BOOL: Final = _ffi.WASMTIME_COMPONENT_BOOL.value
_S32: Final = _ffi.WASMTIME_COMPONENT_S32.value
_S64: Final = _ffi.WASMTIME_COMPONENT_S64.value
_STRING: Final = _ffi.WASMTIME_COMPONENT_STRING.value
_OPTION: Final = _ffi.WASMTIME_COMPONENT_OPTION.value
_RESULT: Final = _ffi.WASMTIME_COMPONENT_RESULT.value


class Err(str):
    """The bad side of a result; anything else is the good side."""

    __slots__ = ()


def write_string(value: Any, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    value.kind = _STRING
    _ffi.wasm_byte_vec_new(
        byref(value.of.string), len(data), ctypes.cast(ctypes.c_char_p(data), POINTER(_ffi.wasm_byte_t))
    )


def _write_bool(value: Any, flag: bool) -> None:
    value.kind = _BOOL
    value.of.boolean = flag


def _write_s64(value: Any, number: int) -> None:
    if not -(2**63) <= number < 2**63:
        raise OverflowError(f"{number} does not fit into 64 bits")
    value.kind = _S64
    value.of.s64 = number


def _boxed(write: Callable[[Any, Any], None], content: object) -> Any:
    inner = Value()
    write(inner, content)
    return _ffi.wasmtime_component_val_new(byref(inner))


def _option_of(write: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def write_option(value: Any, content: object) -> None:
        box = None if content is None else _boxed(write, content)
        value.kind = _OPTION
        value.of.option = box

    return write_option


def _result_of(write: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def write_result(value: Any, content: object) -> None:
        is_ok = not isinstance(content, Err)
        box = _boxed(write if is_ok else write_string, content)
        value.kind = _RESULT
        value.of.result.is_ok = is_ok
        value.of.result.val = box

    return write_result


def _write_nothing(value: Any, content: object) -> None:
    """A function without result has no slot to write to."""


WRITERS: Final[dict[Kind, Callable[[Any, Any], None]]] = {
    "": _write_nothing,
    "string": write_string,
    "bool": _write_bool,
    "s64": _write_s64,
    "option<string>": _option_of(write_string),
    "option<bool>": _option_of(_write_bool),
    "option<s64>": _option_of(_write_s64),
    "result<string, string>": _result_of(write_string),
    "result<bool, string>": _result_of(_write_bool),
}


def _expect(value: Any, kind: int) -> None:
    """wasmtime trusts a plugin's idea of our signatures, and a number read as a pointer would crash."""
    if value.kind != kind:
        raise TypeError(f"a value of kind {value.kind} instead of {kind}")


def _read_bytes(value: Any) -> bytes:
    text = value.of.string
    size = text.size
    return ctypes.string_at(text.data, size) if size else b""


def _read_string(value: Any) -> str:
    _expect(value, _STRING)
    return _read_bytes(value).decode()


def _read_bool(value: Any) -> bool:
    _expect(value, _BOOL)
    flag: bool = value.of.boolean
    return flag


def _read_s32(value: Any) -> int:
    _expect(value, _S32)
    number: int = value.of.s32
    return number


def _read_s64(value: Any) -> int:
    _expect(value, _S64)
    number: int = value.of.s64
    return number


READERS: Final[dict[Kind, Callable[[Any], Any]]] = {
    "string": _read_string,
    "bool": _read_bool,
    "s32": _read_s32,
    "s64": _read_s64,
}


def read_answer(value: Any) -> tuple[bool, bytes]:
    """Of a `string` or a `result<string, string>`: whether it is good, and its bytes, which are UTF-8.

    Raises TypeError for anything else.
    """
    is_ok, text = True, value
    if value.kind == _RESULT and value.of.result.val:
        is_ok, text = value.of.result.is_ok, value.of.result.val[0]
    _expect(text, _STRING)
    return is_ok, _read_bytes(text)
