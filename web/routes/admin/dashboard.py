"""The first screen of people who work on the site: what is new, what is running, what needs attention."""

from quart import Blueprint, Response

from kernel.item.store import count_items, select_recent_items
from kernel.item_type.load import list_item_types
from kernel.ledger.lists import count_open_jobs, list_actor_jobs
from web.respond import list_quick_add, show_page
from web.routes.jobs import describe_job
from web.visit import current_visit

blueprint = Blueprint("dashboard", __name__)

RECENT = 6


@blueprint.get("/admin")
async def show_dashboard() -> Response:
    visit = current_visit()
    visit.require_login()
    rt, ctx = visit.rt, visit.ctx
    conn = await visit.conn()
    sees_all = ctx.actor.may("access content overview")
    recent = await select_recent_items(conn, None if sees_all else ctx.actor.id, RECENT)
    counts = await count_items(conn) if sees_all else {}
    types = [
        {"type": t.type, "label": t.label, "published": counts[t.type][0], "drafts": counts[t.type][1]}
        for t in await list_item_types(rt, ctx)
        if t.type in counts
    ]
    plugins = []
    if ctx.actor.is_admin:
        failed = {failure.plugin: failure.problems for failure in rt.plugins.failures}
        loaded = {manifest.name: manifest for manifest in rt.plugins.manifests}
        for name in sorted({*failed, *loaded}):
            manifest = loaded.get(name)
            plugins.append(
                {
                    "name": name,
                    "version": manifest.version if manifest else "",
                    "description": manifest.description if manifest else "",
                    "problems": list(failed.get(name, ())),
                }
            )
    return await show_page(
        "admin/dashboard.html",
        title="Dashboard",
        recent=recent,
        types=types,
        jobs=[describe_job(job) for job in await list_actor_jobs(conn, ctx.actor.id, RECENT)],
        job_counts=await count_open_jobs(conn) if ctx.actor.is_admin else {},
        plugins=plugins,
        add=await list_quick_add(rt, ctx),
    )
