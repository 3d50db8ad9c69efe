"""Turns the kernel's table of host functions into definitions that a component can be linked with.

Nothing here raises into wasmtime: a refusal is a value, a bug is logged and becomes a value, and what must
not be swallowed (an interrupt from the keyboard) is kept until the guest has been left.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final

from kernel.log import get_logger
from kernel.sandbox.bindings import (
    Linker,
    error_pointer,
    make_async_callback,
    make_continuation,
    make_sync_callback,
)
from kernel.sandbox.contract import Contract, Kind, Signature
from kernel.sandbox.host import HostError, HostFunction
from kernel.sandbox.transcript import Transcript
from kernel.sandbox.values import READERS, WRITERS, Err

log = get_logger(__name__)

# Reading a field costs microseconds and is paid for from the CPU budget; a call that waits is the dear kind.
PLAIN_CALLS_PER_CALL: Final = 20
NOBODY: Final = object()  # the state of an instance that is being prepared and works for nobody yet
_PENDING: Final = object()


class Waiting:
    """A host function that a suspended plugin waits for."""

    __slots__ = ("answer", "arguments", "function", "results", "signature")

    def __init__(self, function: HostFunction, signature: Signature, results: Any) -> None:
        self.function = function
        self.signature = signature
        self.results = results
        self.arguments: Sequence[Any] = ()
        self.answer: Any = _PENDING

    async def run(self, state: object) -> None:
        """Ask the function; afterwards the plugin can go on. Raises only what cancels the whole call."""
        try:
            self.answer = await self.function.call(state, *self.arguments)
        except Exception as error:  # noqa: BLE001  # no bug of ours may stop a plugin, or tell it more
            self.answer = _failure_value(self.signature, error)


class Guest(ABC):
    """What host functions need to know about the instance that called them."""

    __slots__ = (
        "asked_chance",
        "asked_clock",
        "cost",
        "cost_limit",
        "host_calls",
        "interrupt",
        "refusal",
        "state",
        "transcript",
        "waiting",
    )

    def __init__(self) -> None:
        self.state: object = NOBODY
        self.transcript: Transcript | None = None
        self.host_calls = 0
        self.cost = 0
        self.cost_limit = 0
        self.waiting: Waiting | None = None
        self.refusal: str | None = None
        self.interrupt: BaseException | None = None
        # Whether it has been told the time, or anything random.
        self.asked_clock = False
        self.asked_chance = False

    def note_clock(self) -> None:
        self.asked_clock = True

    def note_chance(self) -> None:
        self.asked_chance = True

    @abstractmethod
    def close(self) -> None: ...

    def spend(self, cost: int) -> bool:
        """Count a host call; False when the limit is passed."""
        self.host_calls += 1
        self.cost += cost
        if self.cost <= self.cost_limit:
            return True
        most = self.cost_limit // PLAIN_CALLS_PER_CALL
        self.refusal = (
            f"made more host calls than one tap may make: {most}, unless [budgets] host_calls says less"
        )
        return False


class Imports:
    """The linked functions of one sandbox. `guests` maps the address of a store's context to its instance."""

    def __init__(self, contract: Contract, functions: Sequence[HostFunction]) -> None:
        known = {signature.full_name: signature for signature in contract.functions}
        for function in functions:
            if function.full_name not in known:
                raise ValueError(f"kernel.wit has no function {function.full_name}.")
        self.guests: dict[int, Guest] = {}
        self._contract = contract
        self._table = {function.full_name: function for function in functions}
        self._missed: set[str] = set()
        self._continuation = make_continuation(self._resume)
        # wasmtime holds a bare pointer to it.

    def define(self, linker: Linker) -> None:
        interfaces: dict[str, dict[str, tuple[Any, bool]]] = {}
        for signature in self._contract.functions:
            function = self._table.get(signature.full_name)
            arity = len(signature.params)
            is_async = function is not None and inspect.iscoroutinefunction(function.call)
            if function is None:
                callback = make_sync_callback(arity, self._answer_unavailable(signature))
            elif is_async:
                callback = make_async_callback(arity, self._begin(function, signature), self._continuation)
            else:
                callback = make_sync_callback(arity, self._answer(function, signature))
            interfaces.setdefault(signature.interface, {})[signature.name] = (callback, is_async)
        for interface, callbacks in interfaces.items():
            linker.add_functions(self._contract.qualify(interface), callbacks)

    def _answer(self, function: HostFunction, signature: Signature) -> Callable[[int, Any, Any], int | None]:
        read, call = _reader(signature), function.call
        guests = self.guests

        def answer(context: int, arguments: Any, results: Any) -> int | None:
            guest = guests[context]
            if not guest.spend(1):
                return error_pointer("too many host calls")
            asked: Sequence[Any] = ()
            try:
                asked = read(arguments)
                value = _NOT_NOW if guest.state is NOBODY else call(guest.state, *asked)
            except Exception as error:  # noqa: BLE001  # as in Waiting.run
                value = _failure_value(signature, error)
            except BaseException as error:  # noqa: BLE001  # wasmtime cannot carry it; the driver raises it
                guest.interrupt = error
                return error_pointer("interrupted")
            if guest.transcript is not None:
                guest.transcript.note(signature.full_name, asked, value)
            _write(signature, results, value)
            return None

        return answer

    def _begin(self, function: HostFunction, signature: Signature) -> Callable[[int, Any, Any], int | None]:
        read = _reader(signature)
        guests = self.guests

        def begin(context: int, arguments: Any, results: Any) -> int | None:
            guest = guests[context]
            guest.waiting = waiting = Waiting(function, signature, results)
            if not guest.spend(PLAIN_CALLS_PER_CALL):
                waiting.answer = _NOT_NOW
                return error_pointer("too many host calls")
            try:
                waiting.arguments = read(arguments)
            except TypeError as error:
                waiting.answer = _failure_value(signature, error)
            if guest.state is NOBODY:
                waiting.answer = _NOT_NOW
            return None

        return begin

    def _resume(self, context: int) -> bool:
        guest = self.guests[context]
        waiting = guest.waiting
        if waiting is None or waiting.answer is _PENDING:
            return False
        guest.waiting = None
        if guest.transcript is not None:
            guest.transcript.note(waiting.signature.full_name, waiting.arguments, waiting.answer)
        _write(waiting.signature, waiting.results, waiting.answer)
        return True

    def _answer_unavailable(self, signature: Signature) -> Callable[[int, Any, Any], int | None]:
        def answer(context: int, _arguments: Any, results: Any) -> int | None:
            if not self.guests[context].spend(1):
                return error_pointer("too many host calls")
            if signature.full_name not in self._missed:
                self._missed.add(signature.full_name)
                log.warning("a plugin called what this kernel does not bring", function=signature.full_name)
            _write(signature, results, _NOT_NOW)
            return None

        return answer


