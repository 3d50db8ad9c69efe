"""What a component exports; it exists only where a plugin is built and in the sandbox."""

# The standard library fetches these when it needs them, and in the sandbox that is too late.
import _strptime  # type: ignore[import-not-found]  # noqa: F401  # for datetime.strptime; it has no types
import encodings.ascii
import encodings.idna
import encodings.latin_1  # noqa: F401  # and the codecs by their names
from contextlib import suppress
from types import ModuleType
from typing import Final

from trovato_sdk.dispatch import WARM_UP, Plugin, TapFailedError
from trovato_sdk.kernel import Err

# The interpreter adapts code to what it meets in its first runs. Done while the plugin is built, it is done for
# every instance.
_REHEARSALS: Final = 50
_PAYLOAD: Final = (
    '{"ctx":{"stage":"live","language":"en"},"items":[{"type":"page","title":"A title",'
    '"fields":{"field_body":{"value":"A text","format":"filtered_html"}}}]}'
)


def make_world(name: str, module: ModuleType) -> type:
    """The class that the builder looks for in a plugin's entry module."""
    plugin = Plugin(name, module)
    for _ in range(_REHEARSALS):
        with suppress(TapFailedError):
            plugin.invoke(WARM_UP, _PAYLOAD)

    class WitWorld:
        def describe(self) -> str:
            return plugin.describe()

        def invoke(self, tap: str, payload: str) -> str:
            try:
                return plugin.invoke(tap, payload)
            except TapFailedError as failure:
                raise Err(failure.answer) from None

    return WitWorld
