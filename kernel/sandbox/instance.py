"""One instance of one plugin: runs its taps, each under limits, until it breaks or is closed."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from wasmtime import ExitTrap, WasmtimeError

from kernel.errors import PluginError, PluginFailure
from kernel.sandbox.admission import Admission
from kernel.sandbox.bindings import Call, Instantiation, Linker, Store, StringCall
from kernel.sandbox.engine import Engine
from kernel.sandbox.imports import PLAIN_CALLS_PER_CALL, Guest, Imports
from kernel.sandbox.memory import read_linear_memories
from kernel.sandbox.wasi import REFUSED


@dataclass(frozen=True, slots=True)
class Limits:
    """What one tap may use; `memory_mb` is per instance. A host function that does not wait, such as reading
    a field, counts as a twentieth of a host call."""

    memory_mb: int
    cpu_ms: float
    timeout_s: float
    host_calls: int = 100
    payload_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Host:
    """What all instances of a sandbox share."""

    engine: Engine
    linker: Linker
    imports: Imports
    admission: Admission


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What all instances of one component share; `describe` and `invoke` are indexes of exports."""

    name: str
    native: Any
    describe: Any
    invoke: Any
    limits: Limits


AnyCall = TypeVar("AnyCall", bound=Call)

# Creating an instance and warming it up costs about 2 ms of CPU; far more means that something is wrong.
_PREPARATION_CPU_MS: Final = 2_000.0
_PREPARATION_S: Final = 20.0
_DETAIL_CHARACTERS: Final = 8_000
_MESSAGE_CHARACTERS: Final = 500

_ANSWERED_FAILURES: Final[dict[str, PluginFailure]] = {
    "tap-error": "tap-error",
    "tap-not-implemented": "tap-not-implemented",
    "bad-answer": "bad-answer",
    "exit": "exit",
}

# What an author may not expect, and Python does not say.
_HINTS: Final = {
    "ModuleNotFoundError": "only what is imported at the top of a file exists in the sandbox",
    "ImportError": "only what is imported at the top of a file exists in the sandbox",
    "FileNotFoundError": "there are no files in the sandbox",
    "MemoryError": "it needs more memory than [budgets] gives it",
}
_WRONG_EXPORT: Final = "has an export of another type than kernel.wit says"
_TRAPS: Final[tuple[tuple[str, PluginFailure, str], ...]] = (
    ("call stack exhausted", "stack-overflow", "nested too many calls; write the recursion as a loop"),
    (REFUSED, "refused-capability", f"did what it may not: {REFUSED}"),
    ("type mismatch", "link-error", "has an export or import of another type than kernel.wit says"),
    ("wrong number of arguments", "link-error", "imports a function of another type than kernel.wit says"),
    ("unreachable", "abort", "aborted itself"),
    ("memory allocation", "memory", "ran out of memory"),
)


