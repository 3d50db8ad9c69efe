"""Makes the site forget the kept pages of every item, a few at a time, so that no server has to make all of them anew
at once."""

from typing import Final

from kernel.batch.operation import Batch, Operation
from kernel.batch.selection import Selection, begin_selection, read_portion
from kernel.item.model import list_tags
from kernel.item_type.load import ITEM_TYPES_TAG, list_item_types
from kernel.ledger.run import Finish
from kernel.runtime import Runtime


async def _work(rt: Runtime, batch: Batch) -> None:
    portion = await read_portion(rt, batch)
    async with batch.slice() as part:
        part.effects.drop_tags(*(item.tag for item in portion.items.values()))
        part.count(len(portion))
        part.place, part.is_last = portion.next_place, portion.next_place is None


async def _complete(rt: Runtime, batch: Batch, finish: Finish) -> None:
    """Listings last: made earlier, they would hold what was not yet forgotten."""
    types = await list_item_types(rt, batch.ctx)
    finish.drop_tags(ITEM_TYPES_TAG, *(tag for item_type in types for tag in list_tags(item_type.type)))


REFRESH_PAGES: Final = Operation(
    "refresh_pages",
    "Refresh all pages",
    "Forgetting kept pages",
    "administer content",
    Selection,
    begin_selection,
    _work,
    _complete,
    changes_items=False,
)
