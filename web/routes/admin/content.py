"""The list of all content, newest change first, with filters."""

from quart import Blueprint, Response, request

from kernel.errors import NotFound
from kernel.gather.model import Gather
from kernel.gather.run import run_gather
from kernel.item.access import may_change
from kernel.item_type.load import list_item_types
from kernel.names import has_forbidden_text
from web.respond import show_page
from web.routes.gathers import read_page_number
from web.visit import current_visit

blueprint = Blueprint("content", __name__)

PAGE_SIZE = 25
TEXT_MAX = 100


@blueprint.get("/admin/content")
async def show_content() -> Response:
    visit = current_visit()
    visit.require("access content overview")
    types = {t.type: t.label for t in await list_item_types(visit.rt, visit.ctx)}
    filters = {name: request.args.get(name, "").strip() for name in ("type", "status", "text")}
    if filters["type"] not in {"", *types} or filters["status"] not in {"", "0", "1"}:
        raise NotFound("There is no such filter.")
    if len(filters["text"]) > TEXT_MAX or has_forbidden_text(filters["text"]):
        raise NotFound(f"A text to look for has {TEXT_MAX} characters at most.")
    gather = Gather(
        "content",
        "Content",
        "/admin/content",
        types=(filters["type"],) if filters["type"] else (),
        sort="changed",
        page_size=PAGE_SIZE,
        published_only=False,
        status=int(filters["status"]) if filters["status"] else None,
        title_contains=filters["text"],
    )
    number = read_page_number(request.args.get("page", "1"))
    page = await run_gather(visit.rt, visit.ctx, await visit.conn(), gather, number)
    rows = [
        {
            "item": item,
            "type_label": types.get(item.type, item.type),
            "may_edit": may_change(visit.actor, item, "edit"),
            "may_delete": may_change(visit.actor, item, "delete"),
        }
        for item in page.items
    ]
    return await show_page(
        "admin/content.html",
        title="Content",
        rows=rows,
        pager=page,
        filters=filters,
        types=list(types.items()),
    )
