"""The one way to get an item on somebody's behalf."""

from uuid import UUID

from kernel.context import Context
from kernel.db.pool import Connection
from kernel.errors import Forbidden, LoginRequired, NotFound
from kernel.item.access import Operation
from kernel.item.decide import is_allowed
from kernel.item.model import Item
from kernel.item.store import select_item
from kernel.tap.scope import TapScope


async def get_item(scope: TapScope, conn: Connection, item_id: UUID, operation: Operation) -> Item:
    """Read through the caller's connection, so that a page is one snapshot, for the actor of the scope. Raises NotFound
    where they may not know that it exists, else Forbidden or LoginRequired."""
    item = await select_item(conn, item_id)
    if item is None or not await is_allowed(scope, item, "view"):
        raise NotFound("There is no such item.")
    if operation != "view" and not await is_allowed(scope, item, operation):
        refuse(scope.ctx, f"You may not {operation} this item.")
    return item


def refuse(ctx: Context, message: str) -> None:
    """Raises what fits: a stranger is asked to log in, a known person is told no."""
    if ctx.actor.is_anonymous:
        raise LoginRequired("Please log in to continue.")
    raise Forbidden(message)
