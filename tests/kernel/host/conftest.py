"""The plugin `reach`, which loads, saves, asks and calls: several of it in a set, of which the first takes orders."""

import pytest

from kernel.context import Actor, Context
from kernel.plugin.model import PluginSet
from kernel.tap.registry import TapOptions, TapRegistry
from kernel.tap.scope import TapScope

OFFERED = ("tell", "relay", "fail", "spin", "large", "odd", "ask", "note")


@pytest.fixture
def open_reach(workshop):
    """A scope with as many plugins as names; `may` are the capabilities of each by its name."""
    loaded = {}

    async def load(name, is_first, cpu_ms, may):
        key = (name, is_first, cpu_ms, repr(may))
        if key not in loaded:
            taps = {"item_view": TapOptions(), "item_presave": TapOptions()} if is_first else {}
            loaded[key] = await workshop.load(
                name, "reach", cpu_ms=cpu_ms, may=may, functions=OFFERED, **taps
            )
        return loaded[key]

    async def open_it(*names, actor=None, job_id=None, may=None, cpu_ms=100.0):
        plugins = [await load(name, name == names[0], cpu_ms, (may or {}).get(name)) for name in names]
        ctx = Context(actor=actor or Actor(permissions=frozenset({"access content"})))
        return TapScope(PluginSet(registry=TapRegistry(tuple(plugins))), ctx, job_id=job_id)

    return open_it
