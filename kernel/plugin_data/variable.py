"""A variable that a plugin wants to set, checked."""

from dataclasses import dataclass
from typing import Final

from kernel.names import has_forbidden_text
from kernel.sandbox.host import HostError

NAME_MAX: Final = 255
VALUE_MAX: Final = 100_000
# Of one plugin.
VARIABLES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class NewVariable:
    name: str
    value: str


def read_variable(name: object, value: object) -> NewVariable:
    """Raises HostError."""
    for what, text, most in (("name", name, NAME_MAX), ("value", value, VALUE_MAX)):
        if not isinstance(text, str) or has_forbidden_text(text):
            raise HostError("bad-payload", f"The {what} of a variable must be text that can be stored.")
        if len(text) > most:
            raise HostError("too-large", f"The {what} of a variable may have {most:,} characters.")
    return NewVariable(str(name), str(value))
