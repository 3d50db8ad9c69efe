"""Deletes an item with its revisions, and lets plugins know afterwards."""

from kernel.item.decide import is_allowed
from kernel.item.follow_up import drop_pages, follow_up_taps
from kernel.item.store import delete_item, lock_item, select_item
from kernel.jobs import DeleteItem
from kernel.ledger.run import JobRun
from kernel.runtime import Runtime
from kernel.tap.catalogue import ITEM_DELETE
from kernel.tap.scope import TapScope
from kernel.user.load import load_again


async def run_delete_item(rt: Runtime, run: JobRun) -> None:
    """The work of a `delete_item` job. An item that is gone already counts as deleted."""
    payload: DeleteItem = run.payload
    ctx = run.ctx.acting_as(await load_again(rt, run.ctx.actor))
    async with rt.db.acquire() as conn:
        item = await select_item(conn, payload.item_id)
    # Decided before the row is locked, since plugins may take their time.
    async with TapScope(rt.plugins, ctx) as scope:
        may_delete = item is not None and await is_allowed(scope, item, "delete")
    async with run.finish() as finish:
        current = await lock_item(finish.conn, payload.item_id)
        if current is None:
            finish.result = {"outcome": "deleted", "path": "/", "title": ""}
            return
        if item is None or not may_delete:
            finish.result = {"outcome": "forbidden", "message": "You may not delete this item."}
            return
        if current != payload.expected_revision_id or current != item.revision_id:
            finish.result = {
                "outcome": "conflict",
                "message": "Somebody changed this item since you opened it. Look at it again before you delete it.",
                "path": item.path,
            }
            return
        await delete_item(finish.conn, item.id)
        follow_up_taps(rt.plugins.registry, finish, ITEM_DELETE, [item])
        drop_pages(finish, [item])
        finish.result = {"outcome": "deleted", "path": "/", "title": item.title}
