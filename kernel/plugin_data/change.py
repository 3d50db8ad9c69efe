"""Makes a change that a plugin asked for, as a statement of its own that can fail without the rest."""

from dataclasses import dataclass
from typing import Final

from kernel.db.connect import TAKEN, UNKNOWN_TABLE, UNSTORABLE
from kernel.db.pool import Connection
from kernel.names import has_forbidden_text
from kernel.plugin_data.compile import compile_change
from kernel.plugin_data.model import Change
from kernel.plugin_data.store import run_change, upsert_variable
from kernel.sandbox.host import HostError

VARIABLE_NAME_MAX: Final = 255
VARIABLE_MAX: Final = 100_000
VARIABLES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class NewVariable:
    name: str
    value: str


def name_table_tag(plugin: str, table: str) -> str:
    """The cache tag of whatever was made from rows of the table."""
    return f"table:{plugin}.{table}"


def name_variable_tag(name: str) -> str:
    """The cache tag of whatever was made from the variable."""
    return f"variable:{name}"


def read_variable(name: object, value: object) -> NewVariable:
    """Raises HostError."""
    for what, text, most in (("name", name, VARIABLE_NAME_MAX), ("value", value, VARIABLE_MAX)):
        if not isinstance(text, str) or has_forbidden_text(text):
            raise HostError("bad-payload", f"The {what} of a variable must be text that can be stored.")
        if len(text) > most:
            raise HostError("too-large", f"The {what} of a variable may have {most:,} characters.")
    return NewVariable(str(name), str(value))


async def make_change(conn: Connection, plugin: str, change: Change) -> int:
    """How many rows it concerned. Under a savepoint, since what fails leaves the transaction useless. Raises HostError,
    and what says that others were in the way."""
    statement = compile_change(plugin, change)
    try:
        return await run_change(conn, statement.sql, statement.arguments)
    except TAKEN as error:
        raise HostError("conflict", f"Table {change.table!r} does not take it: {_shorten(error)}.") from None
    except UNSTORABLE as error:
        raise HostError("too-large", f"Table {change.table!r} cannot hold it: {_shorten(error)}.") from None
    except UNKNOWN_TABLE:
        raise make_away_error(change.table) from None


async def set_variable(conn: Connection, plugin: str, variable: NewVariable) -> None:
    """Raises HostError when the plugin has too many."""
    if not await upsert_variable(conn, variable.name, variable.value, f"{plugin}_", VARIABLES_MAX):
        raise HostError("too-large", f"A plugin may have {VARIABLES_MAX:,} variables.")


def make_away_error(table: str) -> HostError:
    """What a plugin is told whose tables are declared and not there."""
    return HostError(
        "not-available",
        f"Table {table!r} is not there yet: tables are made when a plugin is installed or upgraded.",
    )


def _shorten(error: Exception) -> str:
    """PostgreSQL's words, which name the index and no value."""
    return str(error).split("\n", 1)[0][:200]
