"""Reads and writes the values that cross the boundary, in the memory layout of wasmtime's C interface.

The package's own structures cost an object per step into them; these are flat. A test compares their sizes.
"""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from ctypes import (
    Structure,
    Union,
    addressof,
    c_bool,
    c_char,
    c_char_p,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
)
from ctypes import c_void_p as address
from typing import Any, Final

from wasmtime import _ffi

from kernel.sandbox.contract import Kind

_BOOL: Final = _ffi.WASMTIME_COMPONENT_BOOL.value
_U8: Final = _ffi.WASMTIME_COMPONENT_U8.value
_U32: Final = _ffi.WASMTIME_COMPONENT_U32.value
_U64: Final = _ffi.WASMTIME_COMPONENT_U64.value
_LIST: Final = _ffi.WASMTIME_COMPONENT_LIST.value
_RECORD: Final = _ffi.WASMTIME_COMPONENT_RECORD.value
_TUPLE: Final = _ffi.WASMTIME_COMPONENT_TUPLE.value
_S32: Final = _ffi.WASMTIME_COMPONENT_S32.value
_S64: Final = _ffi.WASMTIME_COMPONENT_S64.value
_STRING: Final = _ffi.WASMTIME_COMPONENT_STRING.value
_OPTION: Final = _ffi.WASMTIME_COMPONENT_OPTION.value
_RESULT: Final = _ffi.WASMTIME_COMPONENT_RESULT.value


class _Text(Structure):
    _fields_ = [("size", c_size_t), ("data", address)]


class _BorrowedText(Structure):
    _fields_ = [("_size", c_size_t), ("borrowed", c_char_p)]


class _Outcome(Structure):
    _fields_ = [("is_ok", c_bool), ("box", address)]


class _Content(Union):
    _anonymous_ = ("text", "borrowed_text", "outcome")
    _fields_ = [
        ("boolean", c_bool),
        ("u32", c_uint32),
        ("u64", c_uint64),
        ("s32", c_int32),
        ("s64", c_int64),
        ("option", address),
        ("text", _Text),
        ("borrowed_text", _BorrowedText),
        ("outcome", _Outcome),
        ("whole", c_char * ctypes.sizeof(_ffi.wasmtime_component_valunion_t)),
    ]


class Value(Structure):
    """One value; which part of the content counts, `kind` says."""

    _anonymous_ = ("content",)
    _fields_ = [("kind", c_uint8), ("content", _Content)]


class Entry(Structure):
    """One part of a record."""

    _fields_ = [("name", _Text), ("value", Value)]


_CONTENT: Final = Value.content.offset

# These return at once, so they keep the interpreter's lock.
_new_bytes: Final = ctypes.PYFUNCTYPE(None, address, c_size_t, c_char_p)(("wasm_byte_vec_new", _ffi.dll))
_new_box: Final = ctypes.PYFUNCTYPE(address, address)(("wasmtime_component_val_new", _ffi.dll))
_delete: Final = ctypes.PYFUNCTYPE(None, address)(("wasmtime_component_val_delete", _ffi.dll))
# What they are handed moves into the new list, record or tuple.
_new_list: Final = ctypes.PYFUNCTYPE(None, address, c_size_t, address)(
    ("wasmtime_component_vallist_new", _ffi.dll)
)
_new_record: Final = ctypes.PYFUNCTYPE(None, address, c_size_t, address)(
    ("wasmtime_component_valrecord_new", _ffi.dll)
)
_new_tuple: Final = ctypes.PYFUNCTYPE(None, address, c_size_t, address)(
    ("wasmtime_component_valtuple_new", _ffi.dll)
)


class Err(str):
    """The bad side of a result; anything else is the good side."""

    __slots__ = ()


def lend_bytes(value: Any, data: bytes) -> None:
    """A text that stays ours, and must live as long as wasmtime may read it; not to be deleted."""
    value.kind = _STRING
    value.size = len(data)
    value.borrowed = data


def delete_value(value: Any) -> None:
    _delete(addressof(value))


def _write_string(value: Any, text: str) -> None:
    data = text.encode()
    value.kind = _STRING
    _new_bytes(addressof(value) + _CONTENT, len(data), data)


