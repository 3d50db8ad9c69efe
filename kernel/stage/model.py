"""A stage as the toolbar needs it."""

from dataclasses import dataclass
from typing import Final

from kernel.names import LIVE


@dataclass(frozen=True, slots=True)
class Stage:
    id: str
    label: str

    @property
    def is_live(self) -> bool:
        return self.id == LIVE


LIVE_STAGE: Final = Stage(LIVE, "Live")
