"""Every way to an item shows it to the same people: a table of routes, and walks along them that nothing escapes."""

import pytest

from kernel.audit.model import VIEW_AUDIT
from kernel.batch import delete_items, publish_items
from kernel.batch import selection as batch_selection
from kernel.batch.publish_items import UNPUBLISH_ITEMS
from kernel.batch.selection import Selection
from kernel.gather import compile as gather_compile
from kernel.gather import run as gather_run
from kernel.host import item_store_api
from kernel.item import delete as item_delete
from kernel.item import load as item_load
from kernel.item import save as item_save
from kernel.item.access import Step
from kernel.item.decide import Decision
from kernel.item.store import select_item
from kernel.people.permission import ADMINISTER_PERMISSIONS, ADMINISTER_USERS
from kernel.tap.answers import GRANT
from kernel.tap.record import Record
from tests.web.leak_walks import (
    DOORS,
    ITEMS,
    LISTS,
    LOCKED,
    list_titles,
    note_changes,
    run_batch,
    walk_audit,
    walk_batches,
    walk_dashboards,
    walk_doors,
    walk_exports,
    walk_jobs,
    walk_lists,
    walk_loads,
    walk_people,
    walk_questions,
    walk_reasons,
    walk_reports,
)
from web import audit_titles
from web.app import create_app
from web.routes import batch as batch_pages
from web.routes.admin import access_reasons, content, dashboard, person

# What shows items in another way than DOORS and LISTS, and which walk goes there.
ELSEWHERE = {
    "/admin": walk_dashboards,
    "/admin/audit": walk_audit,
    "/admin/audit.<format_name>": walk_audit,
    "/admin/content/bulk": walk_questions,
    "/admin/people/<person_id>": walk_people,
    "/admin/people/<person_id>/delete": walk_people,
    "/admin/people/why": walk_reasons,
    "/batch/<job_id>": walk_reports,
    "/batch/<job_id>/items.jsonl": walk_exports,
    "/batch/<job_id>/refused.jsonl": walk_batches,
    "/batch/<job_id>/status": walk_exports,
}
# What shows no item; a job tells its own people alone what it is about.
WITHOUT_ITEMS = {
    "/admin/cron",
    "/admin/cron/<name>",
    "/admin/cron/key",
    "/admin/cron/run",
    "/admin/jobs",
    "/admin/jobs.json",
    "/admin/jobs/retry",
    "/admin/limits",
    "/admin/mail",
    "/admin/maintenance",
    "/admin/people",
    "/admin/people/<person_id>/edit",
    "/admin/people/<person_id>/login-link",
    "/admin/people/<person_id>/tokens",
    "/admin/people/<person_id>/tokens/revoke",
    "/admin/people/add",
    "/admin/people/bulk",
    "/admin/people/permissions",
    "/admin/people/registration",
    "/admin/people/registration/decide",
    "/admin/people/roles",
    "/admin/people/roles/<role_id>",
    "/admin/people/roles/<role_id>/delete",
    "/admin/plugins",
    "/admin/plugins/<name>",
    "/admin/plugins/<name>/change",
    "/admin/plugins/<name>/settings",
    "/admin/plugins/upload",
    "/admin/stage/switch",
    "/admin/style",
    "/admin/tools",
    "/admin/tools/export",
    "/admin/tools/import",
    "/admin/tools/run",
    "/batch/<job_id>/events",
    "/batch/<job_id>/retry",
    "/cron/",
    "/cron/<path:key>",
    "/health",
    "/health/ready",
    "/item/add",
    "/item/add/<type_name>",
    "/job/<job_id>",
    "/job/<job_id>.json",
    "/job/<job_id>/cancel",
    "/job/<job_id>/events",
    "/job/<job_id>/retry",
    "/jobs",
    "/jobs.json",
    "/metrics",
    "/static/<path:filename>",
    "/user",
    "/user/check-mail",
    "/user/login",
    "/user/login/code",
    "/user/login-link/<token>",
    "/user/logout",
    "/user/mail",
    "/user/mail/<token>",
    "/user/password",
    "/user/password-reset",
    "/user/password-reset/<token>",
    "/user/register",
    "/user/register/<token>",
    "/user/second-factor",
    "/user/second-factor/begin",
    "/user/second-factor/disable",
    "/user/second-factor/recovery-codes",
    "/user/sessions",
    "/user/sessions/end",
    "/user/sessions/end-all",
    "/user/tokens",
    "/user/tokens/revoke",
}


async def allow(*_):
    return True


async def allow_all(_scope, items, _operation):
    return list(items)


async def decide_for_all(_scope, items, _operation):
    return [Decision((Step(GRANT, "It is open."),), Record())] * len(items)


