"""`plugin-api`: what a plugin may know about the others, and the functions that they offer to it."""

from typing import Final

from kernel.errors import PluginError
from kernel.names import PLUGINS_TAG
from kernel.sandbox.host import HostError, HostFunction
from kernel.tap.function import TooDeepError, call_function
from kernel.tap.scope import PluginState
from kernel.tap.wire import PluginDataError, read_json

INTERFACE: Final = "plugin-api"
# In bytes of JSON; with what stands beside it, a call takes a megabyte.
PAYLOAD_MAX: Final = 900_000
_NAME_SHOWN: Final = 64


def list_plugin_functions() -> tuple[HostFunction, ...]:
    return (
        HostFunction(INTERFACE, "plugin-exists", has_plugin),
        HostFunction(INTERFACE, "invoke", invoke_function),
    )


def has_plugin(state: PluginState, name: str) -> bool:
    """Whether it is enabled and loaded in this process."""
    state.record.note_tags(PLUGINS_TAG)
    return state.scope.registry.has_plugin(name)


async def invoke_function(state: PluginState, name: str, function: str, payload_json: str) -> str:
    """The function acts for the same user, with its own plugin's capabilities and budget. Error codes: not-found,
    too-large, bad-payload, too-deep, failed."""
    state.record.note_tags(PLUGINS_TAG)
    plugin = state.scope.registry.find_plugin(name)
    if plugin is None or function not in plugin.functions:
        wanted = f"{name[:_NAME_SHOWN]!r} with a function {function[:_NAME_SHOWN]!r}"
        raise HostError("not-found", f"There is no enabled plugin {wanted} for others.")
    if len(payload_json.encode()) > PAYLOAD_MAX:
        raise HostError("too-large", f"What a function is given may be {PAYLOAD_MAX:,} bytes of JSON.")
    try:
        read_json(payload_json)
    except PluginDataError as mistake:
        raise HostError("bad-payload", f"What the function is given is {mistake}.") from None
    try:
        answer = await call_function(state, plugin, function, payload_json)
        read_json(answer)
    except TooDeepError as refusal:
        raise HostError("too-deep", str(refusal)) from None
    except PluginError as failure:
        raise HostError("failed", failure.message) from None
    except PluginDataError as mistake:
        raise HostError("failed", f"Plugin '{name}', function:{function}: bad answer: {mistake}.") from None
    return answer.decode()
