"""Runs a listing on somebody's behalf and returns one page of it."""

from kernel.context import Context
from kernel.db.pool import Connection
from kernel.errors import NotFound
from kernel.gather.compile import compile_count, compile_page
from kernel.gather.model import Gather, GatherPage
from kernel.item.load import refuse
from kernel.item.store import read_item_row
from kernel.runtime import Runtime


async def run_gather(
    _rt: Runtime, ctx: Context, conn: Connection, gather: Gather, page_number: int = 1
) -> GatherPage:
    """Rights are asked for the listing as a whole, so that one page is right for everybody who may see it. Raises
    NotFound for a page beyond the last one."""
    if not ctx.actor.may("access content" if gather.published_only else "access content overview"):
        refuse(ctx, "You may not see this list.")
    count = compile_count(gather)
    total: int = await conn.fetchval(count.sql, *count.arguments)
    page = GatherPage(gather, (), page_number, total)
    if page_number < 1 or page_number > page.last_number:
        raise NotFound(f"This list has {page.last_number} page{'s' if page.last_number > 1 else ''}.")
    query = compile_page(gather, page_number)
    rows = await conn.fetch(query.sql, *query.arguments)
    return GatherPage(gather, tuple(read_item_row(row) for row in rows), page_number, total)
