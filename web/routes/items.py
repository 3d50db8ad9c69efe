"""Shows one item."""

from uuid import UUID

from quart import Blueprint, Response

from kernel.errors import NotFound
from kernel.ids import parse_uuid
from kernel.item.access import Operation
from kernel.item.decide import is_allowed
from kernel.item.load import get_item
from kernel.item.model import Item
from kernel.item.view import ItemView, view_items
from kernel.item_type.load import ITEM_TYPES_TAG
from kernel.log import get_logger
from kernel.render.renderer import item_suggestions
from kernel.render.tree import render_tree
from kernel.tap.scope import TapScope
from kernel.user.model import user_tag
from web.respond import answer_json, show_page, wants_json
from web.visit import current_visit

blueprint = Blueprint("items", __name__)
log = get_logger(__name__)


def read_item_id(text: str) -> UUID:
    """Raises NotFound, as for an id that nobody has: no item can have this address."""
    item_id = parse_uuid(text)
    if item_id is None:
        raise NotFound("There is no such item.")
    return item_id


@blueprint.get("/item/<item_id>")
async def show_item(item_id: str) -> Response:
    visit = current_visit()
    rt, ctx = visit.rt, visit.ctx
    scope = await visit.scope()
    item = await get_item(scope, await visit.conn(), read_item_id(item_id), "view")
    if wants_json():
        return answer_json({**item.as_data(), "revision_id": str(item.revision_id), "path": item.path})
    views, failures = await view_items(rt, ctx, scope, [item])
    return await show_page(
        item_suggestions(item.type, str(item.id)),
        title=item.title,
        tags=[item.tag, ITEM_TYPES_TAG, user_tag(item.author_id)],
        item=item,
        item_type=views[0].item_type,
        content=render_parts(views[0]),
        tasks=await _list_tasks(scope, item),
        failures=visit.note_failures(failures),
    )


def render_parts(view: ItemView) -> list[str]:
    """The HTML of each part of an item, in order; what a plugin may not show is left out and logged."""
    parts: list[str] = []
    for plugin, tree in view.parts:
        rendered = render_tree(tree, name=plugin or "fields")
        if rendered.complaints:
            log.warning(
                "a render tree was cut", plugin=plugin, item=str(view.item.id), complaints=rendered.complaints
            )
        parts.append(rendered.html)
    return parts


async def _list_tasks(scope: TapScope, item: Item) -> list[tuple[str, str, bool]]:
    """Label, path, and whether it is the page that is shown; nothing for readers, who have one page only, and for
    strangers, who have to log in first."""
    if scope.ctx.actor.is_anonymous:
        return []
    offered: tuple[tuple[Operation, str], ...] = (("edit", "Edit"), ("delete", "Delete"))
    tasks = [
        (label, f"{item.path}/{operation}", False)
        for operation, label in offered
        if await is_allowed(scope, item, operation)
    ]
    return [("View", item.path, True), *tasks] if tasks else []
