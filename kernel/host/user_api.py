"""`user-api`: who is asking, and what they may do."""

from typing import Final

from kernel.log import get_logger
from kernel.sandbox.host import HostFunction
from kernel.tap.scope import PluginState

INTERFACE: Final = "user-api"

log = get_logger(__name__)


def list_user_functions() -> tuple[HostFunction, ...]:
    return (
        HostFunction(INTERFACE, "current-user-id", get_current_user_id),
        HostFunction(INTERFACE, "current-user-has-permission", has_permission),
    )


def get_current_user_id(state: PluginState) -> str:
    """The nil UUID for somebody who is not logged in."""
    state.record.note_user()
    return str(state.scope.ctx.actor.id)


def has_permission(state: PluginState, permission: str) -> bool:
    """Only permissions that the manifest asks for can be learned; any other reads as not granted."""
    if not state.may_ask_permission(permission):
        log.warning(
            "a plugin asked about a permission that its manifest does not list in [capabilities]",
            plugin=state.plugin.name,
            permission=permission[:255],
        )
        return False
    granted = state.scope.ctx.actor.may(permission)
    state.record.note_permission(permission, granted)
    return granted
