"""Loads plugins' components and hands out their instances; knows nothing of items."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from kernel.errors import PluginError
from kernel.metrics import Metrics
from kernel.sandbox.admission import Admission
from kernel.sandbox.artefact import (
    Artefact,
    FindWasm,
    NativeCache,
    load_artefact,
    load_known,
    prepare_native,
)
from kernel.sandbox.bindings import Linker
from kernel.sandbox.contract import read_contract
from kernel.sandbox.engine import Engine
from kernel.sandbox.exports import EXPECTED, find_export_problem
from kernel.sandbox.host import HostFunction
from kernel.sandbox.imports import Imports
from kernel.sandbox.instance import Blueprint, Host, Instance, Limits
from kernel.sandbox.pool import ReadyPool
from kernel.sandbox.wasi import define_wasi

RUNNING_AT_ONCE: Final = 8


class Component:
    """One loaded plugin. `description` is what its `describe` answered: at least a list of texts "taps". `metrics` is
    for whoever calls it."""

    def __init__(
        self, name: str, sha256: str, description: dict[str, Any], pool: ReadyPool, metrics: Metrics
    ) -> None:
        self.metrics = metrics
        self.name = name
        self.sha256 = sha256
        self.description = description
        self._pool = pool

    @property
    def ready_instances(self) -> int:
        """How many wait to be taken."""
        return self._pool.ready

    async def take(self, state: object) -> Instance:
        """An instance for one request or job, to be closed by the caller. Raises PluginError.

        `state` is what the host functions that this instance calls are given.
        """
        self.metrics.count_instance(self.name)
        return await self._pool.take(state)

    async def fill(self) -> None:
        """Wait until the ready instances are there."""
        await self._pool.fill()

    async def close(self) -> None:
        await self._pool.close()


class Sandbox:
    """One per process; belongs to the event loop that opened it."""

    def __init__(self, host: Host, cache: NativeCache, ready_instances: int, metrics: Metrics) -> None:
        self._host = host
        self._metrics = metrics
        self._cache = cache
        self._ready_instances = ready_instances
        self._components: list[Component] = []

    @classmethod
    async def open(
        cls,
        functions: Sequence[HostFunction],
        *,
        cache_dir: Path,
        ready_instances: int,
        running_at_once: int = RUNNING_AT_ONCE,
        metrics: Metrics | None = None,
    ) -> Self:
        """Raises ValueError for a function that kernel.wit does not have. Without `metrics` it counts for itself."""
        cache = NativeCache(cache_dir)
        imports = Imports(read_contract(), functions)
        engine = Engine()
        try:
            linker = Linker(engine.native)
            define_wasi(linker, engine.native, imports.guests)
            imports.define(linker)
        except BaseException:
            engine.close()
            raise
        host = Host(engine, linker, imports, Admission(running_at_once))
        return cls(host, cache, ready_instances, metrics or Metrics())

    @property
    def engine(self) -> Engine:
        return self._host.engine

    @property
    def live_instances(self) -> int:
        """How many instances hold memory, the ready ones included."""
        return len(self._host.imports.guests)

    @property
    def ready_instances(self) -> int:
        """How many of them wait to be taken."""
        return sum(component.ready_instances for component in self._components)

    async def load(self, name: str, wasm: Path, limits: Limits) -> Component:
        """Compile (or find compiled), link, ask it to describe itself. Raises PluginError."""
        return await self.add(name, await load_artefact(self.engine, self._cache, name, wasm), limits)

    async def load_known(self, name: str, sha256: str, find_wasm: FindWasm, limits: Limits) -> Component:
        """By its hash; `find_wasm` is asked for the bytes where they were not compiled yet. Raises PluginError."""
        return await self.add(
            name, await load_known(self.engine, self._cache, name, sha256, find_wasm), limits
        )

    async def prepare(self, name: str, sha256: str, find_wasm: FindWasm) -> None:
        """Have it compiled on this machine, for a load that will come. Raises PluginError."""
        await prepare_native(self._cache, name, sha256, find_wasm)

    async def add(self, name: str, artefact: Artefact, limits: Limits) -> Component:
        """As load, of what is loaded into the process already. Raises PluginError."""
        blueprint = _make_blueprint(self.engine, name, artefact, limits)
        pool = ReadyPool(self._host, blueprint, self._ready_instances)
        instance = Instance(self._host, blueprint)
        await instance.start()
        try:
            description = _read_description(name, await instance.describe())
            await pool.prepare(instance)
        finally:
            instance.close()
        component = Component(name, artefact.sha256, description, pool, self._metrics)
        self._components.append(component)
        pool.start_refill()
        return component

    async def drop(self, component: Component) -> None:
        """Keep no instance of it ready any more. Whoever works with it goes on, and may take further ones."""
        if component in self._components:
            self._components.remove(component)
        await component.close()

    async def close(self) -> None:
        """Whoever still holds an instance finds it broken. No call may be running."""
        for component in self._components:
            await component.close()
        self._components.clear()
        for guest in list(self._host.imports.guests.values()):
            guest.close()
        self._host.linker.close()
        self._host.engine.close()


def _make_blueprint(engine: Engine, name: str, artefact: Artefact, limits: Limits) -> Blueprint:
    problem = find_export_problem(engine.native, artefact.native)
    if problem:
        raise PluginError(name, "link-error", problem)
    exports = [artefact.native.get_export_index(export) for export in EXPECTED]
    return Blueprint(name, artefact.native, exports[0], exports[1], limits)


def _read_description(name: str, answer: bytes) -> dict[str, Any]:
    try:
        description = json.loads(answer)
    except (ValueError, RecursionError):
        description = None
    taps = description.get("taps") if isinstance(description, dict) else None
    if not isinstance(taps, list) or not all(isinstance(tap, str) for tap in taps):
        raise PluginError(name, "bad-answer", 'describe() must answer an object with "taps", a list of names')
    return dict(description)
