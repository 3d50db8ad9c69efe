"""The SDK is typed and documented throughout, and so is a plugin that is made with it."""

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trovato_sdk

from kernel.app.plugin_new import make_plugin
from tests.fixtures.database import ROOT

SDK = Path(trovato_sdk.__file__).parent
# What authors do not call: the boundary itself, what exists in a component alone, and what stand-ins are made of.
INSIDES = {"kernel", "guest", "stand_ins", "stand_ins_calls", "mock_db", "mock_cache"}
MODULES = sorted(path.stem for path in SDK.glob("*.py") if path.stem not in INSIDES | {"__init__"})


def list_public(module):
    """What a module defines without an underscore, and the methods of its classes."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield name, value
            for method, function in vars(value).items():
                if not method.startswith("_") and (
                    inspect.isfunction(function) or isinstance(function, property)
                ):
                    yield f"{name}.{method}", getattr(value, method)
        elif inspect.isfunction(value):
            yield name, value


@pytest.mark.story("3.1")
@pytest.mark.parametrize("name", MODULES)
def test_everything_public_says_what_it_is_for(name):
    module = importlib.import_module(f"trovato_sdk.{name}")
    assert module.__doc__
    assert [public for public, value in list_public(module) if not inspect.getdoc(value)] == []


@pytest.mark.story("3.1")
def test_the_names_for_authors_are_all_there_and_in_order():
    names = [name for name in trovato_sdk.__all__ if not name.isupper()]
    assert all(hasattr(trovato_sdk, name) for name in names)
    assert len(set(names)) == len(names)


def check_types(*paths):
    """What mypy says, strictly, where the SDK is all that it can find."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / "var" / "test" / "mypy")]
    checked = subprocess.run(
        [*command, "--config-file", os.devnull, *map(str, paths)],
        env={**os.environ, "MYPYPATH": str(SDK.parent)},
        cwd=paths[-1].parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return checked.stdout


@pytest.mark.timeout(60)
@pytest.mark.story("3.1")
def test_the_sdk_and_a_plugin_made_with_it_hold_under_strict_types(tmp_path):
    source = make_plugin(tmp_path, "greetings") / "greetings.py"
    assert (SDK / "py.typed").is_file()
    assert check_types(SDK, source).startswith("Success: no issues found in ")
    source.write_text(source.read_text().replace("request.path", "request.pahth"))
    assert '"PageRequest" has no attribute "pahth"' in check_types(source)
