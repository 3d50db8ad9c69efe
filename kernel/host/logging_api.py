"""`logging`: lines of plugins in the site's log."""

from typing import Final

from kernel.log import get_logger
from kernel.sandbox.host import HostFunction
from kernel.tap.scope import PluginState

INTERFACE: Final = "logging"
MESSAGE_MAX: Final = 2_000

log = get_logger(__name__)


def list_logging_functions() -> tuple[HostFunction, ...]:
    return (HostFunction(INTERFACE, "log", write_log),)


def write_log(state: PluginState, level: str, message: str) -> None:
    """Level is debug, info, warning or error; anything else counts as info."""
    write = {"debug": log.debug, "warning": log.warning, "error": log.error}.get(level, log.info)
    # The event's name is ours and the text a value of its own: no plugin can imitate a line of the kernel.
    write(
        "plugin message",
        plugin=state.plugin.name,
        tap=state.tap.name if state.tap else None,
        message=message[:MESSAGE_MAX],
        cut=len(message) > MESSAGE_MAX,
    )
