"""The first screen of people who work on the site: what is new, what is running, what needs attention."""

from typing import Any

from quart import Blueprint, Response

from kernel.cron.store import select_state
from kernel.db.pool import Connection
from kernel.item.access import find_viewer
from kernel.item.decide import is_decided_by_plugins, list_allowed
from kernel.item.store import count_items, select_drafts, select_recent_items
from kernel.item_type.load import list_type_labels
from kernel.ledger.lists import JobFilter, count_open_jobs, list_jobs
from kernel.ledger.model import JobStatus
from kernel.plugin.model import PluginSet
from kernel.setting.access import ADMINISTER_SITE
from web.cron_view import describe_alarm
from web.job_view import describe_line
from web.respond import show_page
from web.visit import Visit, current_visit

blueprint = Blueprint("dashboard", __name__)

SHOWN = 6
# In one call to plugins that decide about them, so that there are enough when some are hidden.
LOOKED_AT = 24


@blueprint.get("/admin")
async def show_dashboard() -> Response:
    visit = current_visit()
    visit.require_login()
    rt, ctx = visit.rt, visit.ctx
    conn = await visit.conn()
    labels = await list_type_labels(rt, ctx)
    author = None if ctx.actor.may("access content overview") else ctx.actor.id
    viewer = find_viewer(ctx.actor)
    scope = await visit.scope()
    recent = await list_allowed(scope, await select_recent_items(conn, author, viewer, LOOKED_AT), "view")
    drafts = await list_allowed(scope, await select_drafts(conn, author, viewer, LOOKED_AT), "view")
    own = JobFilter(actor_id=ctx.actor.id, is_started_by_hand=True)
    jobs = (await list_jobs(conn, own, SHOWN)).lines
    return await show_page(
        "admin/dashboard.html",
        title="Dashboard",
        alarm=await _find_alarm(visit, conn),
        figures=await _list_figures(visit, conn, labels),
        recent=[{"item": item, "type_label": labels.get(item.type, item.type)} for item in recent[:SHOWN]],
        drafts=[{"item": item, "type_label": labels.get(item.type, item.type)} for item in drafts[:SHOWN]],
        jobs=[describe_line(ctx, job) for job in jobs],
        plugins=_list_plugins(rt.plugins) if ctx.actor.is_admin else [],
    )


async def _find_alarm(visit: Visit, conn: Connection) -> str:
    if not visit.actor.may(ADMINISTER_SITE):
        return ""
    return describe_alarm(await select_state(conn), visit.rt.config.cron.late_s)


async def _list_figures(visit: Visit, conn: Connection, labels: dict[str, str]) -> list[tuple[str, int, str]]:
    if not visit.actor.may("access content overview"):
        return []
    # Where plugins decide about each item, a number would tell of those that are hidden.
    is_known = not is_decided_by_plugins(visit.rt.plugins.registry, visit.actor, ())
    counts = await count_items(conn, find_viewer(visit.actor)) if is_known else {}
    figures = [
        (labels.get(name, name), published, f"/admin/content?type={name}")
        for name, (published, _) in counts.items()
    ]
    if is_known:
        figures.append(("Drafts", sum(drafts for _, drafts in counts.values()), "/admin/content?status=0"))
    if visit.actor.is_admin:
        jobs = await count_open_jobs(conn)
        figures += [
            (
                "Jobs under way",
                jobs[JobStatus.QUEUED] + jobs[JobStatus.RUNNING],
                "/admin/jobs?status=unfinished",
            ),
            ("Jobs given up", jobs[JobStatus.FAILED] + jobs[JobStatus.DEAD], "/admin/jobs?status=attention"),
        ]
    return figures


def _list_plugins(plugins: PluginSet) -> list[dict[str, Any]]:
    """Those that run and those that could not be loaded, by name."""
    failed = {failure.plugin: " ".join(failure.problems) for failure in plugins.failures}
    for stop in plugins.stops:
        failed[stop.plugin] = (
            f"{stop.tap} is stopped, it failed too often. {failed.get(stop.plugin, '')}".strip()
        )
    loaded = {manifest.name: manifest for manifest in plugins.manifests}
    rows = []
    for name in sorted({*failed, *loaded}):
        manifest = loaded.get(name)
        rows.append(
            {
                "name": name,
                "version": manifest.version if manifest else "",
                "description": manifest.description if manifest else "",
                "problem": failed.get(name, ""),
            }
        )
    return rows
