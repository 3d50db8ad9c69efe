"""Native code is compiled once, kept for this user alone, and never trusted when it has changed."""

import asyncio
import os
import stat
import time

import pytest
from wasmtime import WasmtimeError, wat2wasm

from kernel.errors import PluginError
from kernel.sandbox import artefact
from kernel.sandbox.artefact import UNUSED_S, NativeCache
from kernel.sandbox.instance import Limits
from kernel.sandbox.sandbox import Sandbox
from kernel.sandbox.selftest import PLUGIN
from tests.kernel.sandbox.conftest import FUNCTIONS, LIMITS

SMALL = Limits(memory_mb=2, cpu_ms=100.0, timeout_s=5.0)


@pytest.fixture
def small_wasm(tmp_path):
    """A component that is compiled in no time."""
    path = tmp_path / "small.wasm"
    path.write_bytes(wat2wasm(PLUGIN))
    return path


@pytest.fixture
async def own_sandbox(tmp_path):
    sandbox = await Sandbox.open(FUNCTIONS, cache_dir=tmp_path / "native", ready_instances=0)
    yield sandbox
    await sandbox.close()


async def test_a_sandbox_that_closes_waits_for_code_that_nobody_waits_for_any_more(small_wasm, tmp_path):
    """Of a request that was cancelled, or a test that has ended: its thread goes on, in the engine's memory."""
    for _ in range(20):
        sandbox = await Sandbox.open(FUNCTIONS, cache_dir=tmp_path / "native", ready_instances=0)
        await sandbox.load("small", small_wasm, SMALL)
        (code,) = (tmp_path / "native").glob("*.cwasm")
        threads = [asyncio.create_task(asyncio.to_thread(load_on, sandbox.engine, code)) for _ in range(3)]
        await asyncio.sleep(0.005)
        await sandbox.close()
        assert [await thread for thread in threads] == ["The sandbox is closed."] * 3


def load_on(engine, code):
    while True:
        try:
            engine.load(code)
        except WasmtimeError as error:
            return str(error)


def list_code(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "native").glob("*.cwasm")}


@pytest.mark.story("3.5")
async def test_a_missing_file_is_named(own_sandbox, tmp_path):
    path = tmp_path / "plugins" / "blog" / "blog.wasm"
    with pytest.raises(PluginError) as failure:
        await own_sandbox.load("blog", path, LIMITS)
    expected = f"Plugin 'blog' wasm file not found at {path}. Build it: trovato plugin build blog"
    assert str(failure.value) == failure.value.message == expected
    assert failure.value.reason == "stale-artefact"


@pytest.mark.story("3.5")
async def test_a_file_that_does_not_compile_is_named_with_the_compilers_words(own_sandbox, tmp_path):
    path = tmp_path / "blog.wasm"
    path.write_bytes(b"\x00asm not really")
    with pytest.raises(PluginError, match=r"Plugin 'blog': .*blog\.wasm cannot be compiled") as failure:
        await own_sandbox.load("blog", path, LIMITS)
    assert failure.value.reason == "link-error"
    assert "unknown binary version" in failure.value.detail


@pytest.mark.story("3.5")
async def test_a_component_is_compiled_once(own_sandbox, small_wasm, tmp_path):
    first = await own_sandbox.load("one", small_wasm, SMALL)
    code = list_code(tmp_path)
    assert len(code) == 1
    second = await own_sandbox.load("two", small_wasm, SMALL)
    assert list_code(tmp_path) == code
    assert (first.sha256, first.description) == (second.sha256, {"taps": []})


async def test_another_component_has_code_of_its_own(own_sandbox, small_wasm, tmp_path):
    await own_sandbox.load("one", small_wasm, SMALL)
    small_wasm.write_bytes(wat2wasm(PLUGIN.replace("refused", "REFUSED")))
    await own_sandbox.load("one", small_wasm, SMALL)
    assert len(list_code(tmp_path)) == 2


