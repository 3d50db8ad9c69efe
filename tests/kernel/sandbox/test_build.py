"""A plugin is built when something it is made of has changed, and mistakes are told in the words of the SDK."""

import json

import pytest

from kernel.errors import PluginError
from kernel.sandbox import build
from kernel.sandbox.build import build_plugin
from tests.kernel.sandbox.conftest import FIXTURES, VAR

SOURCE = "from trovato_sdk import tap\n\n\n@tap\ndef {name}({parameters}):\n    return None\n"


def write_source(folder, name, parameters=""):
    (folder / "sample.py").write_text(SOURCE.format(name=name, parameters=parameters), encoding="utf-8")
    return folder


def refuse(folder, name="sample"):
    with pytest.raises(PluginError) as failure:
        build_plugin(folder, name, folder / "out.wasm")
    assert failure.value.reason == "stale-artefact"
    assert not (folder / "out.wasm").exists()
    return failure.value


@pytest.mark.story("1.2")
def test_the_benchmark_plugin_is_built_once_and_then_costs_milliseconds(bench_wasm):
    result = build_plugin(FIXTURES / "bench", "bench", VAR / "bench.wasm", cache_dir=VAR / "native")
    assert (result.was_built, result.wasm, result.taps) == (False, bench_wasm, ("tap_item_view", "tap_page"))
    assert result.seconds < 0.5


@pytest.mark.timeout(120)
@pytest.mark.story("3.2")
def test_a_decorated_function_becomes_a_tap_and_the_plugin_is_not_built_twice(tmp_path):
    folder = write_source(tmp_path, "item_view", "item")
    first = build_plugin(folder, "sample", tmp_path / "out.wasm", cache_dir=VAR / "native")
    assert (first.was_built, first.taps) == (True, ("tap_item_view",))
    record = json.loads((tmp_path / "out.build").read_text(encoding="utf-8"))
    assert (record["sha256"], record["size"]) == (first.sha256, first.wasm.stat().st_size)
    assert not build_plugin(folder, "sample", tmp_path / "out.wasm").was_built


@pytest.mark.timeout(60)
@pytest.mark.story("3.2")
def test_a_mistake_in_a_tap_ends_the_build_with_what_to_change_and_keeps_the_old_artefact(tmp_path):
    folder = write_source(tmp_path, "item_veiw")
    (tmp_path / "out.wasm").write_bytes(b"of an earlier build")
    with pytest.raises(PluginError) as failure:
        build_plugin(folder, "sample", tmp_path / "out.wasm")
    assert failure.value.reason == "stale-artefact"
    assert failure.value.message.startswith(
        "Plugin 'sample': cannot be built: TapDefinitionError: There is no tap for a function item_veiw."
        " Did you mean item_view? The taps are item_info, "
    )
    assert 'sample.py", line 4' in failure.value.detail
    assert (tmp_path / "out.wasm").read_bytes() == b"of an earlier build"


@pytest.mark.timeout(60)
def test_packages_of_the_builders_environment_do_not_come_in(tmp_path):
    (tmp_path / "sample.py").write_text("import orjson\n", encoding="utf-8")
    assert "No module named 'orjson'" in refuse(tmp_path).message


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
