"""The thin layer over wasmtime's C interface: callbacks, linkers, stores and call futures.

The package's own classes reflect on types at each call, keep the last exception of a host function in one
variable for the whole process, and cannot await. What is private here is pinned by version; `selftest.py`
says so when it no longer holds.
"""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from ctypes import CFUNCTYPE, POINTER, PYFUNCTYPE, addressof, byref, c_bool, c_size_t, c_uint64
from ctypes import c_void_p as address
from typing import Any, Final

from wasmtime import Engine as NativeEngine
from wasmtime import WasmtimeError, _ffi
from wasmtime.component import Component as NativeComponent
from wasmtime.component import Linker as NativeLinker

from kernel.sandbox.values import Value, delete_value, lend_bytes, read_answer

# The package declares that this returns an error pointer, but it returns nothing: ctypes would read rubbish.
_yield_at_ticks: Final = CFUNCTYPE(None, address, c_uint64)(
    ("wasmtime_context_epoch_deadline_async_yield_and_update", _ffi.dll)
)
# Bare addresses in place of typed pointers make a call several microseconds cheaper.
_set_deadline: Final = PYFUNCTYPE(None, address, c_uint64)(("wasmtime_context_set_epoch_deadline", _ffi.dll))
_call_async: Final = CFUNCTYPE(address, address, address, address, c_size_t, address, c_size_t, address)(
    ("wasmtime_component_func_call_async", _ffi.dll)
)
_poll: Final = CFUNCTYPE(c_bool, address)(("wasmtime_call_future_poll", _ffi.dll))
_delete_future: Final = CFUNCTYPE(None, address)(("wasmtime_call_future_delete", _ffi.dll))

_Values: Final = POINTER(Value)
_ErrorPointer: Final = POINTER(_ffi.wasmtime_error_t)
# The shapes of wasmtime_component_func_callback_t and its asynchronous sister.
_SyncCallback: Final = CFUNCTYPE(address, address, address, address, _Values, c_size_t, _Values, c_size_t)
_AsyncCallback: Final = CFUNCTYPE(
    None,
    address,
    address,
    address,
    _Values,
    c_size_t,
    _Values,
    c_size_t,
    POINTER(address),
    POINTER(_ffi.wasmtime_async_continuation_t),
)
_NO_FINALIZER: Final = ctypes.cast(0, CFUNCTYPE(None, address))
_WRONG_ARITY: Final = "a host function was called with the wrong number of arguments"


def error_pointer(message: str) -> int | None:
    """A wasmtime error as an address; handing it to wasmtime from a callback traps the guest."""
    return ctypes.cast(_ffi.wasmtime_error_new(message.encode()), address).value


def make_sync_callback(arity: int, answer: Callable[[int, Any, Any], int | None]) -> Any:
    """`answer(context address, arguments, results)` answers None, or an error's address to trap the guest.

    It must not raise.
    """

    def called(
        _env: Any, context: int, _type: Any, arguments: Any, given: int, results: Any, _count: int
    ) -> int | None:
        if given != arity:
            return error_pointer(_WRONG_ARITY)
        return answer(context, arguments, results)

    return _SyncCallback(called)


def make_async_callback(arity: int, begin: Callable[[int, Any, Any], int | None], resume: Any) -> Any:
    """`begin` has the shape that make_sync_callback asks for, but only notes what is to be awaited.

    `resume` comes from make_continuation, and must live as long as the linker.
    """

    def called(_env: Any, context: int, _type: Any, *values: Any) -> None:
        arguments, given, results, _, error, continuation = values
        refusal = begin(context, arguments, results) if given == arity else error_pointer(_WRONG_ARITY)
        if refusal is not None:
            error[0] = refusal
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


class Linker:
    """What components are linked with. Keeps the callbacks alive, to which wasmtime holds bare pointers."""

    def __init__(self, engine: NativeEngine) -> None:
        self.native = NativeLinker(engine)
        self._callbacks: list[Any] = []

    def add_functions(self, interface: str, functions: Mapping[str, tuple[Any, bool]]) -> None:
        """Define an interface: callbacks by name, each with whether it is asynchronous.

        Raises WasmtimeError for a name that exists already, unless it may be shadowed.
        """
        with self.native.root() as root, root.add_instance(interface) as instance:
            for name, (callback, is_async) in functions.items():
                self._callbacks.append(callback)
                add, shape = _ADDERS[is_async]
                encoded = name.encode()
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

    def add_wasi(self) -> None:
        self.native.add_wasip2()

    def allow_shadowing(self, *, allowed: bool) -> None:
        self.native.allow_shadowing = allowed

    def close(self) -> None:
        """Only when no instance is left that was linked with it."""
        self.native.close()
        self._callbacks.clear()


