"""The one way to get an item on somebody's behalf."""

from uuid import UUID

from kernel.context import Context
from kernel.db.pool import Connection
from kernel.errors import Forbidden, LoginRequired, NotFound
from kernel.item.access import Operation, may, may_view
from kernel.item.model import Item
from kernel.item.store import select_item
from kernel.runtime import Runtime


async def get_item(_rt: Runtime, ctx: Context, conn: Connection, item_id: UUID, operation: Operation) -> Item:
    """Read through the caller's connection, so that a page is one snapshot. Raises NotFound where the actor may not
    know that it exists, else Forbidden or LoginRequired."""
    item = await select_item(conn, item_id)
    if item is None or not may_view(ctx.actor, item):
        raise NotFound("There is no such item.")
    if not may(ctx.actor, item, operation):
        refuse(ctx, f"You may not {operation} this item.")
    return item


def refuse(ctx: Context, message: str) -> None:
    """Raises what fits: a stranger is asked to log in, a known person is told no."""
    if ctx.actor.is_anonymous:
        raise LoginRequired("Please log in to continue.")
    raise Forbidden(message)
