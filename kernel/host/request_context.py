"""`request-context`: a scratch pad that plugins share while one request or job lasts."""

from typing import Final

from kernel.sandbox.host import HostFunction
from kernel.tap.scope import PluginState

INTERFACE: Final = "request-context"

KEY_MAX: Final = 255
VALUE_MAX: Final = 100_000


def list_request_context_functions() -> tuple[HostFunction, ...]:
    return (HostFunction(INTERFACE, "get", get_shared), HostFunction(INTERFACE, "set", set_shared))


def get_shared(state: PluginState, key: str) -> str | None:
    """With the value comes what the plugin that set it had learned. Nobody knows whether another request would find
    the same, or anything, so what is made with it is not kept."""
    state.record.note_obstacle("it reads what another plugin left in this request")
    shared = state.scope.find_shared(key)
    if shared is None:
        return None
    state.record.merge(shared.record)
    return shared.value


def set_shared(state: PluginState, key: str, value: str) -> bool:
    """False when key or value is too long, or the pad is full. An answer that was kept would leave nothing behind."""
    state.record.note_obstacle("it leaves something for other plugins of this request")
    if not key or len(key) > KEY_MAX or len(value) > VALUE_MAX:
        return False
    return state.scope.share(key, value, state.record)
