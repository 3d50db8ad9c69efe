"""The shipped plugins twice: their source in this Python, and their artefacts in the sandbox."""

import importlib.util

import pytest

from kernel.context import Context
from kernel.plugin.load import get_limits, load_plugins
from kernel.tap.scope import TapScope
from tests.fixtures.database import ROOT


@pytest.fixture
def import_plugin():
    def import_source(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / "plugins" / name / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return import_source


@pytest.fixture
async def shipped(workshop, built_plugins):
    """The set of plugins that a fresh site runs with."""

    async def open_component(manifest):
        return await workshop.sandbox.load(manifest.name, manifest.wasm, get_limits(manifest.budgets))

    plugins = await load_plugins(open_component, built_plugins)
    assert plugins.failures == ()
    return plugins


@pytest.fixture
async def scope(shipped):
    async with TapScope(shipped, Context()) as opened:
        yield opened
