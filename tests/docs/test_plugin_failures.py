"""Failures of docs/plugin-errors.md while a plugin is loaded and called, each provoked with a compiled artefact."""

import asyncio
from pathlib import Path
from typing import get_args

import pytest
from structlog.testing import capture_logs
from wasmtime.component import Component as NativeComponent

from kernel.errors import PluginFailure
from kernel.plugin.load import get_limits, load_plugins
from kernel.plugin.model import Manifest
from kernel.plugin.order import order_plugins
from kernel.sandbox import selftest
from kernel.sandbox.artefact import Artefact
from kernel.tap.capability import Capabilities
from kernel.tap.catalogue import ITEM_PRESAVE, ITEM_VIEW, PAGE
from kernel.tap.dispatch import dispatch
from kernel.tap.registry import TapOptions
from tests.docs.conftest import read_rows
from tests.fixtures.plugins import make_item_data

LOADED = read_rows("docs/plugin-errors.md", "While it is built and loaded")
CALLED = read_rows("docs/plugin-errors.md", "While it runs")
NOTHING = TapOptions()

# What the page of `torture` is asked to do, by the code of its row.
CASES = {
    "tap-error": "raise_error",
    "bad-answer": "compute",
    "unsendable": "no_json",
    "cpu-budget": "loop",
    "memory": "memory_bomb",
    "stack-overflow": "recursion_in_c",
    "abort": "abort",
    "exit": "exit_by_exception",
    "host-error": "ask_often",
    "refused-capability": "sleep",
    "late-import-run": "late_import",
    "no-files": "read_file",
}
WITH_LITTLE = {"cpu-budget"}


@pytest.fixture
def load(workshop):
    """Loads manifests as a site does; `texts` are components of a few instructions by the names of plugins, `artefacts`
    names of tests/wasm."""

    async def load_manifests(*manifests, texts=None, artefacts=None):
        async def open_component(manifest):
            if manifest.name in (texts or {}):
                native = NativeComponent(workshop.sandbox.engine.native, texts[manifest.name])
                return await workshop.sandbox.add(
                    manifest.name, Artefact(native, ""), get_limits(manifest.budgets)
                )
            wasm = manifest.wasm
            if manifest.name in (artefacts or {}):
                wasm = await asyncio.to_thread(workshop.build, artefacts[manifest.name])
            return await workshop.sandbox.load(manifest.name, wasm, get_limits(manifest.budgets))

        plugins = await load_plugins(open_component, manifests)
        return {failure.plugin: failure.problems for failure in plugins.failures}

    return load_manifests


def declare(name, *taps, dependencies=()):
    options = {f"tap_{tap}": NOTHING for tap in taps}
    return Manifest(name, "1.0.0", Path(name), taps=options, dependencies=dependencies, may=Capabilities())


async def call(workshop, function, *, cpu_ms=2_000.0, timeout_s=None, **args):
    torture = await workshop.load("torture", "torture", cpu_ms=cpu_ms, page=NOTHING)
    async with workshop.scope(torture) as scope:
        request = {
            "path": "/",
            "args": {"seconds": "30", "times": "3000", "rounds": "10", **args},
            "function": function,
        }
        dispatched = await dispatch(
            scope, PAGE, extra={"request": request}, plugin="torture", timeout_s=timeout_s
        )
    (failure,) = dispatched.failures
    return failure


@pytest.mark.story("3.18")
@pytest.mark.parametrize("code", CASES)
async def test_a_call_that_fails_is_told_as_the_page_says(workshop, code):
    # Only what shall run out of it gets little, since a busy machine is slow.
    failure = await call(workshop, CASES[code], cpu_ms=100.0 if code in WITH_LITTLE else 2_000.0)
    assert CALLED[code].looks.match(failure.message), failure.message
    assert failure.message.startswith("Plugin 'torture', tap_page: ")
    assert code not in get_args(PluginFailure) or failure.reason == code


async def test_a_call_that_takes_too_long_is_told_as_the_page_says(workshop):
    failure = await call(workshop, "loop", cpu_ms=60_000.0, timeout_s=0.05)
    assert CALLED["timeout"].looks.match(failure.message), failure.message
    assert failure.reason == "timeout"