class Instance(Guest):
    """Serves one caller. After a trap, a timeout or a cancelled call it is `broken` for good."""

    __slots__ = ("_blueprint", "_describe", "_host", "_invoke", "_store", "_tap", "broken", "busy", "cpu_ms")

    def __init__(self, host: Host, blueprint: Blueprint) -> None:
        super().__init__()
        self._host = host
        self._blueprint = blueprint
        self._tap: str | None = None
        self._store: Store | None = None
        self._describe: Any = None
        self._invoke: Any = None
        self.broken = False
        self.busy = False
        self.cpu_ms = 0.0

    async def start(self) -> None:
        """Create the instance's memory. Raises PluginError."""
        try:
            call = await self._drive(self._begin_start, _PREPARATION_CPU_MS, _PREPARATION_S, is_new=True)
            with closing(call):
                self._finish_start(call)
        except BaseException:
            self.close()
            raise

    async def describe(self) -> bytes:
        """What the plugin says about itself: JSON, unchecked."""
        return await self._call(self._describe, (), _PREPARATION_CPU_MS, _PREPARATION_S)

    async def invoke(
        self, tap: str, payload: bytes, *, cpu_ms: float | None = None, timeout_s: float | None = None
    ) -> bytes:
        """The tap's answer: JSON in UTF-8, bounded in size and otherwise unchecked.

        `timeout_s` runs from the moment in which the plugin first runs. Raises PluginError.
        """
        limits = self._blueprint.limits
        self._tap = tap
        if len(payload) > limits.payload_bytes:
            raise self._failure(
                "memory",
                f"its payload of {len(payload):,} bytes exceeds the limit of {limits.payload_bytes:,}",
            )
        return await self._call(
            self._invoke,
            (tap.encode(), payload),
            limits.cpu_ms if cpu_ms is None else cpu_ms,
            limits.timeout_s if timeout_s is None else timeout_s,
        )

    def close(self) -> None:
        """Free its memory; while a call runs in it, when that ends."""
        self.broken = True
        if self._store is not None and not self.busy:
            del self._host.imports.guests[self._store.address]
            self._store.close()
            self._store = None

    def close_measured(self) -> int | None:
        """As close; answers how large its memory had become, in bytes, None where that cannot be known. Takes about two
        milliseconds more, so it is for few of many."""
        if self._store is None or self.busy:
            self.close()
            return None
        before = read_linear_memories()
        self.close()
        gone = before.keys() - read_linear_memories().keys()
        return before[gone.pop()] if len(gone) == 1 else None

    def _begin_start(self) -> Instantiation:
        memory_bytes = self._blueprint.limits.memory_mb * 2**20
        self._store = Store(self._host.engine.native, memory_bytes)
        self._host.imports.guests[self._store.address] = self
        return Instantiation(self._host.linker, self._store, self._blueprint.native)

    def _finish_start(self, call: Instantiation) -> None:
        error = call.find_error()
        if error is not None:
            raise self._failure("link-error", f"cannot be linked with this kernel: {error}", str(error))
        self._describe = call.find_function(self._blueprint.describe)
        self._invoke = call.find_function(self._blueprint.invoke)

    async def _call(
        self, function: Any, arguments: tuple[bytes, ...], cpu_ms: float, timeout_s: float
    ) -> bytes:
        if self.busy:
            raise RuntimeError("An instance runs one call at a time; a nested call takes another instance.")
        store = self._store
        if store is None:
            raise self._failure("abort", "an earlier call broke this instance")
        self.busy = True
        try:
            call = await self._drive(lambda: self._begin_call(store, function, arguments), cpu_ms, timeout_s)
            with closing(call):
                is_ok, answer = self._take_answer(call)
        except BaseException:
            self.broken = True
            raise
        finally:
            self.busy = False
            if self.broken:
                self.close()
        if not is_ok:
            raise self._explain_answer(answer)
        limit = self._blueprint.limits.payload_bytes
        if len(answer) > limit:
            raise self._failure(
                "bad-answer", f"answered {len(answer):,} bytes, more than the limit of {limit:,}"
            )
        return answer

    def _begin_call(self, store: Store, function: Any, arguments: tuple[bytes, ...]) -> StringCall:
        self.cost = 0
        self.cost_limit = self._blueprint.limits.host_calls * PLAIN_CALLS_PER_CALL
        return StringCall(store, function, arguments)

    async def _drive(
        self, begin: Callable[[], AnyCall], cpu_ms: float, timeout_s: float, *, is_new: bool = False
    ) -> AnyCall:
        """Poll until the call is done. Holds a permit exactly while guest code runs or is about to go on."""
        admission = self._host.admission
        await admission.enter(is_new=is_new)
        holds_permit = True
        call: AnyCall | None = None
        clock: asyncio.Timeout | None = None
        used_s = 0.0
        try:
            call = begin()
            done, used_s = self._poll(call)
            if done:
                return call
            async with asyncio.timeout(timeout_s) as clock:
                while not done:
                    if self.waiting is not None:
                        admission.leave()
                        holds_permit = False
                        await self.waiting.run(self.state)
                        await admission.enter()
                        holds_permit = True
                    elif used_s * 1000 > cpu_ms:
                        raise self._failure("cpu-budget", f"used more than {cpu_ms:g} ms of processor time")
                    else:
                        await admission.pause()
                    done, spent_s = self._poll(call)
                    used_s += spent_s
            return call
        except BaseException as error:
            if call is not None:
                call.close()
            if isinstance(error, TimeoutError) and clock is not None and clock.expired():
                raise self._failure(
                    "timeout", f"took longer than {timeout_s:g} s, waiting included"
                ) from None
            raise
        finally:
            if holds_permit:
                admission.leave()
            self.cpu_ms += used_s * 1000

    def _poll(self, call: Call) -> tuple[bool, float]:
        engine = self._host.engine
        started = time.thread_time()
        engine.enter()
        done = call.poll()
        engine.leave()
        spent_s = time.thread_time() - started
        self._host.admission.spend(spent_s)
        if self.interrupt is not None:
            raise self.interrupt
        return done, spent_s

    def _take_answer(self, call: StringCall) -> tuple[bool, bytes]:
        error = call.find_error()
        if error is not None:
            raise self._explain_trap(error)
        try:
            return call.take_answer()
        except TypeError as mismatch:
            raise self._failure("link-error", _WRONG_EXPORT) from mismatch

    def _explain_trap(self, error: WasmtimeError) -> PluginError:
        detail = str(error)
        if isinstance(error, ExitTrap):
            return self._failure("exit", f"tried to end the process with status {error.code}", detail)
        if self.refusal is not None:
            return self._failure("host-error", self.refusal, detail)
        for sign, reason, message in _TRAPS:
            if sign in detail:
                return self._failure(reason, message, detail)
        return self._failure("abort", "trapped", detail)

    def _explain_answer(self, answer: bytes) -> PluginError:
        """The plugin's own words about its failure, which are as untrusted as everything it says."""
        try:
            told = json.loads(answer[: self._blueprint.limits.payload_bytes])
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            return self._failure(
                "bad-answer", "failed without a proper error", answer.decode(errors="replace")
            )
        kind = str(told.get("type", ""))[:_MESSAGE_CHARACTERS]
        reason = _ANSWERED_FAILURES.get(str(told.get("code")), "tap-error")
        message = str(told.get("message", ""))[:_MESSAGE_CHARACTERS]
        if kind == "MemoryError":
            reason = "memory"
        if kind in _HINTS:
            message = f"{message} ({_HINTS[kind]})" if message else _HINTS[kind]
        words = f"{kind}: {message}" if kind and message else kind or message or "failed"
        return self._failure(reason, words, str(told.get("traceback", ""))[:_DETAIL_CHARACTERS] or None)

    def _failure(self, reason: PluginFailure, message: str, detail: str | None = None) -> PluginError:
        clipped = detail[:_DETAIL_CHARACTERS] if detail else None
        return PluginError(self._blueprint.name, reason, message, tap=self._tap, detail=clipped)
