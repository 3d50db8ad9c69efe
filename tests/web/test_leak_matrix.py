"""Every way to an item shows it to the same people: a table of routes, people and items."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from kernel.audit.model import VIEW_AUDIT, Entry, Origin
from kernel.audit.store import insert_events
from kernel.batch.delete_items import DELETE_ITEMS
from kernel.batch.export_items import EXPORT_ITEMS
from kernel.batch.lines import build_chunks
from kernel.batch.publish_items import UNPUBLISH_ITEMS
from kernel.batch.selection import Selection, write_listed
from kernel.batch.start import start_batch
from kernel.batch.store import list_problems
from kernel.ids import uuid7
from kernel.item.store import select_item
from kernel.jobs import DELETE_ITEM, SAVE_ITEM, DeleteItem, SaveItem
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.user.load import PERMISSIONS_TAG
from kernel.user.store import grant_permission
from tests.fixtures.access import RIGHTS
from web.app import create_app

PEOPLE = set(RIGHTS)
KNOWN = PEOPLE - {"anonymous"}
# Who may view, edit and delete the items of these titles, which are the author's.
ITEMS = {
    "open": (PEOPLE, {"author", "editor", "root"}, {"author", "editor", "root"}),
    "deny-view": ({"root"}, {"root"}, {"root"}),
    "draft": ({"author", "root"}, {"author", "root"}, {"author", "root"}),
    "draft grant-view": (PEOPLE, {"author", "editor", "root"}, {"author", "editor", "root"}),
    "draft deny-view": ({"root"}, {"root"}, {"root"}),
    "deny-edit deny-delete": (PEOPLE, {"root"}, {"root"}),
    "grant-edit": (PEOPLE, PEOPLE, {"author", "editor", "root"}),
    "for-strangers": ({"anonymous", "root"}, {"root"}, {"root"}),
    "loads": (PEOPLE, {"author", "editor", "root"}, {"author", "editor", "root"}),
}
OPERATIONS = ("view", "edit", "delete")
# What leads to one item, and what one has to be allowed there.
DOORS = {
    "/item/<item_id>": ("/item/{id}", "view"),
    "/item/<item_id>/edit": ("/item/{id}/edit", "edit"),
    "/item/<item_id>/delete": ("/item/{id}/delete", "delete"),
}
# What lists items, and whether drafts are among them.
LISTS = {
    "/": ("/", False),
    "/recent-pages": ("/recent-pages", False),
    "/<path:path>": ("/probe/list", False),
    "/admin/content": ("/admin/content", True),
}
ELSEWHERE = {
    "/admin": "names what is new: test_the_dashboard_names_and_counts_nothing_that_is_hidden",
    "/admin/audit": "names what was changed: test_the_audit_log_names_what_its_reader_may_view",
    "/admin/audit.<format_name>": "the same to take away, in the same test",
    "/admin/content/bulk": "asks for items and starts a batch: test_a_batch_leaves_alone_what_its_actor_may_not_see",
    "/admin/people/why": "explains one item: test_reasons_are_told_of_items_that_may_be_viewed",
    "/batch/<job_id>": "names what was refused: test_a_batch_names_no_item_that_is_hidden",
    "/batch/<job_id>/items.jsonl": "what a batch wrote: test_a_batch_leaves_alone_what_its_actor_may_not_see",
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
    "/admin/people/<person_id>",
    "/admin/people/<person_id>/delete",
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
    "/batch/<job_id>/refused.jsonl",
    "/batch/<job_id>/retry",
    "/batch/<job_id>/status",
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
AS_JSON = {"Accept": "application/json"}


def may(person, title, operation):
    return person in ITEMS[title][OPERATIONS.index(operation)]


def list_titles(person, *, with_drafts):
    """What a list shows: a plugin takes from it what it denies, and adds nothing."""
    shown = [title for title in ITEMS if may(person, title, "view")]
    drafts = [title for title in shown if title.split()[0] == "draft"]
    seen = drafts if with_drafts and person in {"author", "root"} else []
    return {title for title in shown if title not in drafts or title in seen}


async def test_every_route_has_its_row(site):
    rules = {rule.rule for rule in create_app(site.web).url_map.iter_rules()}
    rows = {*DOORS, *LISTS, *ELSEWHERE, *WITHOUT_ITEMS}
    # A route that can show an item, or tell that it is there, needs a test in this file; any other a line above.
    assert rules - rows == set()
    assert rows - rules == set()


@pytest.mark.story("5.1")
@pytest.mark.story("5.2")
@pytest.mark.story("5.3")
@pytest.mark.story("5.4")
async def test_each_door_opens_for_the_same_people(access_site):
    items = await access_site.add_items(ITEMS)
    wrong = []
    for person in RIGHTS:
        async with access_site.client(person) as browser:
            for address, operation in DOORS.values():
                nothing = await browser.get(address.format(id=uuid7()))
                for title, item in items.items():
                    answer = await browser.get(address.format(id=item.id))
                    expected = 200
                    if not may(person, title, "view"):
                        expected = 404
                        # Not even by its words does a hidden item differ from none.
                        if strip(answer.text) != strip(nothing.text):
                            wrong.append((person, address, title, "tells that it is there"))
                    elif not may(person, title, operation):
                        expected = 403 if person in KNOWN else 303
                    if answer.status_code != expected:
                        wrong.append((person, address, title, answer.status_code))
            for title, item in items.items():
                answer = await browser.get(item.path, headers=AS_JSON)
                if answer.status_code != (200 if may(person, title, "view") else 404):
                    wrong.append((person, "JSON", title, answer.status_code))
    assert wrong == []


def strip(html):
    """Without what is another one in every answer."""
    return re.sub(r"[0-9a-f-]{32,64}", "", html)


async def test_lists_show_what_their_items_pages_show_and_count_nothing_else(access_site):
    await access_site.add_items(ITEMS)
    wrong = []
    for person in RIGHTS:
        async with access_site.client(person) as browser:
            for address, with_drafts in LISTS.values():
                page = await browser.get(address)
                if with_drafts and person not in {"editor", "root"}:
                    if page.status_code not in {303, 403}:
                        wrong.append((person, address, page.status_code))
                    continue
                expected = list_titles(person, with_drafts=with_drafts)
                shown = find_titles(page.text)
                if shown != expected:
                    wrong.append((person, address, sorted(shown ^ expected)))
            for address in ("/", "/recent-pages"):
                listing = (await browser.get(address, headers=AS_JSON)).json()
                expected = list_titles(person, with_drafts=False)
                told = ({item["title"] for item in listing["items"]}, listing["total"], listing["pages"])
                if told != (expected, len(expected), 1) or listing["total_is_capped"]:
                    wrong.append((person, address, told))
    assert wrong == []


def find_titles(html):
    """Those that are shown: as links, or with their words."""
    return {title for title in ITEMS if f'">{title}</a>' in html or f"Words of {title}." in html}


async def test_the_dashboard_names_and_counts_nothing_that_is_hidden(access_site):
    await access_site.add_items(ITEMS)
    pages = {}
    for person in KNOWN:
        async with access_site.client(person) as browser:
            pages[person] = (await browser.get("/admin")).text
    assert find_titles(pages["stranger"]) == set()
    assert find_titles(pages["author"]) == {
        *list_in_order("author")[:6],
        "draft",
        "draft grant-view",
    }
    assert find_titles(pages["editor"]) == set(list_in_order("editor")[:6])
    assert find_titles(pages["root"]) >= {"open", "deny-view", "draft deny-view"}
    assert [person for person in KNOWN if 'class="figure"' in pages[person]] == ["root"]


async def test_the_audit_log_names_what_its_reader_may_view(access_site):
    """In the page and in what is taken away: neither by a title of today, nor one of before, nor by looking for it."""
    items = await access_site.add_items(ITEMS)
    entries = [
        *(note_change(title, item, is_published=bool(item.status)) for title, item in items.items()),
        note_change("an earlier draft", items["open"], is_published=False),
        note_change("an earlier page", items["open"], is_published=True),
        note_change("deleted", replace(items["open"], id=uuid7()), is_published=True),
    ]
    async with access_site.site.worker.db.transaction() as tx:
        await insert_events(tx.conn, Origin(uuid7()), entries)
        await grant_permission(tx.conn, "role_editor", VIEW_AUDIT)
    await access_site.site.worker.cache.drop([PERMISSIONS_TAG])
    seen = {title for title in ITEMS if may("editor", title, "view")} | {"an earlier page"}
    told, found = {}, {}
    for person in ("editor", "root"):
        async with access_site.client(person) as browser:
            access_site.count_calls()
            page = (await browser.get("/admin/audit")).text
            # All of a page in two calls: what is published, and apart from it what is not.
            assert access_site.count_calls() == (2 if person == "editor" else 0)
            rows = csv.DictReader(io.StringIO((await browser.get("/admin/audit.csv")).text))
            lines = (await browser.get("/admin/audit.jsonl")).text.splitlines()
            events = (await browser.get("/admin/audit", headers=AS_JSON)).json()["events"]
            told[person] = [
                {entry.subject_label for entry in entries if f'">{entry.subject_label}</' in page},
                *(
                    {row["subject_label"] for row in rows} - {""}
                    for rows in (rows, map(json.loads, lines), events)
                ),
            ]
            assert f"page {items['deny-view'].id}</span>" in page or person == "root"
            asked = {"subject": "deny-view"}
            found[person] = (await browser.get("/admin/audit", params=asked, headers=AS_JSON)).json()[
                "events"
            ]
    assert told == {"editor": [seen] * 4, "root": [{entry.subject_label for entry in entries}] * 4}
    assert (len(found["editor"]), len(found["root"])) == (0, 2)


def note_change(title, item, *, is_published):
    details = {"type": item.type, "published": is_published}
    return Entry("item.change", "item", str(item.id), title, details)


def list_in_order(person):
    """The titles of what one may view, and of drafts those that roles show, the newest first."""
    shown = list_titles(person, with_drafts=True)
    return [title for title in ITEMS if title in shown]


async def test_what_plugins_load_is_what_their_user_may_see(access_site):
    """`probe` is asked about access while it waits for the item."""
    items = await access_site.add_items(ITEMS)
    wrong = []
    for person in RIGHTS:
        async with access_site.client(person) as browser:
            for title, item in items.items():
                page = await browser.get(f"/probe/find/{item.id}")
                told = re.search(r"<h1[^>]*>\s*([^<]*?)\s*</h1>", page.text)[1]
                if told != (title if may(person, title, "view") else "Nothing"):
                    wrong.append((person, title, told))
    assert wrong == []


async def test_reasons_are_told_of_items_that_may_be_viewed(access_site):
    """Whoever may ask for them is no administrator, and learns of no item that is hidden."""
    items = await access_site.add_items(ITEMS)
    async with access_site.site.worker.db.transaction() as tx:
        await grant_permission(tx.conn, "role_editor", "administer permissions")
    await access_site.site.worker.cache.drop([PERMISSIONS_TAG])
    told = {}
    async with access_site.client("editor") as browser:
        for title, item in items.items():
            asked = {"person": "root", "operation": "view", "item": str(item.id)}
            page = await browser.get("/admin/people/why", params=asked)
            assert page.status_code == 200
            told[title] = f"view “{title}”" in page.text
        async with access_site.site.worker.db.acquire() as conn:
            await conn.execute("UPDATE users SET status = 0 WHERE name = 'author'")
        seen = next(item for title, item in items.items() if told[title])
        asked = {"person": "author", "operation": "view", "item": str(seen.id)}
        page = await browser.get("/admin/people/why", params=asked)
        assert "author is blocked and cannot log in." in page.text
    assert told == {title: may("editor", title, "view") for title in ITEMS}


async def test_workers_write_what_the_forms_would_take(access_site):
    """Without the doors, as a job that was submitted while more was allowed."""
    items = await access_site.add_items(ITEMS)
    ledger = access_site.site.worker.ledger
    wrong = []
    for person in ("anonymous", "stranger", "author", "editor"):
        ctx = await access_site.make_context(person)
        for title, item in items.items():
            save = SaveItem(item.id, "page", title, {}, expected_revision_id=item.revision_id)
            delete = DeleteItem(item.id, item.revision_id)
            for operation, kind, payload in (("edit", SAVE_ITEM, save), ("delete", DELETE_ITEM, delete)):
                if may(person, title, operation):
                    continue
                job = await wait_for_job(ledger, await submit_job(ledger, ctx, kind, payload), 8)
                if job.result["outcome"] != "forbidden":
                    wrong.append((person, title, operation, job.result))
    assert wrong == []
    async with access_site.site.worker.db.acquire() as conn:
        assert [await select_item(conn, item.id) for item in items.values()] == [
            replace(item, author_name="author") for item in items.values()
        ]


async def run_batch(access_site, person, operation, selection, lines=()):
    rt = access_site.site.worker
    ctx = await access_site.make_context(person)
    job_id = await start_batch(rt, ctx, operation, selection, chunks=build_chunks(lines))
    job = await wait_for_job(rt.ledger, job_id, 8)
    async with rt.db.acquire() as conn:
        return job, [problem.ref for problem in await list_problems(conn, job.id, 0, 500)]


async def test_a_batch_leaves_alone_what_its_actor_may_not_see(access_site):
    """Neither its numbers nor what it wrote tell of more than the list did."""
    items = await access_site.add_items(ITEMS)
    seen = list_titles("editor", with_drafts=True)
    job, problems = await run_batch(access_site, "editor", EXPORT_ITEMS, Selection())
    assert (job.progress_done, job.progress_total, problems) == (len(seen), len(seen), [])
    async with access_site.client("editor") as browser:
        written = (await browser.get(f"/batch/{job.id}/items.jsonl")).text
    assert {title for title in ITEMS if f'"{title}"' in written} == seen

    job, problems = await run_batch(access_site, "editor", UNPUBLISH_ITEMS, Selection())
    assert problems == [str(items["deny-edit deny-delete"].id)]
    assert (job.progress_done, job.progress_total) == (len(seen), len(seen))
    async with access_site.site.worker.db.acquire() as conn:
        published = {title for title, item in items.items() if (await select_item(conn, item.id)).status}
    assert published == {"deny-view", "for-strangers", "deny-edit deny-delete"}


async def test_a_batch_names_no_item_that_is_hidden(access_site):
    """Listed by its id, it is gone."""
    items = await access_site.add_items(ITEMS)
    lines = [write_listed(items[title].id, None) for title in ("deny-view", "draft", "deny-edit deny-delete")]
    job, problems = await run_batch(access_site, "editor", DELETE_ITEMS, Selection(listed=3), lines)
    assert problems == [str(items["deny-edit deny-delete"].id)]
    async with access_site.client("editor") as browser:
        page = (await browser.get(f"/batch/{job.id}")).text
    assert "deny-edit deny-delete" in page
    assert "deny-view" not in page
    async with access_site.site.worker.db.acquire() as conn:
        assert all([await select_item(conn, item.id) for item in items.values()])