@pytest.mark.parametrize("damage", ["changed", "cut", "hash lost", "hash changed"])
async def test_damaged_code_is_compiled_again(own_sandbox, small_wasm, tmp_path, damage):
    await own_sandbox.load("one", small_wasm, SMALL)
    code = next((tmp_path / "native").glob("*.cwasm"))
    sound = code.read_bytes()
    if damage in {"changed", "cut"}:
        # Another file in its place: the old one is still mapped into this process, and runs.
        code.unlink()
        code.write_bytes(sound[:1000] if damage == "cut" else sound[:-100] + bytes(100))
    elif damage == "hash lost":
        code.with_suffix(".sha256").unlink()
    else:
        code.with_suffix(".sha256").write_text("0" * 64)
    component = await own_sandbox.load("one", small_wasm, SMALL)
    assert component.description == {"taps": []}
    assert len(list_code(tmp_path)) == 1
    assert NativeCache(tmp_path / "native").find(code.stem) == code


def rewrite(code, sound):
    """In place, of the same length, and with the time that it had."""
    before = code.stat()
    code.write_bytes(sound[:-1] + b"x")
    os.utime(code, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(code, sound):
    other = code.with_name("other")
    other.write_bytes(sound[:-1] + b"x")
    other.rename(code)


@pytest.mark.parametrize("change", [rewrite, replace], ids=["rewritten", "replaced"])
def test_code_is_read_whole_once_and_again_when_the_file_is_another(tmp_path, monkeypatch, change):
    # As if all files here had been left alone for a while.
    monkeypatch.setattr(artefact, "SETTLED_S", -1.0)
    cache = NativeCache(tmp_path / "native")
    sound = b"native code " * 1_000
    cache.put("key", sound)
    code, mark = (tmp_path / "native" / f"key.{end}" for end in ("cwasm", "sha256"))
    assert cache.find("key") == code
    sha256, _, checked = mark.read_text().partition("\n")
    mark.write_text(f"{'0' * 64}\n{checked}")
    # Only who does not read the file does not see that the hash is another.
    assert cache.find("key") == code
    mark.write_text(f"{sha256}\n{checked}")
    change(code, sound)
    assert cache.find("key") is None


def test_code_that_has_just_been_written_is_read_each_time(tmp_path):
    cache = NativeCache(tmp_path / "native")
    cache.put("key", b"native code")
    assert cache.find("key") is not None
    assert (tmp_path / "native" / "key.sha256").read_text().endswith("\n")
    # Within the same tick of the file system's clock, perhaps.
    (tmp_path / "native" / "key.cwasm").write_bytes(b"native c0de")
    assert cache.find("key") is None


async def test_code_that_nobody_asks_for_goes_when_other_code_comes(own_sandbox, small_wasm, tmp_path):
    await own_sandbox.load("one", small_wasm, SMALL)
    await own_sandbox.load("two", small_wasm, SMALL)
    (mark,) = (tmp_path / "native").glob("*.sha256")
    for age_s, left in ((UNUSED_S - 60, 2), (UNUSED_S + 60, 2)):
        os.utime(mark, (0, time.time() - age_s))
        changed = PLUGIN.replace("refused", f"{age_s:.0f}"[:7].ljust(7, "x"))
        small_wasm.write_bytes(wat2wasm(changed))
        await own_sandbox.load("one", small_wasm, SMALL)
        assert len(list_code(tmp_path)) == left
        assert mark.exists() is (age_s < UNUSED_S)


async def test_the_folder_is_for_this_user_alone(own_sandbox, tmp_path):
    assert stat.S_IMODE((tmp_path / "native").stat().st_mode) == 0o700
    (tmp_path / "native").chmod(0o755)
    NativeCache(tmp_path / "native")
    assert stat.S_IMODE((tmp_path / "native").stat().st_mode) == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    folder = tmp_path / "native"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to another user"):
        NativeCache(folder)