def _write_bool(value: Any, flag: bool) -> None:
    value.kind = _BOOL
    value.boolean = flag


def _write_s64(value: Any, number: int) -> None:
    if not -(2**63) <= number < 2**63:
        raise OverflowError(f"{number} does not fit into 64 bits")
    value.kind = _S64
    value.s64 = number


def _make_box(write: Callable[[Any, Any], None], content: object) -> int:
    inner = Value()
    write(inner, content)
    box: int = _new_box(addressof(inner))
    return box


def _option_of(write: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def write_option(value: Any, content: object) -> None:
        box = None if content is None else _make_box(write, content)
        value.kind = _OPTION
        value.option = box

    return write_option


def _result_of(write: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def write_result(value: Any, content: object) -> None:
        is_ok = not isinstance(content, Err)
        box = _make_box(write if is_ok else _write_string, content)
        value.kind = _RESULT
        value.is_ok = is_ok
        value.box = box

    return write_result


def write_u32(value: Any, number: int) -> None:
    value.kind = _U32
    value.u32 = number


def write_u64(value: Any, number: int) -> None:
    value.kind = _U64
    value.u64 = number


def write_bytes(value: Any, data: bytes) -> None:
    """As `list<u8>`, in which each byte is a whole value until the plugin has it."""
    size = ctypes.sizeof(Value)
    raw = bytearray(size * len(data))
    raw[Value.kind.offset :: size] = bytes([_U8]) * len(data)
    raw[_CONTENT::size] = data
    parts = (c_char * len(raw)).from_buffer(raw)
    value.kind = _LIST
    _new_list(addressof(value) + _CONTENT, len(data), addressof(parts))


def write_tuple(value: Any, numbers: Sequence[int]) -> None:
    """Of `u64`."""
    parts = (Value * len(numbers))()
    for part, number in zip(parts, numbers, strict=True):
        write_u64(part, number)
    value.kind = _TUPLE
    _new_tuple(addressof(value) + _CONTENT, len(numbers), addressof(parts))


def write_record(value: Any, parts: Mapping[str, tuple[Callable[[Any, Any], None], object]]) -> None:
    """`parts` by their names, in the order of the record's type, each with what writes it."""
    entries = (Entry * len(parts))()
    for entry, (name, (write, content)) in zip(entries, parts.items(), strict=True):
        data = name.encode()
        _new_bytes(addressof(entry), len(data), data)
        write(entry.value, content)
    value.kind = _RECORD
    _new_record(addressof(value) + _CONTENT, len(parts), addressof(entries))


def _write_nothing(value: Any, content: object) -> None:
    """A function without result has no slot to write to."""


WRITERS: Final[dict[Kind, Callable[[Any, Any], None]]] = {
    "": _write_nothing,
    "string": _write_string,
    "bool": _write_bool,
    "s64": _write_s64,
    "option<string>": _option_of(_write_string),
    "option<bool>": _option_of(_write_bool),
    "option<s64>": _option_of(_write_s64),
    "result<string, string>": _result_of(_write_string),
    "result<bool, string>": _result_of(_write_bool),
}


def _expect(value: Any, kind: int) -> None:
    """wasmtime trusts a plugin's idea of our signatures, and a number read as a pointer would crash."""
    if value.kind != kind:
        raise TypeError(f"a value of kind {value.kind} instead of {kind}")


def _read_bytes(value: Any) -> bytes:
    size = value.size
    return ctypes.string_at(value.data, size) if size else b""


def _read_string(value: Any) -> str:
    _expect(value, _STRING)
    return _read_bytes(value).decode()


def _read_bool(value: Any) -> bool:
    _expect(value, _BOOL)
    flag: bool = value.boolean
    return flag


def _read_s32(value: Any) -> int:
    _expect(value, _S32)
    number: int = value.s32
    return number


def _read_s64(value: Any) -> int:
    _expect(value, _S64)
    number: int = value.s64
    return number


def read_u64(value: Any) -> int:
    _expect(value, _U64)
    number: int = value.u64
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
    if value.kind == _RESULT and value.box:
        is_ok, text = value.is_ok, Value.from_address(value.box)
    _expect(text, _STRING)
    return is_ok, _read_bytes(text)
