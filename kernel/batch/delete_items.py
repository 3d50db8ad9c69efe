"""Deletes many items with their revisions."""

from typing import Final

from kernel.batch.operation import Batch, Operation
from kernel.batch.selection import Selection, begin_selection, find_change, read_visible
from kernel.item.decide import list_allowed
from kernel.item.follow_up import drop_pages, follow_up_taps
from kernel.item.store import delete_items, lock_items
from kernel.runtime import Runtime
from kernel.tap.catalogue import ITEM_DELETE
from kernel.tap.scope import TapScope


async def _work(rt: Runtime, batch: Batch) -> None:
    """An item that is gone already counts as deleted."""
    # Decided before rows are locked, since plugins may take their time.
    async with TapScope(rt.plugins, batch.ctx, job_id=batch.id) as scope:
        portion = await read_visible(rt, batch, scope)
        allowed = {item.id for item in await list_allowed(scope, list(portion.items.values()), "delete")}
    async with batch.slice() as part:
        current = await lock_items(part.conn, list(portion.items))
        going = []
        for one in portion.chosen:
            item = portion.items.get(one.id)
            if item is None or one.id not in current:
                continue
            if item.id not in allowed:
                part.refuse(one.number, "You may not delete this item.", ref=str(one.id))
            elif message := find_change(batch, one, current[one.id]):
                part.refuse(one.number, message, ref=str(one.id))
            elif current[one.id] != item.revision_id:
                part.refuse(one.number, "Somebody changed this item just now.", ref=str(one.id))
            else:
                going.append(item)
        await delete_items(part.conn, [item.id for item in going])
        follow_up_taps(rt.plugins.registry, part.effects, ITEM_DELETE, going)
        drop_pages(part.effects, going)
        part.count(portion.count)
        part.end_at(portion.next_place)


DELETE_ITEMS: Final = Operation(
    "delete_items",
    "Delete items",
    "Deleting",
    "access content overview",
    Selection,
    begin_selection,
    _work,
    takes_refused=True,
)
