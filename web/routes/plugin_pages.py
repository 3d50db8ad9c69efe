"""Answers the paths that plugins brought, and says so when nobody brought one."""

from typing import Any

from quart import Blueprint, Response, g, request

from kernel.errors import NotFound, PluginError
from kernel.gather.model import Gather
from kernel.log import get_logger
from kernel.names import PLUGIN_PAGES_TAG
from kernel.render.tree import render_tree
from kernel.tap.menu import get_page
from web.respond import show_page
from web.routes.gathers import build_gather_variables, load_gather_page
from web.visit import current_visit

blueprint = Blueprint("plugin_pages", __name__)
log = get_logger(__name__)


@blueprint.get("/<path:path>")
async def show_plugin_page(path: str) -> Response:
    visit = current_visit()
    menu = visit.rt.plugins.menu
    match = menu.resolve(f"/{path}")
    # In metrics and log this route is what a plugin named the path, or no route at all.
    g.route = match.entry.path if match is not None else "none"
    if match is None:
        raise NotFound("There is nothing at this address.")
    entry = match.entry
    if entry.permission:
        visit.require(entry.permission)
    title, content, failures = entry.title, None, []
    if entry.function:
        try:
            page = await get_page(await visit.scope(), match)
        except PluginError as failure:
            # The page stands without the plugin's part; what it lists is the kernel's own.
            failures = visit.note_failures([failure])
        else:
            title = page.title
            content = render_tree(page.content).html if page.content is not None else None
    listing: dict[str, Any] = {"gather": None, "rows": (), "pager": None, "failures": []}
    if entry.lists:
        gather = Gather(entry.lists, title, request.path, types=(entry.lists,))
        listing = await build_gather_variables(visit, await load_gather_page(visit, gather))
    elif content is None and not failures and not entry.function:
        raise NotFound("There is nothing at this address.")
    crumbs = [(crumb.title, crumb.path) for crumb in menu.build_breadcrumbs(match)[:-1]]
    return await show_page(
        "plugin_page.html",
        title=title,
        breadcrumbs=[("Home", "/"), *crumbs],
        tags=(PLUGIN_PAGES_TAG,),
        content=content,
        tasks=[
            (task.title, task.path, task.is_active)
            for task in menu.list_tasks(match)
            if not task.permission or visit.actor.may(task.permission)
        ],
        **listing | {"failures": [*failures, *listing["failures"]]},
    )
