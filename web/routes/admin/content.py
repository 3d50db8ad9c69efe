"""The list of all content, newest change first."""

from quart import Blueprint, Response, request

from kernel.errors import NotFound
from kernel.gather.model import Gather
from kernel.gather.run import run_gather
from kernel.item_type.load import list_item_types
from web.respond import show_page
from web.routes.gathers import read_page_number
from web.visit import current_visit

blueprint = Blueprint("content", __name__)

PAGE_SIZE = 25


@blueprint.get("/admin/content")
async def show_content() -> Response:
    visit = current_visit()
    visit.require("access content overview")
    types = await list_item_types(visit.rt, visit.ctx)
    chosen = request.args.get("type", "")
    if chosen and all(t.type != chosen for t in types):
        raise NotFound(f"There is no item type {chosen[:40]!r}.")
    gather = Gather(
        "content",
        "Content",
        "/admin/content",
        types=(chosen,) if chosen else (),
        sort="changed",
        page_size=PAGE_SIZE,
        published_only=False,
        empty_text="There is no content yet. Add the first item.",
    )
    number = read_page_number(request.args.get("page", "1"))
    page = await run_gather(visit.rt, visit.ctx, await visit.conn(), gather, number)
    return await show_page(
        "admin/content.html",
        title="Content",
        pager=page,
        items=page.items,
        types=types,
        chosen=chosen,
        labels={t.type: t.label for t in types},
    )
