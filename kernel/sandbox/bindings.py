"""The thin layer over wasmtime's C interface: values, callbacks, stores and call futures.

The package's own classes reflect on types at each call, keep the last exception of a host function in one
variable for the whole process, and cannot await. What is private here is pinned by version; `selftest.py`
says so when it no longer holds.
"""

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_size_t, c_uint64, c_void_p
from typing import Any, Final

from wasmtime import WasmtimeError, _ffi
from wasmtime.component import Component as NativeComponent
from wasmtime.component import Linker as NativeLinker

from kernel.sandbox.contract import Kind

_Value: Final = _ffi.wasmtime_component_val_t
_ErrorPointer: Final = POINTER(_ffi.wasmtime_error_t)

_BOOL: Final = _ffi.WASMTIME_COMPONENT_BOOL.value
_S32: Final = _ffi.WASMTIME_COMPONENT_S32.value
_S64: Final = _ffi.WASMTIME_COMPONENT_S64.value
_STRING: Final = _ffi.WASMTIME_COMPONENT_STRING.value
_OPTION: Final = _ffi.WASMTIME_COMPONENT_OPTION.value
_RESULT: Final = _ffi.WASMTIME_COMPONENT_RESULT.value

# The package declares that this returns an error pointer, but it returns nothing: ctypes would read rubbish.
_yield_at_ticks: Final = ctypes.CFUNCTYPE(None, POINTER(_ffi.wasmtime_context_t), c_uint64)(
    ("wasmtime_context_epoch_deadline_async_yield_and_update", _ffi.dll)
)
# The shapes of wasmtime_component_func_callback_t and its asynchronous sister, with addresses in place of
# typed pointers: an integer is what the table of running instances is keyed by, and is cheaper to make.
_SyncCallback: Final = ctypes.CFUNCTYPE(
    c_void_p, c_void_p, c_void_p, c_void_p, POINTER(_Value), c_size_t, POINTER(_Value), c_size_t
)
_AsyncCallback: Final = ctypes.CFUNCTYPE(
    None,
    c_void_p,
    c_void_p,
    c_void_p,
    POINTER(_Value),
    c_size_t,
    POINTER(_Value),
    c_size_t,
    POINTER(_ErrorPointer),
    POINTER(_ffi.wasmtime_async_continuation_t),
)
_Finalizer: Final = ctypes.CFUNCTYPE(None, c_void_p)
_NO_FINALIZER: Final = ctypes.cast(0, _Finalizer)


class Err(str):
    """The bad side of a result; anything else is the good side."""

    __slots__ = ()


def _write_string(value: Any, text: str | bytes) -> None:
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
    inner = _Value()
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
        box = _boxed(write if is_ok else _write_string, content)
        value.kind = _RESULT
        value.of.result.is_ok = is_ok
        value.of.result.val = box

    return write_result


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


_WRONG_ARITY: Final = "a host function was called with the wrong number of arguments"


def error_pointer(message: str) -> int | None:
    """A wasmtime error as an address; handing it to wasmtime from a callback traps the guest."""
    return ctypes.cast(_ffi.wasmtime_error_new(message.encode()), c_void_p).value


def make_sync_callback(arity: int, answer: Callable[[int, Any, Any], int | None]) -> Any:
    """`answer(context address, arguments, results)` answers None, or an error's address to trap the guest.

    It must not raise. Keep what this returns for as long as the linker lives.
    """

    def called(_env: Any, context: int, _type: Any, *values: Any) -> int | None:
        arguments, given, results, _ = values
        if given != arity:
            return error_pointer(_WRONG_ARITY)
        return answer(context, arguments, results)

    return _SyncCallback(called)


def make_async_callback(arity: int, begin: Callable[[int, Any, Any], int | None], resume: Any) -> Any:
    """`begin` has the shape that make_sync_callback asks for, but only notes what is to be awaited.

    `resume` comes from make_continuation. Keep what this returns for as long as the linker lives.
    """

    def called(_env: Any, context: int, _type: Any, *values: Any) -> None:
        arguments, given, results, _, error, continuation = values
        refusal = begin(context, arguments, results) if given == arity else error_pointer(_WRONG_ARITY)
        if refusal is not None:
            error[0] = ctypes.cast(refusal, _ErrorPointer)
        continuation[0].callback = resume
        continuation[0].env = context
        continuation[0].finalizer = _NO_FINALIZER

    return _AsyncCallback(called)


def make_continuation(resume: Callable[[int], bool]) -> Any:
    """`resume(context address)` says whether the result has been written; wasmtime asks at each poll."""
    return _ffi.wasmtime_func_async_continuation_callback_t(resume)


_ADDERS: Final = {
    False: (_ffi.wasmtime_component_linker_instance_add_func, _ffi.wasmtime_component_func_callback_t),
    True: (
        _ffi.wasmtime_component_linker_instance_add_func_async,
        _ffi.wasmtime_component_func_async_callback_t,
    ),
}


