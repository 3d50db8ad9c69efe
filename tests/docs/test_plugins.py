"""docs/plugins.md does what it says: its plugin is put together from its blocks, tested, checked, built, installed."""

import asyncio
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from functools import reduce
from types import ModuleType

import click
import pytest

from kernel.__main__ import main
from kernel.app.plugin_check import check_plugin
from kernel.app.plugin_new import make_plugin
from kernel.app.prepare import build_administrator_context
from kernel.lifecycle.ask import put_into_effect
from kernel.plugin.manifest import read_manifest
from kernel.plugin.model import Budgets
from kernel.sandbox.build import build_plugin
from kernel.sandbox.instance import Limits
from kernel.supervision.note import STOP_AFTER, STOP_SHARE, WINDOW_S
from kernel.tap.catalogue import BACKGROUND_CPU_MS, BACKGROUND_TIMEOUT_S, REQUEST_TIMEOUT_S
from kernel.tap.document import DOCUMENT
from kernel.tap.wire import MAX_DEPTH
from tests.fixtures.database import ROOT
from tests.fixtures.plugins import NATIVE, VAR
from tests.fixtures.site import open_site

TEXT = DOCUMENT.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
MANIFEST, SOURCE, TESTS = "recipes.info.toml", "recipes.py", "tests/test_recipes.py"
# Of another plugin, whose tests build it and run it: tests/kernel/plugin_queue/test_example.py.
ELSEWHERE = ("Reminds of new items", "kernel.call(reminders")


def list_blocks(language, file):
    """The blocks of a file that the page puts together, in their order."""
    return [text for kind, text in BLOCKS if kind == language and text.startswith(f"# {file}\n")]


@pytest.fixture
def recipes(tmp_path):
    """The plugin as a reader has it at the end of the page."""
    folder = make_plugin(tmp_path / "plugins", "recipes")
    (folder / "tests" / "test_recipes.py").unlink()
    (folder / MANIFEST).write_text(list_blocks("toml", MANIFEST)[-1])
    (folder / SOURCE).write_text("\n\n".join(list_blocks("python", SOURCE)))
    (folder / TESTS).write_text("\n\n".join(list_blocks("python", TESTS)))
    return folder


def test_every_block_is_run_by_some_test():
    assert {kind for kind, _ in BLOCKS} == {"sh", "toml", "python"}
    others = [
        text
        for kind, text in BLOCKS
        if kind == "python" and not text.startswith(("# recipes.py", "# tests/"))
    ]
    assert [any(words in text for words in ELSEWHERE) for text in others] == [True, True]
    others = [text for kind, text in BLOCKS if kind == "toml" and not text.startswith(f"# {MANIFEST}")]
    assert [tomllib.loads(text)["name"] for text in others] == ["reminders", "blog"]


def test_the_source_can_be_imported_after_each_block():
    source = ""
    for block in list_blocks("python", SOURCE):
        source += block
        exec(source, vars(ModuleType("recipes")))  # noqa: S102  # a document of ours


def test_the_page_begins_with_what_the_command_makes(tmp_path):
    folder = make_plugin(tmp_path, "recipes")
    first, *_ = list_blocks("toml", MANIFEST)
    assert tomllib.loads(first) == tomllib.loads((folder / MANIFEST).read_text())
    shown = set(re.findall(r"^\| `([\w./]+)` \|", TEXT.split("## Look around")[1], re.MULTILINE))
    assert {path.name for path in folder.rglob("*.*")} <= shown


def list_leaves(data, place=()):
    for key, value in data.items():
        if isinstance(value, dict):
            yield from list_leaves(value, (*place, key))
        else:
            yield (*place, key), value


def test_each_part_of_the_manifest_stands_in_the_whole(recipes):
    first, *parts, whole = [tomllib.loads(text) for text in list_blocks("toml", MANIFEST)]
    assert len(parts) > 4
    for part in parts:
        for place, value in list_leaves(part):
            assert reduce(dict.__getitem__, place, whole) == value
    manifest = read_manifest(recipes / MANIFEST, Budgets())
    assert (manifest.name, sorted(manifest.functions)) == ("recipes", ["get_latest"])
    # Each part is a manifest by itself, with the head of the first one.
    head = {key: value for key, value in first.items() if key != "taps"}
    assert head.keys() <= whole.keys()


