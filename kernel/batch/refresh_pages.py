"""Makes the site forget the kept pages of every item, a few at a time, so that no server has to make all of them anew
at once, and at the end the listings and the pages of plugins."""

from typing import Final

from kernel.batch.operation import Batch, Operation, note_completion
from kernel.batch.selection import Selection, begin_selection, read_portion
from kernel.item.model import list_tags
from kernel.item_type.load import ITEM_TYPES_TAG, list_item_types
from kernel.names import FRAGMENTS_TAG, PLUGIN_PAGES_TAG
from kernel.runtime import Runtime


async def _work(rt: Runtime, batch: Batch) -> None:
    """Listings and pages of plugins last: made earlier, they would hold what was not yet forgotten."""
    portion = await read_portion(rt, batch)
    tags = [item.tag for item in portion.items.values()]
    if portion.next_place is None:
        types = await list_item_types(rt, batch.ctx)
        tags += [
            ITEM_TYPES_TAG,
            PLUGIN_PAGES_TAG,
            FRAGMENTS_TAG,
            *(tag for item_type in types for tag in list_tags(item_type.type)),
        ]
    async with batch.slice() as part:
        part.effects.drop_tags(*tags)
        part.count(portion.count)
        part.end_at(portion.next_place)


REFRESH_PAGES: Final = Operation(
    "refresh_pages",
    "Refresh all pages",
    "Forgetting kept pages",
    "administer content",
    Selection,
    begin_selection,
    _work,
    note_completion,
    changes_items=False,
)