def _as_error(pointer: Any) -> WasmtimeError:
    """Takes the error over, so that it is freed with the exception."""
    return WasmtimeError._from_ptr(pointer)  # noqa: SLF001  # there is no public way


def add_functions(linker: NativeLinker, interface: str, functions: dict[str, tuple[Any, bool]]) -> None:
    """Define one interface: callbacks by name, each with whether it is asynchronous."""
    with linker.root() as root, root.add_instance(interface) as instance:
        for name, (callback, is_async) in functions.items():
            encoded = name.encode()
            add, shape = _ADDERS[is_async]
            error = add(
                instance.ptr(),
                ctypes.create_string_buffer(encoded),
                len(encoded),
                ctypes.cast(callback, shape),
                None,
                _NO_FINALIZER,
            )
            if error:
                raise _as_error(error)


class Store:
    """The memory of one instance. A call's future must be closed before its store."""

    __slots__ = ("_pointer", "address", "context")

    def __init__(self, engine: Any, memory_bytes: int) -> None:
        self._pointer: Any = _ffi.wasmtime_store_new(engine, None, _NO_FINALIZER)
        self.context = _ffi.wasmtime_store_context(self._pointer)
        self.address: int = ctypes.cast(self.context, c_void_p).value or 0
        _ffi.wasmtime_store_limiter(self._pointer, memory_bytes, -1, -1, -1, -1)
        # An empty configuration: no arguments, no environment, no folders, no output, no network.
        error = _ffi.wasmtime_context_set_wasi(self.context, _ffi.wasi_config_new())
        if error:
            raise _as_error(error)
        _ffi.wasmtime_context_set_epoch_deadline(self.context, 1)
        _yield_at_ticks(self.context, 1)

    def rest(self) -> None:
        """Give the next call a whole tick before its first yield. Not while a future is alive."""
        _ffi.wasmtime_context_set_epoch_deadline(self.context, 1)

    def close(self) -> None:
        if self._pointer is not None:
            _ffi.wasmtime_store_delete(self._pointer)
            self._pointer = None


class Call:
    """A computation inside a store that stops at ticks and at asynchronous host functions."""

    __slots__ = ("_arguments", "_error", "_future", "_out")

    def __init__(self) -> None:
        self._arguments: Any = ()
        self._error = _ErrorPointer()
        self._future: Any = None
        self._out: Any = None

    def poll(self) -> bool:
        """Run until it is done (True), or gives way (False)."""
        done: bool = _ffi.wasmtime_call_future_poll(self._future)
        return done

    def find_error(self) -> WasmtimeError | None:
        """Why it ended without a result, once it is done."""
        if not self._error:
            return None
        error = _as_error(self._error)
        self._error = _ErrorPointer()
        return error

    def close(self) -> None:
        """Also abandons a computation that is not done; its store then answers nothing more."""
        if self._future is None:
            return
        _ffi.wasmtime_call_future_delete(self._future)
        self._future = None
        for argument in self._arguments:
            _ffi.wasmtime_component_val_delete(byref(argument))


class Instantiation(Call):
    __slots__ = ()

    def __init__(self, linker: NativeLinker, store: Store, component: NativeComponent) -> None:
        super().__init__()
        self._out = _ffi.wasmtime_component_instance_t()
        self._future = _ffi.wasmtime_component_linker_instantiate_async(
            linker.ptr(), store.context, component.ptr(), byref(self._out), byref(self._error)
        )

    def find_function(self, store: Store, export: Any) -> Any:
        """An export of the finished instance, named by an index of its component."""
        function = _ffi.wasmtime_component_func_t()
        instance = byref(self._out)
        if not _ffi.wasmtime_component_instance_get_func(
            instance, store.context, export.ptr(), byref(function)
        ):
            raise LookupError("the component's export is not a function")
        return function


class StringCall(Call):
    """Calls an export that takes strings and answers `string` or `result<string, string>`."""

    __slots__ = ("_function",)

    def __init__(self, store: Store, function: Any, *arguments: bytes) -> None:
        super().__init__()
        # wasmtime reads function, arguments and result through pointers until the future is deleted.
        self._function = function
        self._arguments = (_Value * len(arguments))()
        for value, argument in zip(self._arguments, arguments, strict=True):
            _write_string(value, argument)
        self._out = _Value()
        self._future = _ffi.wasmtime_component_func_call_async(
            byref(function),
            store.context,
            self._arguments,
            len(arguments),
            byref(self._out),
            1,
            byref(self._error),
        )

    def take_answer(self) -> tuple[bool, bytes]:
        """Whether it is a good answer, and its bytes. Raises TypeError when it is not a text."""
        value = self._out
        try:
            is_ok = True
            text = value
            if value.kind == _RESULT and value.of.result.val:
                is_ok, text = value.of.result.is_ok, value.of.result.val[0]
            _expect(text, _STRING)
            return is_ok, _read_bytes(text)
        finally:
            _ffi.wasmtime_component_val_delete(byref(value))