class Store:
    """The memory of one instance, known to callbacks by its `address`. A call is closed before its store."""

    __slots__ = ("_pointer", "address", "context")

    def __init__(self, engine: NativeEngine, memory_bytes: int) -> None:
        self._pointer: Any = _ffi.wasmtime_store_new(engine.ptr(), None, _NO_FINALIZER)
        self.context = _ffi.wasmtime_store_context(self._pointer)
        self.address: int = ctypes.cast(self.context, address).value or 0
        _ffi.wasmtime_store_limiter(self._pointer, memory_bytes, -1, -1, -1, -1)
        # An empty configuration: no arguments, no environment, no folders, no output, no network.
        error = _ffi.wasmtime_context_set_wasi(self.context, _ffi.wasi_config_new())
        if error:
            raise _as_error(error)
        _set_deadline(self.address, 1)
        _yield_at_ticks(self.address, 1)

    def close(self) -> None:
        if self._pointer is not None:
            _ffi.wasmtime_store_delete(self._pointer)
            self._pointer = None


class Call:
    """A computation inside a store that stops at ticks and at asynchronous host functions."""

    __slots__ = ("_error", "_future")

    def __init__(self) -> None:
        self._error = address()
        self._future: int | None = None

    def poll(self) -> bool:
        """Run until it is done (True), or gives way (False)."""
        done: bool = _poll(self._future)
        return done

    def find_error(self) -> WasmtimeError | None:
        """Why it ended without a result, once it is done."""
        pointer = self._error.value
        self._error.value = None
        return None if pointer is None else _as_error(ctypes.cast(pointer, _ErrorPointer))

    def close(self) -> None:
        """Also abandons a computation that is not done; its store then answers nothing more."""
        if self._future is not None:
            _delete_future(self._future)
            self._future = None
            self.find_error()


class Instantiation(Call):
    __slots__ = ("_instance", "_store")

    def __init__(self, linker: Linker, store: Store, component: NativeComponent) -> None:
        super().__init__()
        self._store = store
        self._instance = _ffi.wasmtime_component_instance_t()
        future = _ffi.wasmtime_component_linker_instantiate_async(
            linker.native.ptr(),
            store.context,
            component.ptr(),
            byref(self._instance),
            ctypes.cast(byref(self._error), POINTER(_ErrorPointer)),
        )
        self._future = ctypes.cast(future, address).value

    def find_function(self, export: Any) -> Any:
        """An export of the finished instance, named by an index of its component."""
        function = _ffi.wasmtime_component_func_t()
        if not _ffi.wasmtime_component_instance_get_func(
            byref(self._instance), self._store.context, export.ptr(), byref(function)
        ):
            raise LookupError("the component's export is not a function")
        return function


class StringCall(Call):
    """Calls an export that takes strings and answers `string` or `result<string, string>`."""

    __slots__ = ("_answer", "_arguments", "_function")

    def __init__(self, store: Store, function: Any, arguments: Sequence[bytes]) -> None:
        super().__init__()
        # wasmtime reads function, arguments and result through pointers until the future is deleted.
        self._function = function
        self._arguments = (Value * len(arguments))()
        for value, argument in zip(self._arguments, arguments, strict=True):
            lend_bytes(value, argument)
        self._answer = Value()
        # A whole tick before the first yield.
        _set_deadline(store.address, 1)
        self._future = _call_async(
            addressof(function),
            store.address,
            addressof(self._arguments),
            len(arguments),
            addressof(self._answer),
            1,
            addressof(self._error),
        )

    def take_answer(self) -> tuple[bool, bytes]:
        """Whether it is a good answer, and its bytes. Raises TypeError when it is not a text."""
        try:
            return read_answer(self._answer)
        finally:
            delete_value(self._answer)
