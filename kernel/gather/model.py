"""What a listing shows, as data, and one page of its result."""

from dataclasses import dataclass
from typing import Final, Literal

from kernel.item.model import Item

# No page costs a full count: beyond this the pager says "more than".
COUNT_LIMIT: Final = 10_000
PAGE_SIZE_MAX: Final = 100
# Items that plugins are asked about for one page, hidden ones among them; such a listing ends there.
ASKED_MAX: Final = 1_000

SortColumn = Literal["created", "changed", "title"]


@dataclass(frozen=True, slots=True)
class Gather:
    """`types` empty means all types. Sorting ties are broken by id, so that a page never repeats an item.

    A listing that is not `published_only` also shows drafts, to each person those that they may see.
    """

    name: str
    title: str
    path: str
    types: tuple[str, ...] = ()
    promoted_only: bool = False
    published_only: bool = True
    status: int | None = None
    title_contains: str = ""
    sticky_first: bool = False
    sort: SortColumn = "created"
    descending: bool = True
    page_size: int = 10
    empty_text: str = "Nothing has been published here yet."

    def __post_init__(self) -> None:
        if not 1 <= self.page_size <= PAGE_SIZE_MAX:
            raise ValueError(
                f"Gather {self.name}: page_size must be from 1 to {PAGE_SIZE_MAX}, not {self.page_size}."
            )


@dataclass(frozen=True, slots=True)
class GatherPage:
    """`number` starts at 1; `total` stops counting at COUNT_LIMIT, and then `is_capped` is true. Where plugins decide
    about each item, `total` counts to the first item of the next page, and `is_open` says that there is more than it
    counted."""

    gather: Gather
    items: tuple[Item, ...]
    number: int
    total: int
    is_open: bool | None = None

    @property
    def is_capped(self) -> bool:
        return self.total > COUNT_LIMIT if self.is_open is None else self.is_open

    @property
    def last_number(self) -> int:
        return max(1, -(-min(self.total, COUNT_LIMIT) // self.gather.page_size))

    @property
    def previous_number(self) -> int | None:
        return self.number - 1 if self.number > 1 else None

    @property
    def next_number(self) -> int | None:
        return self.number + 1 if self.number < self.last_number else None


RECENT_PAGES: Final = Gather("recent_pages", "Recent pages", "/recent-pages", types=("page",))
FRONT: Final = Gather("front", "Latest", "/", promoted_only=True, sticky_first=True)
