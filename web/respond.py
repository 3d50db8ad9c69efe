"""Makes answers: a page with what every page shows, JSON, a redirect after a change."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

import orjson
from quart import Response, request

from kernel.clock import now
from kernel.context import Context
from kernel.form.render import render_token
from kernel.item.access import may_create
from kernel.item_type.load import list_item_types
from kernel.ledger.lists import RecentWork, count_recent_work
from kernel.runtime import Runtime
from kernel.stage.load import list_stages
from kernel.stage.model import LIVE_STAGE
from kernel.user.load import PERMISSIONS_TAG
from web.visit import Visit, current_visit
from web.why import build_why


class PageResponse(Response):
    """`tags`: what a page that any stranger may be given depends on; None for a page that is somebody's own. `ttl_s` is
    how long it can be true, None for until a tag is dropped."""

    tags: frozenset[str] | None = None
    ttl_s: float | None = None


def wants_json() -> bool:
    """Whether the client asked for JSON by name; a browser's `*/*` does not."""
    return "application/json" in request.headers.get("Accept", "") or request.is_json


def answer_json(data: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(data), status, headers, content_type="application/json")


def redirect_after_change(path: str) -> Response:
    """303, so that the browser fetches the result and reloading it repeats nothing."""
    return Response("", 303, {"Location": path, **NO_STORE})


# For answers that nobody may keep: the next visitor of the same browser could look at them.
NO_STORE: Final = {"Cache-Control": "no-store"}
SAFE_MODE: Final = (
    "Safe mode: this page is shown without any plugin. Leave out ?safe=1 to see it with them again."
)

# Jobs of before do not press any more; they stand in the list of one's own.
RECENTLY: Final = timedelta(days=1)
NO_WORK: Final = RecentWork(0, 0)


async def show_page(
    template: str | Sequence[str],
    *,
    title: str,
    status: int = 200,
    breadcrumbs: Sequence[tuple[str, str]] = (),
    description: str = "",
    tags: Iterable[str] | None = None,
    **variables: Any,
) -> Response:
    """Render a template (or the first of several that exists). With `tags` the page may be kept for other visitors
    who carry no session, until one of them is dropped."""
    visit = current_visit()
    rt = visit.rt
    messages = await _take_messages(visit)
    menu = _build_menu(visit)
    name = template if isinstance(template, str) else rt.renderer.suggest(template)
    why = build_why(visit.witness, is_for_all=tags is not None, has_gaps=visit.has_gaps)
    html = rt.renderer.render(
        name,
        timezone=visit.timezone,
        why=why,
        site={"name": rt.config.site_name, "url": rt.config.public_url},
        page={
            "title": title,
            "description": description,
            "breadcrumbs": list(breadcrumbs),
            "menu": menu,
            "messages": messages,
            "path": request.path,
            "is_closed": visit.is_closed,
        },
        actor=visit.actor,
        request_id=visit.ctx.request_id,
        **await _build_toolbar(rt, visit),
        **variables,
    )
    response = PageResponse(html, status, content_type="text/html; charset=utf-8")
    parts = visit.witness.record
    is_whole = not visit.has_gaps and not parts.obstacle
    if tags is not None and visit.session is None and not visit.is_token and is_whole:
        # The menu and every decision on the page depend on what strangers may do, and so do plugins that asked who is
        # there: all strangers are one.
        response.tags = frozenset({*tags, *visit.tags, *parts.tags, PERMISSIONS_TAG})
        response.ttl_s = parts.ttl_s
    return response


async def _take_messages(visit: Visit) -> list[tuple[str, str]]:
    """Messages of the request before this one, each of which is shown once; and of this one, whether it is safe."""
    messages = [("warning", SAFE_MODE)] if visit.is_safe else []
    if visit.session is not None and visit.session.has_flashes:
        flashes = await visit.sessions.take_flashes(visit.session)
        messages += [(flash["kind"], flash["text"]) for flash in flashes]
    return messages


def _build_menu(visit: Visit) -> list[tuple[str, str, bool]]:
    entries = [("Home", "/"), *list_menu_links(visit)]
    path = request.path
    return [
        (title, target, path == target or (target != "/" and path.startswith(f"{target}/")))
        for title, target in entries
    ]


def list_menu_links(visit: Visit) -> list[tuple[str, str]]:
    """Title and path of the plugins' entries at the top of the site, as far as the actor may go there."""
    return [
        (entry.title, entry.path)
        for entry in visit.rt.plugins.menu.entries
        if not entry.parent
        and "{" not in entry.path
        and (not entry.permission or visit.actor.may(entry.permission))
    ]


async def _build_toolbar(rt: Runtime, visit: Visit) -> dict[str, Any]:
    """What only people who are logged in see: stage, quick add, and tiny forms with their tokens."""

    def csrf(form_id: str) -> str:
        return render_token(visit.session, form_id) if visit.session is not None else ""

    if visit.actor.is_anonymous:
        return {"stage": LIVE_STAGE, "stages": (), "quick_add": (), "work": NO_WORK, "csrf": csrf}
    stages = await list_stages(rt, visit.ctx)
    stage = next((s for s in stages if s.id == visit.ctx.stage_id), LIVE_STAGE)
    return {
        "stage": stage,
        "stages": stages,
        "quick_add": await list_quick_add(rt, visit.ctx),
        "work": await _count_work(visit),
        "csrf": csrf,
    }


async def _count_work(visit: Visit) -> RecentWork:
    """Nothing on a page that needs no database: it is also shown when there is none."""
    if visit.open_conn is None:
        return NO_WORK
    return await count_recent_work(visit.open_conn, visit.actor.id, now() - RECENTLY)


async def list_quick_add(rt: Runtime, ctx: Context) -> list[tuple[str, str, str]]:
    """(label, path, description) of every type that the actor may create."""
    types = await list_item_types(rt, ctx)
    return [(t.label, f"/item/add/{t.type}", t.description) for t in types if may_create(ctx.actor, t.type)]