async def test_a_tap_that_is_not_there_and_a_field_that_is_not_asked_for_are_told_as_the_page_says(workshop):
    torture = await workshop.load("torture", "torture", item_view=NOTHING)
    probe = await workshop.load("probe", "probe", item_presave=TapOptions(fields=frozenset({"field_body"})))
    async with workshop.scope(torture, probe) as scope:
        (missing,) = (await dispatch(scope, ITEM_VIEW, items=[make_item_data()])).failures
        changed = await dispatch(scope, ITEM_PRESAVE, item=make_item_data(), extra={"op": "insert"})
    assert CALLED["tap-not-implemented"].looks.match(missing.message), missing.message
    (refused,) = changed.failures
    assert CALLED["refused-field"].looks.match(refused.message), refused.message


@pytest.mark.story("3.18")
async def test_the_log_names_plugin_and_tap_and_says_what_the_plugin_said(workshop):
    with capture_logs() as logs:
        await call(workshop, "raise_error")
    (line,) = (line for line in logs if line["event"] == "a plugin failed")
    assert (line["plugin"], line["tap"], line["reason"]) == ("torture", "tap_page", "tap-error")
    assert line["error"] == "Plugin 'torture', tap_page: ValueError: boom"
    assert 'torture.py", line' in line["detail"]


@pytest.mark.story("3.18")
async def test_a_component_of_another_contract_is_told_with_what_is_expected_and_what_is_there(load):
    other = selftest.PLUGIN.replace(
        '(export "invoke") (param "tap" string)', '(export "run") (param "tap" string)'
    )
    failures = await load(declare("blog", "item_view", "menu"), texts={"blog": other})
    (told,) = failures["blog"]
    assert told == (
        "Plugin 'blog': expected describe() -> string and invoke(tap: string, payload: string) ->"
        " result<string, string>, as in kernel.wit; it exports describe() -> string,"
        " run(tap: string, payload: string) -> result<string, string>."
        " Its taps cannot be called: tap_item_view, tap_menu."
    )
    assert LOADED["link-error"].looks.match(told)


async def test_components_that_cannot_be_linked_or_describe_nothing_are_told_as_the_page_says(load):
    texts = {
        "newer": selftest.PLUGIN.replace("variables@0.1.0", "variables@0.2.0"),
        "mute": selftest.PLUGIN.replace("{\\22taps\\22:[]}", "[]         "),
    }
    failures = await load(declare("newer"), declare("mute"), texts=texts)
    assert LOADED["unknown-import"].looks.match(failures["newer"][0]), failures
    assert "variables@0.2.0" in failures["newer"][0]
    assert LOADED["bad-description"].looks.match(failures["mute"][0]), failures


@pytest.mark.long
async def test_plugins_that_are_not_what_their_manifest_says_are_told_as_the_page_says(load):
    failures = await load(
        declare("unbuilt"),
        declare("renamed", "menu"),
        declare("errands", "queue_info"),
        declare("probe", "menu"),
        artefacts={"renamed": "probe", "errands": "errands", "probe": "probe"},
    )
    for name, code in (
        ("unbuilt", "stale-artefact"),
        ("renamed", "other-artefact"),
        ("errands", "no-worker"),
        ("probe", "menu-path"),
    ):
        assert LOADED[code].looks.match(failures[name][0]), failures[name]


def test_dependencies_that_cannot_be_met_are_told_as_the_page_says():
    manifests = [
        declare("lonely", dependencies=("nobody",)),
        declare("sad", dependencies=("broken",)),
        declare("egg", dependencies=("hen",)),
        declare("hen", dependencies=("egg",)),
    ]
    problems = order_plugins(manifests, broken=("broken",)).problems
    assert LOADED["missing-dependency"].looks.fullmatch(problems["lonely"])
    assert LOADED["broken-dependency"].looks.fullmatch(problems["sad"])
    assert LOADED["circle"].looks.fullmatch(problems["egg"])


def test_every_row_is_provoked_and_every_code_has_a_row():
    assert set(CALLED) == {*CASES, "timeout", "tap-not-implemented", "refused-field"}
    # The build that fails is in tests/kernel/sandbox/test_build.py.
    assert set(LOADED) == {
        *("not-built", "stale-artefact", "other-artefact", "link-error", "unknown-import", "bad-description"),
        *("missing-dependency", "broken-dependency", "circle", "no-worker", "menu-path"),
    }
    assert set(get_args(PluginFailure)) <= {*CALLED, *LOADED}
