"""What lives as long as one request or job: an instance per plugin, and what plugins share while it lasts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any, Final, Protocol, Self
from uuid import UUID

import orjson

from kernel.context import Context
from kernel.errors import PluginError
from kernel.sandbox.instance import Instance
from kernel.sandbox.transcript import Transcript
from kernel.tap.catalogue import Tap
from kernel.tap.effects import Effects
from kernel.tap.fragment import Fragments
from kernel.tap.handle import HandledItem
from kernel.tap.record import Record
from kernel.tap.registry import TapPlugin, TapRegistry
from kernel.tap.watch import FailedCall
from kernel.tap.witness import Witness

# Of one request, over all plugins, in characters; more is not sharing but storing.
SHARED_MAX: Final = 1_000_000
SHARED_KEYS_MAX: Final = 200
# How long an answer is good that was made with the time: times are written to the minute, and nobody who wants to tell
# seconds to a visitor lets a server do it.
CLOCK_LIFE_S: Final = 60.0
# By then an answer is on its way that was ready when the request ended; what is left is giving back its connection.
LATER_S: Final = 0.01
_CHANCE: Final = "it was made with random numbers"


class HasRegistry(Protocol):
    """The part of kernel.plugin.model.PluginSet that calling plugins needs."""

    @property
    def registry(self) -> TapRegistry: ...


@dataclass(frozen=True, slots=True)
class Shared:
    """A value on the scratch pad, and what whoever set it had learned by then."""

    value: str
    record: Record


class PluginState:
    """One plugin within one scope: the `state` that host functions are given.

    Its instance is made when it is first needed and kept for all taps of the scope. `handles` are the items
    of the call that is running, and `tap` is the tap; a handle of an earlier call is unknown. `chain` are the calls
    from plugin to plugin that led to this one, each as (plugin, function); a function keeps the `tap` in which the
    first of them began.
    """

    __slots__ = (
        "_instance",
        "_one_at_a_time",
        "_ran",
        "_record",
        "chain",
        "handles",
        "plugin",
        "scope",
        "tap",
    )

    def __init__(self, scope: "TapScope", plugin: TapPlugin) -> None:
        self.scope = scope
        self.plugin = plugin
        self.tap: Tap | None = None
        self.handles: Mapping[int, HandledItem] = {}
        self.chain: tuple[tuple[str, str], ...] = ()
        self._record = Record()
        self._instance: Instance | None = None
        # The taps and functions that ran in it.
        self._ran: set[str] = set()
        # An instance answers one call at a time; who dispatches two taps at once waits here.
        self._one_at_a_time = asyncio.Lock()

    async def invoke(
        self,
        tap: Tap,
        payload: bytes,
        handles: Mapping[int, HandledItem],
        timeout_s: float | None = None,
        told: Record | None = None,
    ) -> bytes:
        """`timeout_s` in place of the tap's own, `told` what the plugin learns from the payload. Raises PluginError. An
        instance that broke is dropped, and the next tap gets another one."""
        async with self._one_at_a_time:
            if tap.is_kept and self._record.places:
                # What it remembers of a page would keep what follows from being shown on other pages.
                self.close()
            self.tap, self.handles = tap, handles
            return await self._run(tap.name, payload, tap.cpu_ms, timeout_s or tap.timeout_s, told)

    @property
    def record(self) -> Record:
        """What the instance has learned so far."""
        if self._instance is not None:
            self._note_senses(self._instance)
        return self._record

    def _note_senses(self, instance: Instance) -> None:
        if instance.asked_clock:
            self._record.note_life(CLOCK_LIFE_S)
        if instance.asked_chance:
            self._record.note_obstacle(_CHANCE)

    @property
    def is_busy(self) -> bool:
        """Whether a call runs in the instance, or waits in it for what it has called itself."""
        return self._one_at_a_time.locked()

    async def invoke_function(self, caller: Self, function: str, payload: bytes) -> bytes:
        """A function for other plugins, within the tap that the caller runs in. Raises PluginError.

        What the caller has learned may be in the payload, and what this one has learned in the answer, so each
        record takes the other in."""
        if caller.tap is None:
            raise RuntimeError("A plugin calls another one while it runs.")
        async with self._one_at_a_time, self.scope.call():
            self.tap, self.chain = caller.tap, (*caller.chain, (self.plugin.name, function))
            try:
                return await self._run(
                    f"function:{function}", payload, caller.tap.cpu_ms, caller.tap.timeout_s, caller.record
                )
            finally:
                caller.record.merge(self.record)

    async def _run(
        self, name: str, payload: bytes, cpu_ms: float | None, timeout_s: float, told: Record | None = None
    ) -> bytes:
        whole = False
        transcript, cpu_before_ms, calls_before = Transcript(), 0.0, 0
        try:
            if self._instance is None:
                self._record = Record()
                self._instance = await self.plugin.component.take(self)
            self._ran.add(name)
            if told is not None:
                self._record.merge(told)
            cpu_before_ms, calls_before = self._instance.cpu_ms, self._instance.host_calls
            self._instance.transcript = transcript
            answer = await self._instance.invoke(name, payload, cpu_ms=cpu_ms, timeout_s=timeout_s)
            whole = True
            return answer
        except PluginError as failure:
            whole = self._instance is not None and not self._instance.broken
            if failure.call is None:
                failure.call = FailedCall(name, payload, transcript)
            raise
        finally:
            if self._instance is not None:
                spent_ms = self._instance.cpu_ms - cpu_before_ms
                self.plugin.watch.note_cost(
                    self.plugin.name, name, spent_ms, self._instance.host_calls - calls_before
                )
            self.tap, self.handles, self.chain = None, {}, ()
            if not whole:
                self.close()

    def may_ask_permission(self, permission: str) -> bool:
        return permission in self.plugin.may.permissions

    def may_read_variable(self, name: str) -> bool:
        return name in self.plugin.may.variables or self.owns_variable(name)

    def owns_variable(self, name: str) -> bool:
        """Whether it begins with the plugin's name, and with that of no other plugin whose name begins so too, be that
        one enabled or not: its settings stay its own."""
        if not name.startswith(f"{self.plugin.name}_"):
            return False
        registry = self.scope.registry
        others = registry.installed.union(plugin.name for plugin in registry.plugins)
        return not any(
            other.startswith(f"{self.plugin.name}_") and name.startswith(f"{other}_") for other in others
        )

    def close(self) -> None:
        if self._instance is not None:
            self._note_senses(self._instance)
            watch, name = self.plugin.watch, self.plugin.name
            if watch.wants_memory(name):
                size_bytes = self._instance.close_measured()
                if size_bytes is not None:
                    watch.note_memory(name, self._ran, size_bytes)
            else:
                self._instance.close()
            self._ran.clear()
            self._instance = None


class TapScope:
    """Opened once per request or job with `async with`, and handed to every dispatch in it.

    `job_id` is the job's, so that what plugins put on queues while it is tried again is not put there again. `effects`
    is where their writes go; without any they may not write. `fragments` are answers of earlier requests, `witness`
    takes note of what those of this one depend on."""

    def __init__(
        self,
        plugins: HasRegistry,
        ctx: Context,
        *,
        job_id: UUID | None = None,
        effects: Effects | None = None,
        fragments: Fragments | None = None,
        witness: Witness | None = None,
    ) -> None:
        self.registry = plugins.registry
        self.ctx = ctx
        self.job_id = job_id
        self.effects = effects
        self.fragments = fragments
        self.witness = witness or Witness()
        # Says nothing about the viewer: a plugin that wants to know asks, and the kernel takes note of it.
        self.ctx_json = orjson.dumps({"stage": ctx.stage_id, "language": ctx.language})
        self.variables: dict[str, Any] = {}
        # What the taps are asked about just now, and how often which plugin has put the same on a queue meanwhile.
        self.subject: UUID | None = None
        self.pushes: Counter[bytes] = Counter()
        # Items that plugins loaded, by id; None where there is none.
        self.loaded: dict[UUID, Any] = {}
        # How often each plugin has asked other servers.
        self.fetches: Counter[str] = Counter()
        # What was decided about access, by operation and revision.
        self.decided: dict[tuple[str, UUID], Any] = {}
        self._judges: TapScope | None = None
        # Whether instances are given back a moment after the end, because somebody waits: freeing one takes 0.6 ms.
        self.closes_later = False
        self._shared: dict[str, Shared] = {}
        self._shared_size = 0
        self._states: dict[str, PluginState] = {}
        self._handle_numbers = count(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for state in self._states.values():
            if self.closes_later:
                asyncio.get_running_loop().call_later(LATER_S, state.close)
            else:
                state.close()
        self._states.clear()
        if self._judges is not None:
            self._judges.closes_later = self.closes_later
            await self._judges.__aexit__(kind, error, trace)
            self._judges = None

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Around one call of a plugin: when it fails, nothing of what it wrote stays."""
        try:
            async with nullcontext() if self.effects is None else self.effects.call():
                yield
        except BaseException:
            # One of them may be what was just undone.
            self.variables.clear()
            raise

    def turn_to(self, subject: UUID) -> None:
        """From now on taps are asked about this item, one of many. A later try of the job may begin in the middle, and
        still has to recognise what was pushed for each."""
        self.subject = subject
        self.pushes.clear()
        self.loaded.clear()
        self.decided.clear()
        self.fetches.clear()

    @property
    def judges(self) -> "TapScope":
        """For those that decide about access: instances of their own, since a plugin may be in the middle of a call
        when it is asked, and since what it learns to decide is not to make all that it shows this user's alone. They
        may not write."""
        if self._judges is None:
            self._judges = TapScope(self, self.ctx)
        return self._judges

    def get_state(self, plugin: TapPlugin) -> PluginState:
        state = self._states.get(plugin.name)
        if state is None:
            state = self._states[plugin.name] = PluginState(self, plugin)
        return state

    def next_handle(self) -> int:
        """Never the same twice in a scope, so that a handle kept too long cannot mean another item."""
        return next(self._handle_numbers)

    def find_shared(self, key: str) -> Shared | None:
        return self._shared.get(key)

    def share(self, key: str, value: str, record: Record) -> bool:
        """`record` is what the sharer has learned. False when the request's scratch pad is full."""
        size = self._shared_size + len(key) + len(value)
        if key in self._shared:
            size -= len(key) + len(self._shared[key].value)
        elif len(self._shared) >= SHARED_KEYS_MAX:
            return False
        if size > SHARED_MAX:
            return False
        self._shared[key] = Shared(value, record.copy())
        self._shared_size = size
        return True
