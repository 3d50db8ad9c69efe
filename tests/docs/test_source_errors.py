"""Every mistake in a source that docs/plugin-errors.md lists is made, and `check` tells it in those words."""

import pytest

from kernel.app.plugin_check import check_plugin
from kernel.plugin.model import Budgets
from tests.docs.conftest import read_rows

ROWS = read_rows("docs/plugin-errors.md", "In the source")
MANIFEST = """\
name = "{name}"
version = "1.0.0"
api_version = "0.1"
[taps]
implements = [{taps}]
[functions]
offers = [{offers}]
"""
VIEW = "from trovato_sdk import tap, offer, user, variables\n@tap\ndef item_view(item):\n    return None\n"

# The source, the line of the complaint, and what the manifest lists beside tap_item_view.
MISTAKES = {
    "bad-python": (VIEW + "def broken(:\n", 5),
    "never-called": (VIEW + "@tap\ndef perm():\n    return []\n", 6),
    "never-offered": (VIEW + "@offer\ndef get_best(data):\n    return 1\n", 6),
    "unknown-function": (VIEW + "@tap\ndef item_veiw(item):\n    return None\n", 6),
    "brackets": (VIEW.replace("@tap", "@tap()"), 3),
    "not-at-top": (VIEW + "class Taps:\n    @tap\n    def menu(self):\n        return []\n", 7),
    "async-tap": (VIEW.replace("def ", "async def "), 3),
    "unknown-parameter": (VIEW.replace("(item)", "(item, user)"), 3),
    "by-place": (VIEW.replace("(item)", "(item, /)"), 3),
    "late-import": (VIEW.replace("return", "import json; return"), 4),
    "relative-import": ("from . import parts\n" + VIEW, 1),
    "no-module": ("import requests\n" + VIEW, 1),
    "no-standard-module": ("import ssl\n" + VIEW, 1),
    "tests-only": ("from trovato_sdk.testing import TestKernel\n" + VIEW, 1),
    "refused-call": ("from time import sleep\n" + VIEW.replace("return", "return sleep(1) or"), 5),
    "undeclared-permission": (VIEW.replace("return", "return user.may('edit') and"), 4),
    "undeclared-variable": (VIEW.replace("return", "return variables.get('site_name') and"), 4),
}


def make_plugin(tmp_path, source, *, name="recipes", taps='"tap_item_view"', offers=""):
    folder = tmp_path / name
    folder.mkdir()
    (folder / f"{name}.info.toml").write_text(MANIFEST.format(name=name, taps=taps, offers=offers))
    if source is not None:
        (folder / f"{name}.py").write_text(source)
    return folder


@pytest.mark.story("3.18")
@pytest.mark.parametrize("code", MISTAKES)
def test_a_mistake_is_told_with_its_line_as_the_page_says(code, tmp_path):
    source, line = MISTAKES[code]
    folder = make_plugin(tmp_path, source)
    told = [
        problem for problem in check_plugin(folder, Budgets()).problems if ROWS[code].looks.search(problem)
    ]
    assert [problem.startswith(f"{folder}/recipes.py:{line}: ") for problem in told] == [True], told


@pytest.mark.story("3.18")
def test_what_the_manifest_lists_and_nobody_wrote_is_told_at_its_line(tmp_path):
    folder = make_plugin(tmp_path, VIEW, taps='"tap_item_view", "tap_menu"')
    (told,) = check_plugin(folder, Budgets()).problems
    assert told == (
        f"{folder}/recipes.info.toml:5: Plugin 'recipes' declares 'tap_menu' but doesn't export it."
        " Check function signature matches WIT: expected menu(ctx); it exports tap_item_view."
    )
    assert ROWS["not-exported"].looks.search(told)
    (folder / "recipes.info.toml").write_text(
        MANIFEST.format(name="recipes", taps='"tap_item_view"', offers='"get_best"')
    )
    (told,) = check_plugin(folder, Budgets()).problems
    assert told.startswith(f"{folder}/recipes.info.toml:7: ")
    assert ROWS["not-offered"].looks.search(told)


def test_a_plugin_without_a_source_or_with_a_name_of_pythons_is_told(tmp_path):
    (told,) = check_plugin(make_plugin(tmp_path, None, taps=""), Budgets()).problems
    assert ROWS["no-source"].looks.search(told)
    (told,) = check_plugin(make_plugin(tmp_path, VIEW, name="calendar"), Budgets()).problems
    assert ROWS["standard-name"].looks.search(told)


def test_every_row_of_the_page_is_provoked():
    assert set(ROWS) == {*MISTAKES, "not-exported", "not-offered", "no-source", "standard-name"}


GOOD = """\
from __future__ import annotations

import json as reader
import recipes_parts
from recipes_parts import menu
from typing import TYPE_CHECKING
import trovato_sdk
from trovato_sdk import variables, user

try:
    import simplejson
except ImportError:
    simplejson = None
if TYPE_CHECKING:
    import pytest


def open(path):
    return path


@trovato_sdk.tap
def item_view(item, ctx):
    open("door")
    return variables.get("recipes_note") or user.may(item.title)
"""
PARTS = "from trovato_sdk.prelude import *\n\n@tap\ndef menu():\n    return []\n"


def test_a_plugin_of_several_files_without_a_mistake_has_no_complaint(tmp_path):
    folder = make_plugin(tmp_path, GOOD, taps='"tap_item_view", "tap_menu"')
    (folder / "recipes_parts.py").write_text(PARTS)
    (folder / "tests").mkdir()
    (folder / "tests" / "test_recipes.py").write_text(
        "import pytest\nfrom trovato_sdk.testing import TestKernel\n"
    )
    assert check_plugin(folder, Budgets()).problems == ()
    # What is in another file and imported by nobody is no tap of the plugin.
    (folder / "recipes.py").write_text(GOOD.replace("from recipes_parts import menu\n", ""))
    (told,) = check_plugin(folder, Budgets()).problems
    assert "declares 'tap_menu' but doesn't export it" in told
