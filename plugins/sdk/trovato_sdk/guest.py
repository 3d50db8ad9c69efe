"""What a component exports; it exists only where a plugin is built and in the sandbox."""

# The standard library fetches these when it needs them, and in the sandbox that is too late.
import _strptime  # noqa: F401  # for datetime.strptime
import encodings.ascii
import encodings.idna
import encodings.latin_1  # noqa: F401  # and the codecs by their names
from types import ModuleType

from componentize_py_types import Err

from trovato_sdk.dispatch import Plugin, TapFailedError


def make_world(name: str, module: ModuleType) -> type:
    """The class that the builder looks for in a plugin's entry module."""
    plugin = Plugin(name, module)

    class WitWorld:
        def describe(self) -> str:
            return plugin.describe()

        def invoke(self, tap: str, payload: str) -> str:
            try:
                return plugin.invoke(tap, payload)
            except TapFailedError as failure:
                raise Err(str(failure)) from None

    return WitWorld
