"""How far back failures of plugins count."""

from typing import Final

WINDOW_S: Final = 300.0
