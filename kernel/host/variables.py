"""`variables`: settings of the site that a plugin may read; setting them comes with a later release."""

from typing import Final

import orjson

from kernel.db.pool import Database
from kernel.host.store import select_variable
from kernel.log import get_logger
from kernel.names import has_forbidden_text
from kernel.sandbox.host import HostFunction
from kernel.tap.scope import PluginState

INTERFACE: Final = "variables"
NAME_MAX: Final = 255

log = get_logger(__name__)


def list_variable_functions(db: Database) -> tuple[HostFunction, ...]:
    async def get_variable(state: PluginState, name: str, default: str) -> str:
        """A text as it stands, any other value as JSON. One query per name and request."""
        if not state.may_read_variable(name):
            log.warning(
                "a plugin asked for a variable that its manifest does not list in [capabilities]",
                plugin=state.plugin.name,
                variable=name[:NAME_MAX],
            )
            return default
        if len(name) > NAME_MAX or has_forbidden_text(name):
            return default
        known = state.scope.variables
        if name not in known:
            async with db.acquire() as conn:
                known[name] = await select_variable(conn, name)
        value = known[name]
        if value is None:
            return default
        return value if isinstance(value, str) else orjson.dumps(value).decode()

    return (HostFunction(INTERFACE, "get", get_variable),)
