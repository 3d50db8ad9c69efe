"""The version of the SDK, which a plugin carries in its description."""

from typing import Final

SDK_VERSION: Final = "0.1.0"
