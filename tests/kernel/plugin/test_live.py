"""A process keeps its plugins at what is enabled, and tries again where a load failed in passing."""

import hashlib
from itertools import pairwise

import pytest
from wasmtime import wat2wasm

from kernel.plugin import live
from kernel.plugin.artefacts import Artefacts
from kernel.plugin.live import PluginFollower
from kernel.plugin.loader import PluginLoader
from kernel.plugin.model import Budgets
from kernel.plugin.store import upsert_plugin
from kernel.sandbox.sandbox import Sandbox
from kernel.sandbox.selftest import PLUGIN
from kernel.shared.connection import Shared
from kernel.shared.presence import Presence

# A component that is compiled in no time, and says its name.
SMALL = PLUGIN.replace('"{\\22taps\\22:[]}"', '"{\\22name\\22:\\22small\\22,\\22taps\\22:[]}"').replace(
    "(i32.const 11)", "(i32.const 26)"
)
MANIFEST = 'name = "small"\nversion = "1.0.0"\napi_version = "0.1"\n[taps]\nimplements = []\n'


@pytest.fixture
def wasm(tmp_path):
    """Where the artefact of `small` belongs; nothing is there yet."""
    folder = tmp_path / "plugins" / "small"
    folder.mkdir(parents=True)
    return folder / "small.wasm"


@pytest.fixture
async def follower(ledger, tmp_path, wasm, monkeypatch):
    """Of a site that has enabled `small`. It follows when it is told to, and every try is due."""
    monkeypatch.setattr(live, "RETRY_FIRST_S", 0.0)
    async with ledger.db.transaction() as tx:
        await upsert_plugin(
            tx.conn,
            name="small",
            version="1.0.0",
            is_enabled=True,
            sha256=hashlib.sha256(wat2wasm(SMALL)).hexdigest(),
            manifest=MANIFEST,
        )
    shared = await Shared.open(ledger.config.redis_url, ledger.config.redis_prefix)
    sandbox = await Sandbox.open((), cache_dir=tmp_path / "native", ready_instances=0)
    artefacts = Artefacts(ledger.db, wasm.parents[1], tmp_path / "artefacts")
    loader = PluginLoader(sandbox, artefacts, wasm.parents[1], Budgets())
    yield PluginFollower(loader, ledger.db, ledger.bus, Presence(shared))
    await sandbox.close()
    await shared.close()


async def test_an_artefact_that_comes_later_is_loaded_without_another_change(follower, wasm):
    await follower.refresh()
    before = follower.live.current
    (failure,) = before.failures
    assert (before.names, before.registry.missing, failure.may_pass) == ([], ("small",), True)
    assert "wasm file not found" in failure.problems[0]
    wasm.write_bytes(wat2wasm(SMALL))
    await follower.refresh()
    after = follower.live.current
    assert (after.names, after.failures, after.generation) == (["small"], (), before.generation)
    # What was made without it is not what is made with it; its settings were its own all the time.
    assert after.epoch != before.epoch
    assert before.registry.installed == after.registry.installed == {"small"}
    await follower.refresh()
    assert follower.live.current is after


async def test_a_cache_that_cannot_be_used_for_a_moment_leaves_nobody_out_for_good(follower, wasm, tmp_path):
    wasm.write_bytes(wat2wasm(SMALL))
    native = tmp_path / "native"
    native.rmdir()
    native.write_text("a file where a folder was")
    await follower.refresh()
    (failure,) = follower.live.current.failures
    assert (failure.may_pass, "cannot be compiled" in failure.problems[0]) == (True, True)
    native.unlink()
    native.mkdir(mode=0o700)
    await follower.refresh()
    assert (follower.live.current.names, follower.live.current.failures) == (["small"], ())


async def test_what_stays_wrong_is_not_tried_again(follower, wasm, ledger):
    broken = b"\x00asm not really"
    wasm.write_bytes(broken)
    async with ledger.db.transaction() as tx:
        await upsert_plugin(
            tx.conn,
            name="small",
            version="1.0.0",
            is_enabled=True,
            sha256=hashlib.sha256(broken).hexdigest(),
            manifest=MANIFEST,
        )
    await follower.refresh()
    first = follower.live.current
    (failure,) = first.failures
    assert (failure.may_pass, "cannot be compiled" in failure.problems[0]) == (False, True)
    await follower.refresh()
    assert follower.live.current is first


async def test_tries_become_rarer(follower, monkeypatch):
    monkeypatch.setattr(live, "RETRY_FIRST_S", 1.0)
    moment = 1_000.0
    monkeypatch.setattr(live, "monotonic", lambda: moment)
    tried = []
    for _ in range(300):
        before = follower.live.current
        await follower.refresh()
        if follower.live.current is not before:
            tried.append(moment)
        moment += 1.0
    waits = [later - earlier for earlier, later in pairwise(tried)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