# Also the answer while an instance is being prepared and works for nobody yet.
_NOT_NOW: Final = HostError("not-available", "This function is not available here.")

_EMPTY: Final[dict[Kind, Any]] = {"": None, "string": "", "bool": False}


def _reader(signature: Signature) -> Callable[[Any], Sequence[Any]]:
    """The common numbers of arguments are written out, since this is most of a getter's cost."""
    readers = [READERS[kind] for kind in signature.params]
    match readers:
        case [first]:
            return lambda arguments: (first(arguments[0]),)
        case [first, second]:
            return lambda arguments: (first(arguments[0]), second(arguments[1]))
    return lambda arguments: [reader(arguments[index]) for index, reader in enumerate(readers)]


def _failure_value(signature: Signature, error: Exception) -> HostError:
    if isinstance(error, HostError):
        return error
    log.error("a host function failed", function=signature.full_name, exc_info=error)
    return HostError("host-error", "The kernel could not do this; its log says why.")


def _write(signature: Signature, results: Any, answer: Any) -> None:
    """Write the answer, or the honest nothing that the function's type allows."""
    writer = WRITERS[signature.result]
    if not isinstance(answer, HostError):
        try:
            if signature.result:
                writer(results[0], answer)
            return
        except Exception as error:  # noqa: BLE001  # the wrong type is a bug of ours, not of the plugin
            answer = _failure_value(signature, error)
    if signature.can_fail:
        writer(results[0], Err(answer.as_json()))
    elif signature.result:
        writer(results[0], _EMPTY.get(signature.result))
