"""The filters of the content list, as its address, its forms and programs give them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from kernel.batch.selection import Selection
from kernel.errors import NotFound
from kernel.names import has_forbidden_text

TEXT_MAX: Final = 100
FILTER_NAMES: Final = ("type", "status", "text")


@dataclass(frozen=True, slots=True)
class ContentFilter:
    """Empty means any; `status` is "1" for what is published, "0" for drafts."""

    type: str = ""
    status: str = ""
    text: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.type or self.status or self.text)

    def as_query(self) -> dict[str, str]:
        return {"type": self.type, "status": self.status, "text": self.text}

    def as_selection(self) -> Selection:
        """All items that match."""
        return Selection(
            types=[self.type] if self.type else [],
            status=int(self.status) if self.status else None,
            text=self.text,
        )


def read_content_filter(given: Mapping[str, object], types: Collection[str]) -> ContentFilter:
    """Raises NotFound."""
    texts = {name: given.get(name, "") for name in FILTER_NAMES}
    chosen = {name: text.strip() for name, text in texts.items() if isinstance(text, str)}
    if (
        len(chosen) < len(FILTER_NAMES)
        or chosen["type"] not in {"", *types}
        or chosen["status"] not in {"", "0", "1"}
    ):
        raise NotFound("There is no such filter.")
    if len(chosen["text"]) > TEXT_MAX or has_forbidden_text(chosen["text"]):
        raise NotFound(f"A text to look for has {TEXT_MAX} characters at most.")
    return ContentFilter(**chosen)
