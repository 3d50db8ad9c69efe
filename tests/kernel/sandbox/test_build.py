"""A plugin is built when something it is made of has changed, and mistakes are told in the words of the SDK."""

import hashlib
import json

import pytest

from kernel.errors import PluginError
from kernel.sandbox import build
from kernel.sandbox.build import build_plugin
from tests.docs.conftest import read_rows
from tests.kernel.sandbox.conftest import FIXTURES, NATIVE, VAR

BUILDING = read_rows("docs/plugin-errors.md", "While it is built and loaded")

SOURCE = """
from trovato_sdk import tap

try:
    import orjson
except ModuleNotFoundError:
    pass
else:
    raise RuntimeError("a package came in")

@tap
def item_veiw(item):
    return None
"""


def refuse(folder, name="sample"):
    with pytest.raises(PluginError) as failure:
        build_plugin(folder, name, folder / "out.wasm")
    assert failure.value.reason == "stale-artefact"
    assert not (folder / "out.wasm").exists()
    return failure.value


@pytest.mark.story("1.2")
@pytest.mark.story("3.2")
def test_the_benchmark_plugin_is_built_once_and_then_costs_milliseconds(bench_wasm):
    result = build_plugin(FIXTURES / "bench", "bench", VAR / "bench.wasm", cache_dir=NATIVE)
    assert (result.was_built, result.wasm, result.taps) == (False, bench_wasm, ("tap_item_view", "tap_page"))
    assert result.sha256 == hashlib.sha256(bench_wasm.read_bytes()).hexdigest()
    assert result.seconds < 0.5


@pytest.mark.timeout(60)
@pytest.mark.story("3.2")
def test_a_changed_source_with_a_mistake_ends_the_build_with_what_to_change(tmp_path):
    """Nor do packages of the builder's own environment come in, and what was built before stays."""
    (tmp_path / "sample.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "out.wasm").write_bytes(b"of an earlier build")
    record = {"inputs": "of earlier sources", "size": 19, "sha256": "", "taps": []}
    (tmp_path / "out.build").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(PluginError) as failure:
        build_plugin(tmp_path, "sample", tmp_path / "out.wasm")
    assert failure.value.reason == "stale-artefact"
    assert failure.value.message.startswith(
        "Plugin 'sample': cannot be built: sample.py:11: TapDefinitionError: There is no tap for a function item_veiw."
        " Did you mean item_view? The taps are item_info, "
    )
    assert BUILDING["not-built"].looks.match(failure.value.message)
    assert 'sample.py", line 11' in failure.value.detail
    assert (tmp_path / "out.wasm").read_bytes() == b"of an earlier build"
    assert json.loads((tmp_path / "out.build").read_text(encoding="utf-8")) == record


def test_a_folder_without_the_plugins_source_is_named(tmp_path):
    error = refuse(tmp_path)
    assert str(error) == f"Plugin 'sample': has no source at {tmp_path}/sample.py"


@pytest.mark.parametrize("name", ["Blog", "a-b", "../x", "import os;x", ""])
def test_a_name_that_is_none_is_refused_before_it_becomes_code(tmp_path, name):
    assert "its name must be a-z, 0-9 and _" in refuse(tmp_path, name).message


def test_every_input_changes_the_hash(tmp_path, monkeypatch):
    sdk = tmp_path / "sdk"
    plugin = tmp_path / "plugin"
    sdk.mkdir()
    plugin.mkdir()
    wit = tmp_path / "kernel.wit"
    monkeypatch.setattr(build, "SDK_FOLDER", sdk)
    monkeypatch.setattr(build, "WIT_FILE", wit)
    seen = set()
    for path in (wit, sdk / "a.py", plugin / "sample.py", plugin / "deeper.py"):
        for content in ("a", "b"):
            path.write_text(content, encoding="utf-8")
            wit.touch()
            seen.add(build._hash_inputs(plugin, "sample"))
    seen.add(build._hash_inputs(plugin, "other"))
    monkeypatch.setattr(build, "version", lambda _package: "0.0.0")
    seen.add(build._hash_inputs(plugin, "sample"))
    assert len(seen) == 10
