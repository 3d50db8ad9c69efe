"""Shows one item."""

from uuid import UUID

from quart import Blueprint, Response

from kernel.errors import NotFound
from kernel.ids import parse_uuid
from kernel.item.access import may_change
from kernel.item.load import get_item
from kernel.item.view import ItemView, view_items
from kernel.item_type.load import ITEM_TYPES_TAG
from kernel.render.renderer import item_suggestions
from kernel.render.tree import render_tree
from kernel.runtime import Runtime
from web.respond import answer_json, show_page, wants_json
from web.visit import current_visit

blueprint = Blueprint("items", __name__)


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
    item = await get_item(rt, ctx, await visit.conn(), read_item_id(item_id), "view")
    if wants_json():
        return answer_json({**item.as_data(), "revision_id": str(item.revision_id), "path": item.path})
    views, failures = await view_items(rt, ctx, await visit.scope(), [item])
    return await show_page(
        item_suggestions(item.type, str(item.id)),
        title=item.title,
        tags=[item.tag, ITEM_TYPES_TAG, f"user:{item.author_id}"],
        item=item,
        item_type=views[0].item_type,
        content=render_parts(rt, views[0]),
        tasks=_list_tasks(item.path, may_edit=may_change(ctx.actor, item, "edit"), may_delete=may_change(ctx.actor, item, "delete")),
        failures=[str(failure) for failure in failures] if ctx.actor.is_admin else [],
    )


def render_parts(rt: Runtime, view: ItemView) -> list[str]:
    """The HTML of each part of an item, in order."""
    return [rt.renderer.render_tree(tree) for _, tree in view.parts]


def _list_tasks(path: str, *, may_edit: bool, may_delete: bool) -> list[tuple[str, str, bool]]:
    if not may_edit and not may_delete:
        return []
    tasks = [("View", path, True)]
    if may_edit:
        tasks.append(("Edit", f"{path}/edit", False))
    if may_delete:
        tasks.append(("Delete", f"{path}/delete", False))
    return tasks
