"""Runs a listing on somebody's behalf and returns one page of it."""

from kernel.context import Context
from kernel.db.pool import Connection
from kernel.errors import NotFound
from kernel.gather.compile import Query, compile_count, compile_rows
from kernel.gather.model import ASKED_MAX, PAGE_SIZE_MAX, Gather, GatherPage
from kernel.item.decide import is_decided_by_plugins, list_allowed
from kernel.item.load import refuse
from kernel.item.model import Item
from kernel.item.store import read_item_row
from kernel.names import ACCESS_CONTENT
from kernel.tap.dispatch import BATCH_ITEMS
from kernel.tap.scope import TapScope


async def run_gather(scope: TapScope, conn: Connection, gather: Gather, page_number: int = 1) -> GatherPage:
    """For the actor of the scope. What roles allow stands in the query; where plugins have a say, they are asked about
    the items of the page. Raises NotFound for a page beyond the last one."""
    _check_may_list(scope.ctx, gather)
    if page_number < 1:
        raise NotFound("Pages of a list are numbered from 1.")
    if is_decided_by_plugins(scope.registry, scope.ctx.actor, gather.types):
        return await _walk(scope, conn, gather, page_number)
    total = await _count(scope, conn, gather)
    page = GatherPage(gather, (), page_number, total)
    _check_number(page)
    offset = (page_number - 1) * gather.page_size
    items = await _fetch(conn, compile_rows(gather, scope.ctx.actor, offset=offset, limit=gather.page_size))
    return GatherPage(gather, tuple(items), page_number, total)


def _check_may_list(ctx: Context, gather: Gather) -> None:
    """Raises LoginRequired or Forbidden."""
    needed = [ACCESS_CONTENT] if gather.published_only else [ACCESS_CONTENT, "access content overview"]
    if not all(ctx.actor.may(permission) for permission in needed):
        refuse(ctx, "You may not see this list.")


async def _walk(scope: TapScope, conn: Connection, gather: Gather, page_number: int) -> GatherPage:
    """From the first item on, until the page is full and it is known whether another one follows: where a page begins
    depends on what is hidden before it, and neither a short page nor a number tells how much that is."""
    first, end = (page_number - 1) * gather.page_size, page_number * gather.page_size
    if first and first >= min(ASKED_MAX, await _count(scope, conn, gather)):
        raise NotFound("This list has no such page.")
    shown: list[Item] = []
    offset, is_over = 0, False
    while len(shown) <= end and not is_over:
        # At first as few as may do, and when some were hidden as many as go in one call.
        wanted = max(end + 1 - len(shown), BATCH_ITEMS if offset else 0)
        limit = min(wanted, PAGE_SIZE_MAX, ASKED_MAX - offset)
        found = await _fetch(conn, compile_rows(gather, scope.ctx.actor, offset=offset, limit=limit))
        shown += await list_allowed(scope, found, "view")
        offset += limit
        is_over = len(found) < limit or offset >= ASKED_MAX
    is_open = len(shown) > end or offset >= ASKED_MAX
    page = GatherPage(gather, tuple(shown[first:end]), page_number, min(len(shown), end + 1), is_open)
    _check_number(page)
    return page


async def _count(scope: TapScope, conn: Connection, gather: Gather) -> int:
    query = compile_count(gather, scope.ctx.actor)
    total: int = await conn.fetchval(query.sql, *query.arguments)
    return total


async def _fetch(conn: Connection, query: Query) -> list[Item]:
    return [read_item_row(row) for row in await conn.fetch(query.sql, *query.arguments)]


def _check_number(page: GatherPage) -> None:
    if page.number > page.last_number:
        raise NotFound(f"This list has {page.last_number} page{'s' if page.last_number > 1 else ''}.")