def yes(*_):
    return True


def no(*_):
    return False


def show_to_administrators(actor):
    return actor.is_admin


def show_own(actor):
    return actor.id


def show_all(_actor):
    return None


# Each place at which it is decided what somebody sees, as it is taken out or decides too little, and a walk on which
# that must be seen. Those at the end change items.
SABOTAGE = [
    (item_load, "is_allowed", allow, walk_doors),
    (item_store_api, "decide_access", decide_for_all, walk_loads),
    (access_reasons, "is_allowed", allow, walk_reasons),
    (gather_run, "list_allowed", allow_all, walk_lists),
    (gather_run, "is_decided_by_plugins", no, walk_lists),
    (gather_compile, "may_see_unpublished", yes, walk_lists),
    (gather_compile, "may_see_unpublished", show_to_administrators, walk_lists),
    (dashboard, "list_allowed", allow_all, walk_dashboards),
    (dashboard, "is_decided_by_plugins", no, walk_dashboards),
    (dashboard, "find_viewer", show_all, walk_dashboards),
    (dashboard, "find_viewer", show_own, walk_dashboards),
    (content, "list_allowed", allow_all, walk_questions),
    (batch_selection, "is_decided_by_plugins", no, walk_questions),
    (person, "sees_everything", yes, walk_people),
    (audit_titles, "list_allowed", allow_all, walk_audit),
    (audit_titles, "may_by_role", yes, walk_audit),
    (batch_selection, "list_allowed", allow_all, walk_exports),
    (batch_selection, "find_viewer", show_all, walk_exports),
    (batch_pages, "list_allowed", allow_all, walk_reports),
    (batch_selection, "list_allowed", allow_all, walk_batches),
    (publish_items, "list_allowed", allow_all, walk_batches),
    (delete_items, "list_allowed", allow_all, walk_batches),
    (item_save, "is_allowed", allow, walk_jobs),
    (item_delete, "is_allowed", allow, walk_jobs),
]
WALKS = list(dict.fromkeys(walk for *_, walk in SABOTAGE))
# Whose walk is enough to notice.
WITNESSES = {
    walk_doors: ["editor"],
    walk_loads: ["editor"],
    walk_lists: ["editor", "reviewer"],
    walk_dashboards: ["editor", "reviewer"],
    walk_jobs: ["editor"],
}
CHANGES = {walk_batches, walk_jobs}


async def test_every_route_has_its_row(site):
    rules = {rule.rule for rule in create_app(site.web).url_map.iter_rules()}
    rows = {*DOORS, *LISTS, *ELSEWHERE, *WITHOUT_ITEMS}
    # A route that can show an item, or tell that it is there, needs a walk; any other a line above.
    assert rules - rows == set()
    assert rows - rules == set()
    assert {*ELSEWHERE.values()} <= {*WALKS}


@pytest.fixture
async def items(access_site):
    """On a site on which it is asked and told about them in every way."""
    await access_site.grant("editor", ADMINISTER_PERMISSIONS, VIEW_AUDIT)
    await access_site.grant("reviewer", ADMINISTER_USERS)
    items = await access_site.add_items(ITEMS)
    await note_changes(access_site, items)
    return items


@pytest.mark.story("5.1")
@pytest.mark.story("5.2")
@pytest.mark.story("5.3")
@pytest.mark.story("5.4")
async def test_every_way_shows_an_item_to_the_same_people(access_site, items):
    wrong = {walk.__name__: await walk(access_site, items) for walk in WALKS}
    assert [(name, found) for name, found in wrong.items() if found] == []


async def test_no_walk_is_right_where_a_decision_is_taken_out(access_site, items, monkeypatch):
    unnoticed = []
    for place, name, replacement, walk in SABOTAGE:
        witnesses = [WITNESSES[walk]] if walk in WITNESSES else []
        if walk in CHANGES:
            items = await access_site.add_items(ITEMS)
        with monkeypatch.context() as sabotage:
            sabotage.setattr(place, name, replacement)
            if not await walk(access_site, items, *witnesses):
                unnoticed.append((place.__name__, name, replacement.__name__))
    assert unnoticed == []


async def test_a_batch_over_everything_changes_what_its_actor_sees_and_may_change(access_site, items):
    seen = list_titles("editor", with_drafts=True)
    job, problems = await run_batch(access_site, "editor", UNPUBLISH_ITEMS, Selection())
    assert problems == [str(items[LOCKED].id)]
    assert (job.progress_done, job.progress_total) == (len(seen), len(seen))
    async with access_site.site.worker.db.acquire() as conn:
        published = {title for title, item in items.items() if (await select_item(conn, item.id)).status}
    assert published == {"deny-view", "for-strangers", LOCKED}
