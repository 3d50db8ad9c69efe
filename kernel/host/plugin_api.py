"""`plugin-api`: what a plugin may know about the others."""

from typing import Final

from kernel.sandbox.host import HostFunction
from kernel.tap.scope import PluginState

INTERFACE: Final = "plugin-api"


def list_plugin_functions() -> tuple[HostFunction, ...]:
    return (HostFunction(INTERFACE, "plugin-exists", has_plugin),)


def has_plugin(state: PluginState, name: str) -> bool:
    """Whether it is enabled and loaded in this process."""
    return state.scope.registry.has_plugin(name)