def test_the_reference_of_the_manifest_can_be_read(tmp_path):
    (text,) = (
        text for text in (text for kind, text in BLOCKS if kind == "toml") if text.startswith("# blog.info")
    )
    (tmp_path / "blog").mkdir()
    (tmp_path / "blog" / "blog.info.toml").write_text(text)
    manifest = read_manifest(tmp_path / "blog" / "blog.info.toml", Budgets())
    assert (manifest.budgets.cpu_ms, list(manifest.may.tables), manifest.may.read_types) == (
        50,
        ["mark"],
        {"page"},
    )


def test_check_has_nothing_to_say(recipes):
    assert check_plugin(recipes, Budgets()).problems == ()


@pytest.mark.timeout(60)
def test_its_tests_pass_in_an_ordinary_python(recipes):
    command = [sys.executable, "-m", "kernel", "plugin", "test", str(recipes), "-q"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert f"{TEXT.count('def test_')} passed" in ran.stdout


def test_its_commands_exist_with_their_options():
    lines = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
    lines += re.findall(r"`(trovato [^`]+)`", TEXT)
    assert len(lines) > 15
    for line in lines:
        _, *words = line.split()
        command: click.Command = main
        while isinstance(command, click.Group) and words:
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line
        help_text = command.get_help(click.Context(command))
        assert "Usage" in help_text


def test_the_numbers_are_those_of_the_code():
    budgets, limits = Budgets(), Limits(memory_mb=1, cpu_ms=1, timeout_s=1)
    for said in (
        f"| CPU for a call in a request | {budgets.cpu_ms:g} ms |",
        f"| CPU for a call in the background | {BACKGROUND_CPU_MS:,g} ms |",
        f"| time for a call in a request, waiting included | {REQUEST_TIMEOUT_S:g} s |",
        f"| time for a call in the background, waiting included | {BACKGROUND_TIMEOUT_S:g} s |",
        f"| memory of an instance, its interpreter included | {budgets.memory_mb} MB |",
        f"counts a twentieth | {budgets.host_calls} |",
        f"| payload, and answer | {limits.payload_bytes:,} bytes |",
        f"| depth of JSON | {MAX_DEPTH} levels |",
        f"fails {STOP_AFTER} times within {WINDOW_S:g} seconds, and in at least a fifth of its calls",
    ):
        assert said in TEXT
    assert STOP_SHARE == 1 / 5


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.story("3.1")
@pytest.mark.story("3.2")
async def test_the_plugin_of_the_page_works_on_a_site(recipes, site_config, renderer):
    """Built and put into effect while the site runs; a second run of the suite finds the artefact."""
    wasm = VAR / "recipes_of_document.wasm"
    await asyncio.to_thread(build_plugin, recipes, "recipes", wasm, cache_dir=NATIVE)
    shutil.copy(wasm, recipes / "recipes.wasm")
    config = replace(site_config, plugins_dir=recipes.parent)
    async with open_site(config, renderer) as site:
        await put_into_effect(site.worker, await build_administrator_context(site.worker), "recipes")
        await site.web.live_plugins.follower.refresh()
        cook = await site.make_user("ada", is_admin=True)
        async with (
            site.client(token=await site.make_token(cook)) as program,
            site.client(cookie=(await site.log_in(cook)).id) as editor,
            site.client() as visitor,
        ):
            fields = {
                "field_minutes": 20,
                "field_ingredients": "2 eggs\n\n  milk ",
                "field_steps": {"value": "<p>Stir.</p>", "format": "filtered_html"},
            }
            made = await program.post("/item/add/recipe", json={"title": "Pancakes", "fields": fields})
            assert made.status_code == 201, made.text
            shown = (await visitor.get(made.json()["path"])).text
            assert '<p class="lead">20 minutes</p>' in shown
            assert "<li>2 eggs</li><li>milk</li>" in shown
            assert "<p>Stir.</p>" in shown
            front = (await visitor.get("/recipes")).text
            assert "What shall we cook?" in front
            assert "Pancakes" in front
            assert (await visitor.get("/recipes/changes")).status_code == 303
            assert re.search(
                r"<li>Pancakes, \d{4}-\d\d-\d\d</li>", (await editor.get("/recipes/changes")).text
            )
