"""Makes the folder of a new plugin, which works before anything in it is changed."""

import keyword
import sys
from pathlib import Path
from string import Template
from typing import Final

from kernel.errors import Invalid
from kernel.names import is_machine_name
from kernel.plugin.model import API_VERSION
from kernel.tap.menu import KERNEL_SEGMENTS

# What stands beside a plugin while it is built, or among the plugins.
_TAKEN: Final = frozenset({"sdk", "tests", "kernel", "trovato_sdk", "wit_world", "componentize_py_types"})

_SOURCE: Final = Template('''\
"""$title: says hello at /$name."""

from trovato_sdk import MenuDefinition, Page, PageRequest, container, markup, tap


@tap
def menu() -> list[MenuDefinition]:
    """The pages of this plugin."""
    return [MenuDefinition("/$name", "$title", function="hello")]


@tap
def page(request: PageRequest) -> Page:
    """What stands on them; `request.function` is what the menu says, so that a plugin can have several."""
    return Page("$title", container(markup(f"Hello from {request.path}", tag="p", classes="lead")))
''')
_MANIFEST: Final = Template("""\
name = "$name"
version = "0.1.0"
api_version = "$api_version"
description = "Says hello."

[taps]
implements = ["tap_menu", "tap_page"]
""")
_TEST: Final = Template('''\
"""The plugin in an ordinary Python, with a stand-in for the kernel."""

import $name
from trovato_sdk.testing import TestKernel


def test_the_menu_leads_to_the_page():
    with TestKernel() as kernel:
        (entry,) = kernel.call($name, "menu")
        page = kernel.call($name, "page", request={"path": entry["path"], "function": entry["function"]})
    assert page["title"] == entry["title"]
    assert page["content"]["child_1"]["#value"] == "Hello from /$name"
''')
_README: Final = Template("""\
# $title

A plugin for Trovato, which says hello at `/$name`.

    trovato plugin check $name    # what is wrong with it, without building it
    trovato plugin test $name     # its own tests, in an ordinary Python
    trovato plugin dev $name      # has it on the site after each save
""")


def make_plugin(into: Path, name: str) -> Path:
    """The folder that was made. Raises Invalid for a name that cannot be one, or that is taken."""
    problem = find_name_problem(name)
    folder = into / name
    if not problem and folder.exists():
        problem = f"{folder} is there already. Choose another name, or remove it first."
    if problem:
        raise Invalid({"name": problem})
    words = {"name": name, "title": name.replace("_", " ").capitalize(), "api_version": API_VERSION}
    files = {
        f"{name}.py": _SOURCE,
        f"{name}.info.toml": _MANIFEST,
        f"tests/test_{name}.py": _TEST,
        "README.md": _README,
    }
    for path, template in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(template.substitute(words), encoding="utf-8")
    return folder


def find_name_problem(name: str) -> str:
    """Why no plugin can be called so; an empty text when one can."""
    if not is_machine_name(name):
        return f"{name!r} must hold a-z, 0-9 and _ only, start with a letter and have at most 32 characters."
    if keyword.iskeyword(name) or name in sys.stdlib_module_names or name in _TAKEN:
        return f"A plugin cannot be called {name}: something of Python or of Trovato has that name."
    if name in KERNEL_SEGMENTS:
        return f"A plugin called {name} could not have a page at /{name}, which belongs to Trovato itself."
    return ""
