"""Plugins are found, loaded and asked what they declare; one with a problem is left out and told why."""

import shutil
from pathlib import Path

import pytest

from kernel.context import Context
from kernel.plugin.load import check_description, get_limits, load_plugins
from kernel.plugin.model import Budgets, LoadFailure, Manifest, PluginSet
from kernel.plugin.scan import scan_plugins
from kernel.tap.catalogue import ITEM_VIEW, MENU
from kernel.tap.dispatch import dispatch
from kernel.tap.registry import TapOptions
from kernel.tap.scope import TapScope
from tests.fixtures.plugins import make_item_data, read_seen

HEAD = 'version = "1.0.0"\napi_version = "0.1"\n'
NOT_FOUND = "Plugin 'blog' wasm file not found at plugins/blog/blog.wasm."
PROBE_TAPS = '["tap_item_info", "tap_item_view", "tap_menu", "tap_page", "tap_perm"]'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder `plugins` in which a test puts plugins, seen from the folder above."""
    monkeypatch.chdir(tmp_path)
    place = Path("plugins")
    place.mkdir()
    return place


@pytest.fixture
def put(folder, fixture_wasm):
    def put_plugin(name, *, taps=PROBE_TAPS, dependencies="[]", artefact=None, extra=""):
        place = folder / name
        place.mkdir()
        (place / f"{name}.info.toml").write_text(
            f'name = "{name}"\n{HEAD}dependencies = {dependencies}\n[taps]\nimplements = {taps}\n{extra}'
        )
        if artefact:
            shutil.copy(fixture_wasm(artefact), place / f"{name}.wasm")

    return put_plugin


async def load(workshop, folder):
    scan = scan_plugins(folder, Budgets())

    async def open_component(manifest):
        return await workshop.sandbox.load(manifest.name, manifest.wasm, get_limits(manifest.budgets))

    return await load_plugins(open_component, scan.manifests, failures=scan.failures, generation=4)


async def test_a_plugin_is_loaded_with_all_that_it_declares(workshop, folder, put):
    put("probe", artefact="probe")
    plugins = await load(workshop, folder)
    assert (plugins.names, plugins.failures, plugins.generation) == (["probe"], (), 4)
    assert plugins.registry.type_owners == {"probe": "probe"}
    assert [(p.name, p.plugin) for p in plugins.permissions] == [("look closely", "probe")]
    match = plugins.menu.resolve("/probe/3")
    assert (match.entry.plugin, match.entry.permission, match.args) == (
        "probe",
        "look closely",
        {"number": "3"},
    )
    async with TapScope(plugins, Context()) as scope:
        item = make_item_data("A", "probe", field_body="all of its own type")
        ((_, answer),) = (await dispatch(scope, ITEM_VIEW, items=[item])).answers
    assert read_seen(answer[0])["fields"]["field_body"][1] == "all of its own type"


@pytest.mark.story("3.5")
async def test_a_missing_artefact_is_told_with_the_command_that_makes_it(workshop, folder, put):
    put("blog")
    plugins = await load(workshop, folder)
    assert plugins.failures == (
        LoadFailure(
            "blog",
            (f"{NOT_FOUND} Build it: trovato plugin build blog",),
            may_pass=True,
        ),
    )


async def test_one_problem_does_not_stop_the_others(workshop, folder, put):
    put("probe", artefact="probe")
    put("empty")
    put("needs_empty", dependencies='["empty"]', artefact="probe")
    put("no_wasm")
    (folder / "no_wasm" / "no_wasm.wasm").write_bytes(b"not WebAssembly")
    put("typo", taps='["tap_item_veiw"]')
    (folder / "no_manifest").mkdir()
    (folder / "sdk").mkdir()
    (folder / ".hidden").mkdir()
    (folder / "__pycache__").mkdir()
    (folder / "README.md").write_text("no plugin either")
    plugins = await load(workshop, folder)
    problems = {failure.plugin: failure.problems for failure in plugins.failures}
    assert plugins.names == ["probe"]
    assert sorted(problems) == ["empty", "needs_empty", "no_manifest", "no_wasm", "typo"]
    assert all(len(sentences) == 1 for sentences in problems.values())
    assert problems["no_manifest"][0].startswith("plugins/no_manifest/no_manifest.info.toml is missing")
    assert problems["no_wasm"][0].startswith("Plugin 'no_wasm'")
    assert problems["typo"][0].startswith("plugins/typo/typo.info.toml:6: 'tap_item_veiw' is no tap")


async def test_an_artefact_of_another_plugin_is_told(workshop, folder, put):
    put("blog", artefact="hostile", taps='["tap_item_view"]')
    plugins = await load(workshop, folder)
    assert plugins.failures[0].problems == (
        "Plugin 'blog': its artefact says that it is 'hostile'. Build it: trovato plugin build blog",
    )


@pytest.mark.story("3.18")
async def test_a_declared_tap_that_is_not_exported_is_told_with_what_is(workshop, folder, put):
    put("hostile", artefact="hostile", taps='["tap_item_view", "tap_menu"]')
    plugins = await load(workshop, folder)
    assert plugins.names == []
    (problem,) = plugins.failures[0].problems
    assert problem == (
        "Plugin 'hostile' declares 'tap_menu' but doesn't export it. Check function signature matches WIT:"
        " expected menu(ctx); it exports tap_item_presave, tap_item_view."
    )


@pytest.mark.story("8.9")
@pytest.mark.parametrize(
    ("functions", "problem"),
    [
        (["get_featured", "more"], ""),
        (
            ["more"],
            "Plugin 'blog' offers 'get_featured' in [functions], but has no such function for others.",
        ),
        (None, "Plugin 'blog' offers 'get_featured'"),
        ({}, "Plugin 'blog': its artefact names no functions."),
        ([1], "Plugin 'blog': its artefact names no functions."),
    ],
)
def test_functions_that_a_manifest_offers_must_be_there(functions, problem):
    manifest = Manifest("blog", "1.0.0", Path("blog"), functions=frozenset({"get_featured"}))
    told = {} if functions is None else {"functions": functions}
    found = check_description(manifest, {"name": "blog", "taps": [], **told})
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("description", "problem"),
    [
        ({"name": "blog", "taps": ["tap_menu"]}, ""),
        ({"taps": ["tap_menu"]}, "Plugin 'blog': its artefact says that it is None."),
        ({"name": "blog"}, "Plugin 'blog': its artefact names no taps."),
        ({"name": "blog", "taps": [1]}, "Plugin 'blog': its artefact names no taps."),
        ({"name": "blog", "taps": []}, "Plugin 'blog' declares 'tap_menu' but doesn't export it."),
    ],
)
def test_a_description_is_checked_against_the_manifest(description, problem):
    manifest = Manifest("blog", "1.0.0", Path("blog"), taps={"tap_menu": TapOptions()})
    found = check_description(manifest, description)
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


async def test_what_cannot_stand_in_the_menu_is_told_and_the_plugin_stays(workshop, folder, put):
    put("probe", artefact="probe", taps='["tap_menu"]')
    plugins = await load(workshop, folder)
    assert plugins.names == ["probe"]
    ((name, problems),) = ((failure.plugin, failure.problems) for failure in plugins.failures)
    assert name == "probe"
    # Both entries name a function, and the plugin does not say that it makes pages.
    assert len(problems) == 2
    assert all("does not implement tap_page" in problem for problem in problems)


async def test_no_plugins_at_all(workshop, folder):
    plugins = await load(workshop, folder / "nowhere")
    assert (plugins.names, plugins.failures, plugins.menu.entries) == ([], (), ())
    async with TapScope(PluginSet(), Context()) as scope:
        assert (await dispatch(scope, MENU)).answers == ()
