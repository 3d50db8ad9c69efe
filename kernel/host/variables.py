"""`variables`: settings of the site that a plugin may read, and its own, which it may set."""

from typing import Any, Final

import orjson

from kernel.db.pool import Database
from kernel.host.effects import add_wish, find_job_conn, get_effects, open_reader, open_writer
from kernel.log import get_logger
from kernel.names import has_forbidden_text
from kernel.plugin_data.store import select_variable, upsert_variable
from kernel.plugin_data.tags import name_variable_tag
from kernel.plugin_data.variable import NAME_MAX, read_variable
from kernel.sandbox.host import HostError, HostFunction
from kernel.tap.effects import Wishes
from kernel.tap.scope import PluginState

INTERFACE: Final = "variables"
_SHOWN: Final = 64

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
        state.record.note_tags(name_variable_tag(name))
        known = state.scope.variables
        if name not in known:
            known[name] = await _find(db, state, name)
        value = known[name]
        if value is None:
            return default
        return value if isinstance(value, str) else orjson.dumps(value).decode()

    return (
        HostFunction(INTERFACE, "get", get_variable),
        HostFunction(INTERFACE, "set", put_variable),
    )


async def put_variable(state: PluginState, name: str, value: str) -> bool:
    """Error codes: refused-capability, bad-payload, too-large, not-available."""
    variable = read_variable(name, value)
    if not state.owns_variable(name):
        raise HostError(
            "refused-capability",
            f"A plugin sets variables of its own, {state.plugin.name}_…, not {repr(name)[:_SHOWN]}.",
        )
    effects = get_effects(state)
    if isinstance(effects, Wishes):
        add_wish(effects, state, {"kind": "variable", "name": name, "value": value}, len(value))
        return True
    async with open_writer(effects) as conn:
        await upsert_variable(conn, state.plugin.name, variable)
    effects.drop_tags(name_variable_tag(name))
    state.scope.variables[name] = value
    return True


async def _find(db: Database, state: PluginState, name: str) -> Any:
    if find_job_conn(state) is None:
        async with db.acquire() as conn:
            return await select_variable(conn, name)
    async with open_reader(db, state) as conn:
        return await select_variable(conn, name)
