"""One plugin calls a function that another one offers, in the same request or job and for the same user."""

from time import perf_counter
from typing import Final

import orjson

from kernel.errors import PluginError
from kernel.log import get_logger
from kernel.tap.registry import TapPlugin
from kernel.tap.scope import PluginState

# How many calls from plugin to plugin may be open, one inside the other.
DEPTH_MAX: Final = 4

log = get_logger(__name__)


class TooDeepError(Exception):
    """The calls go in a circle, or too deep; the text is for the plugin's author."""


async def call_function(caller: PluginState, plugin: TapPlugin, function: str, payload_json: str) -> bytes:
    """The answer, bounded in size and otherwise unchecked. `payload_json` is JSON already.

    The instance that the request has of that plugin is used when it is free. A plugin that waits for another one
    itself gets one more instance, dropped afterwards: so nobody waits for somebody who waits. Raises TooDeepError,
    PluginError.
    """
    _check_chain(caller, plugin.name, function)
    state = caller.scope.get_state(plugin)
    is_extra = state.is_busy
    if is_extra:
        state = PluginState(caller.scope, plugin)
    payload = orjson.dumps(
        {"ctx": orjson.Fragment(caller.scope.ctx_json), "data": orjson.Fragment(payload_json)}
    )
    started, outcome = perf_counter(), "cancelled"
    try:
        answer = await state.invoke_function(caller, function, payload)
        outcome = "ok"
        return answer
    except PluginError as failure:
        outcome = failure.reason
        log.warning(
            "a function of a plugin failed",
            plugin=plugin.name,
            function=function,
            called_by=caller.plugin.name,
            reason=failure.reason,
            error=failure.message,
            detail=failure.detail,
        )
        raise
    finally:
        seconds = perf_counter() - started
        plugin.component.metrics.count_tap(plugin.name, f"function:{function}", outcome, seconds)
        # No failure that could stop it for all: whoever calls it with nonsense makes it fail.
        plugin.watch.note_call(plugin.name, f"function:{function}", seconds)
        if is_extra:
            state.close()


def _check_chain(caller: PluginState, plugin: str, function: str) -> None:
    way = " → ".join(
        [
            caller.tap.function if caller.tap else "",
            *(f"{p}.{f}" for p, f in (*caller.chain, (plugin, function))),
        ]
    )
    if (plugin, function) in caller.chain:
        raise TooDeepError(f"The calls go in a circle: {way}.")
    if len(caller.chain) >= DEPTH_MAX:
        raise TooDeepError(f"More than {DEPTH_MAX} calls from plugin to plugin are open: {way}.")
