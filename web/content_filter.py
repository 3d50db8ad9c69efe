"""The filters of the content list, as its address, its forms and programs give them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from kernel.batch.selection import Selection
from kernel.errors import Invalid, NotFound
from kernel.gather.model import SortColumn
from kernel.names import has_forbidden_text

TEXT_MAX: Final = 100
FILTER_NAMES: Final = ("type", "status", "text")

# What a list is sorted by, and whether the highest stands first. The first of them goes without saying.
SORTS: Final[Mapping[str, tuple[SortColumn, bool]]] = {
    "changed": ("changed", True),
    "oldest": ("changed", False),
    "created": ("created", True),
    "title": ("title", False),
}


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
    """As an address or a form has it, which nobody types. Raises NotFound."""
    chosen = {name: _read_text(given.get(name, "")) for name in FILTER_NAMES}
    problems = _check(chosen, types)
    if problems:
        raise NotFound(f"There is no such filter. {' '.join(problems.values())}")
    return ContentFilter(**chosen)


def read_sort(given: Mapping[str, str]) -> str:
    """A key of SORTS, which decides nothing but the order. Raises NotFound."""
    sort = given.get("sort", "") or next(iter(SORTS))
    if sort not in SORTS:
        raise NotFound(f"There is no such order. There are: {', '.join(SORTS)}.")
    return sort


def read_filter_document(
    given: Mapping[str, object], types: Collection[str], *, place: str = ""
) -> ContentFilter:
    """As a program writes it; `place` stands before its keys in complaints. A misspelt key must not turn into
    everything. Raises Invalid."""
    chosen = {name: _read_text(given.get(name, "")) for name in FILTER_NAMES}
    known = ", ".join(FILTER_NAMES)
    strange = {str(key)[:64]: f"There is no such key. A filter has: {known}." for key in given}
    problems = {key: text for key, text in strange.items() if key not in FILTER_NAMES}
    problems |= _check(chosen, types)
    if problems:
        raise Invalid({f"{place}{key}": text for key, text in problems.items()})
    return ContentFilter(**chosen)


def _read_text(given: object) -> str:
    """What is no text becomes one that nothing allows."""
    return given.strip() if isinstance(given, str) else "\x00"


def _check(chosen: Mapping[str, str], types: Collection[str]) -> dict[str, str]:
    problems = {}
    if chosen["type"] not in {"", *types}:
        problems["type"] = f"There is no such type. This site has: {', '.join(types)}."
    if chosen["status"] not in {"", "0", "1"}:
        problems["status"] = 'The status is "1" for what is published, "0" for drafts, "" for both.'
    if len(chosen["text"]) > TEXT_MAX or has_forbidden_text(chosen["text"]):
        problems["text"] = (
            f"A text to look for has {TEXT_MAX} characters at most, all of which can be stored."
        )
    return problems
