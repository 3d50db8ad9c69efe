"""The fixture plugins, built and compiled once into var/, and a sandbox whose host functions the tests watch."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kernel.sandbox.build import build_plugin
from kernel.sandbox.host import HostError, HostFunction
from kernel.sandbox.instance import Limits
from kernel.sandbox.sandbox import Sandbox

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "wasm"
VAR = ROOT / "var" / "test" / "wasm"
NATIVE = ROOT / "var" / "test" / "native"
# Generous, since a machine may be busy; tests of the budget give their own.
LIMITS = Limits(memory_mb=64, cpu_ms=2_000.0, timeout_s=5.0)


@dataclass
class Watched:
    """The state that the host functions below are given."""

    title: str = "Hello"
    fields: dict = field(default_factory=dict)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: list = field(default_factory=list)
    messages: list = field(default_factory=list)


def get_title(state, handle):
    return state.title if handle == 1 else None


def get_string(state, handle, name):
    value = state.fields.get(name) if handle == 1 else None
    return value if isinstance(value, str) else None


def set_value(state, handle, name, value):
    state.fields[name] = value
    return handle == 1


async def get_variable(state, name, default):
    if name == "refused":
        raise HostError("refused", "not this one")
    if name == "broken":
        raise KeyError("a bug of ours")
    if name == "soon":
        await asyncio.sleep(0.01)
    if name == "gate":
        state.waiting.set()
        try:
            await state.release.wait()
        except asyncio.CancelledError:
            state.cancelled.append(name)
            raise
    return f"{name} of {state.title}"


def fail(state, *arguments):
    raise RuntimeError("a bug of ours, with a secret")


async def fail_later(state, *arguments):
    await asyncio.sleep(0)
    raise RuntimeError("a bug of ours, with a secret")


FUNCTIONS = (
    HostFunction("item-api", "get-title", get_title),
    HostFunction("item-api", "get-field-string", get_string),
    HostFunction("item-api", "set-field-int", set_value),
    HostFunction("item-api", "set-field-string", set_value),
    HostFunction("variables", "get", get_variable),
    HostFunction("user-api", "current-user-id", fail),
    HostFunction("user-api", "current-user-has-permission", fail_later),
    HostFunction("request-context", "get", fail_later),
    HostFunction("db", "insert", fail),
    HostFunction("logging", "log", lambda state, level, message: state.messages.append((level, message))),
)


def pytest_collection_modifyitems(items):
    """A fixture plugin that was never built, or has changed, is built before any test's time runs."""
    for name in ("torture", "bench"):
        if any(f"{name}_wasm" in getattr(item, "fixturenames", ()) for item in items):
            build_fixture(name)


def build_fixture(name):
    return build_plugin(FIXTURES / name, name, VAR / f"{name}.wasm", cache_dir=NATIVE).wasm


@pytest.fixture(scope="session")
def torture_wasm():
    return build_fixture("torture")


@pytest.fixture(scope="session")
def bench_wasm():
    return build_fixture("bench")


@pytest.fixture
async def sandbox():
    opened = await Sandbox.open(FUNCTIONS, cache_dir=NATIVE, ready_instances=0)
    yield opened
    await opened.close()
    assert opened.live_instances == 0


@pytest.fixture
async def torture(torture_wasm, sandbox):
    return await sandbox.load("torture", torture_wasm, LIMITS)


@pytest.fixture
async def bench(bench_wasm, sandbox):
    return await sandbox.load("bench", bench_wasm, LIMITS)


def page_payload(function, **args):
    return json.dumps({"request": {"path": "/", "args": args, "function": function}}).encode()


@pytest.fixture
def run_case(torture):
    """Runs one case in an instance of its own and answers what it answered, read from JSON."""

    async def run(function, *, state=None, cpu_ms=None, timeout_s=None, **args):
        instance = await torture.take(state or Watched())
        try:
            answer = await instance.invoke(
                "tap_page", page_payload(function, **args), cpu_ms=cpu_ms, timeout_s=timeout_s
            )
        finally:
            instance.close()
        return json.loads(answer)

    return run
