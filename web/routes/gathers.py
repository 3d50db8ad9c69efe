"""Shows listings, the front page among them."""

from typing import Any

from quart import Blueprint, Response, request

from kernel.errors import NotFound
from kernel.gather.model import FRONT, RECENT_PAGES, Gather, GatherPage
from kernel.gather.run import run_gather
from kernel.item.view import view_items
from kernel.item_type.load import ITEM_TYPES_TAG
from web.respond import answer_json, show_page, wants_json
from web.routes.items import render_parts
from web.visit import Visit, current_visit

blueprint = Blueprint("gathers", __name__)


@blueprint.get("/")
async def show_front() -> Response:
    return await show_gather(FRONT, "front.html")


@blueprint.get("/recent-pages")
async def show_recent_pages() -> Response:
    return await show_gather(RECENT_PAGES, "gather/list.html")


def read_page_number(text: str) -> int:
    """Raises NotFound: an address that is no page of a list leads nowhere."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise NotFound("Pages of a list are numbered from 1.")
    return int(text)


def gather_tags(gather: Gather) -> list[str]:
    """What a page of the listing depends on beyond the items it shows."""
    return [ITEM_TYPES_TAG, *([f"items:{name}" for name in gather.types] or ["items"])]


async def load_gather_page(visit: Visit, gather: Gather) -> GatherPage:
    """The page that the address asks for."""
    number = read_page_number(request.args.get("page", "1"))
    page = await run_gather(await visit.scope(), await visit.conn(), gather, number)
    visit.tags.update(gather_tags(gather), (item.tag for item in page.items))
    return page


async def show_gather(gather: Gather, template: str) -> Response:
    visit = current_visit()
    page = await load_gather_page(visit, gather)
    if wants_json():
        return answer_json(
            {
                "title": gather.title,
                "page": page.number,
                "pages": page.last_number,
                "total": page.total,
                "total_is_capped": page.is_capped,
                "items": [{**item.as_data(), "path": item.path} for item in page.items],
            }
        )
    return await show_page(template, title=gather.title, tags=[], **await build_gather_variables(visit, page))


async def build_gather_variables(visit: Visit, page: GatherPage) -> dict[str, Any]:
    """What gather/list.html asks for."""
    views, failures = await view_items(visit.rt, visit.ctx, await visit.scope(), page.items)
    return {
        "gather": page.gather,
        "rows": [
            {"item": view.item, "item_type": view.item_type, "content": render_parts(view)} for view in views
        ],
        "pager": page,
        "failures": visit.note_failures(failures),
    }
