"""Values have the layout that wasmtime expects, and numbers out of range are refused."""

import ctypes

import pytest
from wasmtime import _ffi

from kernel.sandbox.values import READERS, WRITERS, Entry, Err, Value, delete_value, read_answer


def test_values_are_laid_out_as_in_wasmtime():
    theirs = _ffi.wasmtime_component_val_t
    assert ctypes.sizeof(Value) == ctypes.sizeof(theirs)
    assert Value.content.offset == theirs.of.offset
    result = _ffi.wasmtime_component_valresult_t
    assert (Value.is_ok.offset, Value.box.offset) == (
        theirs.of.offset + result.is_ok.offset,
        theirs.of.offset + result.val.offset,
    )


@pytest.mark.parametrize("content", ["good", "", "ö" * 1_000, Err("bad")])
def test_a_result_is_read_as_it_was_written(content):
    value = Value()
    WRITERS["result<string, string>"](value, content)
    assert read_answer(value) == (not isinstance(content, Err), content.encode())
    delete_value(value)


@pytest.mark.parametrize(
    ("kind", "content"), [("string", "text"), ("bool", True), ("s64", -(2**63)), ("s64", 2**63 - 1)]
)
def test_a_plain_value_is_read_as_it_was_written(kind, content):
    value = Value()
    WRITERS[kind](value, content)
    assert READERS[kind](value) == content
    delete_value(value)


def test_a_number_of_more_than_64_bits_is_refused():
    with pytest.raises(OverflowError):
        WRITERS["s64"](Value(), 2**63)


def test_a_value_of_another_kind_is_not_read():
    value = Value()
    WRITERS["s64"](value, 1)
    for kind in ("string", "bool", "s32"):
        with pytest.raises(TypeError):
            READERS[kind](value)
    with pytest.raises(TypeError):
        read_answer(value)


def test_parts_of_a_record_are_laid_out_as_in_wasmtime():
    theirs = _ffi.wasmtime_component_valrecord_entry
    assert ctypes.sizeof(Entry) == ctypes.sizeof(theirs)
    assert (Entry.name.offset, Entry.value.offset) == (theirs.name.offset, theirs.val.offset)
