"""Who may do what to some items, and walks along every way to them that answer what was wrong on it."""

import csv
import io
import json
import re
from dataclasses import replace

from kernel.audit.model import Entry, Origin
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
from tests.fixtures.access import RIGHTS
from tests.web.people_site import read_text
from web.bulk import BULK_FORM, BULK_PATH

PEOPLE = set(RIGHTS)
KNOWN = PEOPLE - {"anonymous"}
OVERSEERS = {"editor", "reviewer", "root"}
CHANGERS = {"author", "editor", "root"}
# Who may view, edit and delete the items of these titles, which are the author's.
ITEMS = {
    "open": (PEOPLE, CHANGERS, CHANGERS),
    "deny-view": ({"root"}, {"root"}, {"root"}),
    "draft": ({"author", "reviewer", "root"}, {"author", "root"}, {"author", "root"}),
    "draft grant-view": (PEOPLE, CHANGERS, CHANGERS),
    "draft deny-view": ({"root"}, {"root"}, {"root"}),
    "deny-edit deny-delete": (PEOPLE, {"root"}, {"root"}),
    "grant-edit": (PEOPLE, PEOPLE, CHANGERS),
    "for-strangers": ({"anonymous", "root"}, {"root"}, {"root"}),
    "loads": (PEOPLE, CHANGERS, CHANGERS),
}
OPERATIONS = ("view", "edit", "delete")
# What leads to one item, and what one has to be allowed there.
DOORS = {
    "/item/<item_id>": ("/item/{id}", "view"),
    "/item/<item_id>/edit": ("/item/{id}/edit", "edit"),
    "/item/<item_id>/delete": ("/item/{id}/delete", "delete"),
}
FORMS = {"edit": "item_form", "delete": "item_delete"}
# What lists items, and whether drafts are among them.
LISTS = {
    "/": ("/", False),
    "/recent-pages": ("/recent-pages", False),
    "/<path:path>": ("/probe/list", False),
    "/admin/content": ("/admin/content", True),
}
AS_JSON = {"Accept": "application/json"}
# What many may see and the editor may not change; what else the editor may not change is hidden from them.
LOCKED = "deny-edit deny-delete"


def may(person, title, operation):
    return person in ITEMS[title][OPERATIONS.index(operation)]


def list_titles(person, *, with_drafts):
    """What a list shows, in order: a plugin takes from it what it denies, and adds nothing."""
    sees_drafts = with_drafts and person in {"author", "reviewer", "root"}
    shown = [title for title in ITEMS if may(person, title, "view")]
    return [title for title in shown if sees_drafts or not is_draft(title)]


def is_draft(title):
    return title.split()[0] == "draft"


def find_titles(html):
    """Those that are shown: as links, or with their words."""
    return {title for title in ITEMS if f'">{title}</a>' in html or f"Words of {title}." in html}


def strip(html):
    """Without what is another one in every answer."""
    return re.sub(r"[0-9a-f-]{32,64}", "", html)


# One item ---------------------------------------------------------------------------------------------------


async def walk_doors(access_site, items, people=RIGHTS):
    wrong = []
    for person in people:
        async with access_site.client(person) as browser:
            for address, operation in DOORS.values():
                nothing = await browser.get(address.format(id=uuid7()))
                for title, item in items.items():
                    answer = await browser.get(address.format(id=item.id))
                    if answer.status_code != (expected := find_status(person, title, operation)):
                        wrong.append((person, address, title, answer.status_code))
                    # Not even by its words does a hidden item differ from none.
                    if expected == 404 and strip(answer.text) != strip(nothing.text):
                        wrong.append((person, address, title, "tells that it is there"))
            for title, item in items.items():
                answer = await browser.get(item.path, headers=AS_JSON)
                if answer.status_code != find_status(person, title, "view"):
                    wrong.append((person, "JSON", title, answer.status_code))
            if person in KNOWN:
                wrong += await press_buttons(access_site, items, person, browser)
    return wrong


def find_status(person, title, operation):
    if not may(person, title, "view"):
        return 404
    if may(person, title, operation):
        return 200
    return 403 if person in KNOWN else 303


async def press_buttons(access_site, items, person, browser):
    """Of forms that were not to be had."""
    wrong = []
    for title in ("deny-view", LOCKED):
        item = items[title]
        for operation, form_id in FORMS.items():
            if may(person, title, operation):
                continue
            sent = {"form_token": access_site.sign(person, form_id)}
            answer = await browser.post(f"{item.path}/{operation}", data=sent)
            if answer.status_code != find_status(person, title, operation):
                wrong.append((person, f"POST {operation}", title, answer.status_code))
    return wrong


async def walk_loads(access_site, items, people=RIGHTS):
    """What plugins load for their user; `probe` is asked about access while it waits for the item."""
    wrong = []
    for person in people:
        async with access_site.client(person) as browser:
            for title, item in items.items():
                page = await browser.get(f"/probe/find/{item.id}")
                told = re.search(r"<h1[^>]*>\s*([^<]*?)\s*</h1>", page.text)[1]
                if told != (title if may(person, title, "view") else "Nothing"):
                    wrong.append((person, title, told))
    return wrong


async def walk_reasons(access_site, items):
    """Whoever may ask for them is no administrator, and learns of no item that is hidden."""
    wrong = []
    async with access_site.client("editor") as browser:
        for title, item in items.items():
            asked = {"person": "root", "operation": "view", "item": str(item.id)}
            page = await browser.get("/admin/people/why", params=asked)
            if (page.status_code, f"view “{title}”" in page.text) != (200, may("editor", title, "view")):
                wrong.append((title, page.status_code))
        await set_active(access_site, "stranger", status=0)
        asked = {"person": "stranger", "operation": "view", "item": str(items["open"].id)}
        page = await browser.get("/admin/people/why", params=asked)
        if "stranger is blocked and cannot log in." not in page.text:
            wrong.append("of somebody who is blocked, that")
        await set_active(access_site, "stranger", status=1)
    return wrong


async def set_active(access_site, person, *, status):
    async with access_site.site.worker.db.acquire() as conn:
        await conn.execute("UPDATE users SET status = $2 WHERE name = $1", person, status)


# Many items -------------------------------------------------------------------------------------------------


async def walk_lists(access_site, items, people=RIGHTS):
    """They show what the pages of their items show, and count nothing else."""
    wrong = []
    for person in people:
        async with access_site.client(person) as browser:
            for address, with_drafts in LISTS.values():
                page = await browser.get(address)
                if with_drafts and person not in OVERSEERS:
                    if page.status_code not in {303, 403}:
                        wrong.append((person, address, page.status_code))
                    continue
                expected = set(list_titles(person, with_drafts=with_drafts))
                if (shown := find_titles(page.text)) != expected:
                    wrong.append((person, address, sorted(shown ^ expected)))
            for address in ("/", "/recent-pages"):
                listing = (await browser.get(address, headers=AS_JSON)).json()
                expected = set(list_titles(person, with_drafts=False))
                told = ({item["title"] for item in listing["items"]}, listing["total"], listing["pages"])
                if told != (expected, len(expected), 1) or listing["total_is_capped"]:
                    wrong.append((person, address, told))
    return wrong


async def walk_dashboards(access_site, items, people=KNOWN):
    wrong = []
    for person in people:
        async with access_site.client(person) as browser:
            page = (await browser.get("/admin")).text
        # What is new, and drafts; of their own only to those who do not oversee all.
        shown = list_titles(person, with_drafts=True) if person in OVERSEERS | {"author"} else []
        expected = {*shown[:6], *filter(is_draft, shown)}
        if find_titles(page) != expected:
            wrong.append((person, sorted(find_titles(page) ^ expected)))
        if ('class="figure"' in page) != (person == "root"):
            wrong.append((person, "figures"))
    return wrong


async def walk_questions(access_site, items, people=("editor", "reviewer")):
    """What is asked before many are deleted: those chosen by their ids, or all."""
    chosen = list(ITEMS)[:8]
    wrong = []
    for person in people:
        sent = {"form_token": access_site.sign(person, BULK_FORM), "action": "delete"}
        async with access_site.client(person) as browser:
            ids = [f"{items[title].id} -" for title in chosen]
            page = await browser.post(BULK_PATH, data={**sent, "item": ids})
            named = {title for title in ITEMS if f"<li>{title}</li>" in page.text}
            if named != {title for title in chosen if may(person, title, "view")}:
                wrong.append((person, page.status_code, sorted(named)))
            page = await browser.post(BULK_PATH, data={**sent, "everything": "1"})
            if "Delete all that match?" not in page.text:
                wrong.append((person, page.status_code, "a number"))
    return wrong


async def walk_people(access_site, items):
    """How much somebody wrote is told to those alone from whom nothing is hidden."""
    wrong = []
    for person, number in (("reviewer", []), ("root", [str(len(ITEMS))])):
        async with access_site.client(person) as browser:
            for place in ("", "/delete"):
                page = await browser.get(f"/admin/people/{access_site.users['author'].id}{place}")
                told = re.findall(r"(\d+) items?\b", read_text(page.text))
                if (page.status_code, told) != (200, number):
                    wrong.append((person, place, page.status_code, told))
    return wrong


async def note_changes(access_site, items):
    """In the audit log; what stands there by title."""
    entries = [
        *(note_change(title, item, is_published=bool(item.status)) for title, item in items.items()),
        note_change("an earlier draft", items["open"], is_published=False),
        note_change("an earlier page", items["open"], is_published=True),
        note_change("deleted", replace(items["open"], id=uuid7()), is_published=True),
    ]
    async with access_site.site.worker.db.transaction() as tx:
        await insert_events(tx.conn, Origin(uuid7()), entries)


def note_change(title, item, *, is_published):
    details = {"type": item.type, "published": is_published}
    return Entry("item.change", "item", str(item.id), title, details)


async def walk_audit(access_site, items):
    """In the page and in what is taken away: neither by a title of today, nor one of before, nor by looking for it."""
    noted = {*ITEMS, "an earlier draft", "an earlier page", "deleted"}
    expected = {
        "editor": ({title for title in ITEMS if may("editor", title, "view")} | {"an earlier page"}, 0),
        "root": (noted, 2),
    }
    wrong = []
    for person, (seen, found) in expected.items():
        async with access_site.client(person) as browser:
            access_site.count_calls()
            page = (await browser.get("/admin/audit")).text
            # All of a page in two calls: what is published, and apart from it what is not.
            if (calls := access_site.count_calls()) != (2 if person == "editor" else 0):
                wrong.append((person, calls, "calls"))
            rows = csv.DictReader(io.StringIO((await browser.get("/admin/audit.csv")).text))
            lines = (await browser.get("/admin/audit.jsonl")).text.splitlines()
            events = (await browser.get("/admin/audit", headers=AS_JSON)).json()["events"]
            sought = await browser.get("/admin/audit", params={"subject": "deny-view"}, headers=AS_JSON)
        if {title for title in noted if f'">{title}</' in page} != seen:
            wrong.append((person, "page"))
        for form, told in (("csv", rows), ("jsonl", map(json.loads, lines)), ("JSON", events)):
            if {row["subject_label"] for row in told} - {""} != seen:
                wrong.append((person, form))
        if len(sought.json()["events"]) != found:
            wrong.append((person, "sought"))
        if person == "editor" and f"page {items['deny-view'].id}</span>" not in page:
            wrong.append((person, "of what is hidden, type and id"))
    return wrong


# Work in the background -------------------------------------------------------------------------------------


async def read_stored(access_site, items):
    async with access_site.site.worker.db.acquire() as conn:
        return [await select_item(conn, item.id) for item in items.values()]


async def walk_jobs(access_site, items, people=("anonymous", "stranger", "author", "editor", "reviewer")):
    """Without the doors, as jobs that were submitted while more was allowed."""
    ledger = access_site.site.worker.ledger
    before = await read_stored(access_site, items)
    asked = {}
    for person in people:
        ctx = await access_site.make_context(person)
        for title, item in items.items():
            save = SaveItem(item.id, "page", title, {}, expected_revision_id=item.revision_id)
            delete = DeleteItem(item.id, item.revision_id)
            for operation, kind, payload in (("edit", SAVE_ITEM, save), ("delete", DELETE_ITEM, delete)):
                if not may(person, title, operation):
                    asked[person, operation, title] = await submit_job(ledger, ctx, kind, payload)
    wrong = []
    for what, job_id in asked.items():
        job = await wait_for_job(ledger, job_id, 20)
        if (job.result or {}).get("outcome") != "forbidden":
            wrong.append((*what, job.result))
    if await read_stored(access_site, items) != before:
        wrong.append("changed")
    return wrong


async def run_batch(access_site, person, operation, selection, lines=()):
    rt = access_site.site.worker
    ctx = await access_site.make_context(person)
    job_id = await start_batch(rt, ctx, operation, selection, chunks=build_chunks(lines))
    job = await wait_for_job(rt.ledger, job_id, 8)
    async with rt.db.acquire() as conn:
        return job, [problem.ref for problem in await list_problems(conn, job.id, 0, 500)]


async def walk_exports(access_site, items):
    """Neither its numbers nor what it wrote tell of more than the list did."""
    seen = list_titles("editor", with_drafts=True)
    job, problems = await run_batch(access_site, "editor", EXPORT_ITEMS, Selection())
    async with access_site.client("editor") as browser:
        written = (await browser.get(f"/batch/{job.id}/items.jsonl")).text
        status = (await browser.get(f"/batch/{job.id}/status")).json()
    wrong = [title for title in ITEMS if (f'"{title}"' in written) != (title in seen)]
    told = (status["good"], status["done"], status["total"], status["refused"], problems)
    return wrong if told == (len(seen), len(seen), len(seen), 0, []) else [*wrong, told]


async def walk_batches(access_site, items, operations=(DELETE_ITEMS, UNPUBLISH_ITEMS)):
    """What was listed by its id and is hidden counts as gone, is named nowhere, and is left alone."""
    before = await read_stored(access_site, items)
    listed = [title for title in ITEMS if not may("editor", title, "edit")]
    lines = [write_listed(items[title].id, None) for title in listed]
    wrong = []
    for operation in operations:
        job, problems = await run_batch(
            access_site, "editor", operation, Selection(listed=len(listed)), lines
        )
        refused = [LOCKED] if operation is DELETE_ITEMS else listed
        if problems != [str(items[title].id) for title in refused]:
            wrong.append((operation.name, len(problems)))
        async with access_site.client("editor") as browser:
            told = (await browser.get(f"/batch/{job.id}")).text
            lines_told = (await browser.get(f"/batch/{job.id}/refused.jsonl")).text
        if find_titles(told) != {LOCKED}:
            wrong.append((operation.name, sorted(find_titles(told))))
        if [title for title in ITEMS if str(items[title].id) in lines_told] != refused:
            wrong.append((operation.name, "the list to take away"))
        wrong += [(operation.name, title, "in the list") for title in ITEMS if f'"{title}"' in lines_told]
    if await read_stored(access_site, items) != before:
        wrong.append("changed")
    return wrong


async def walk_reports(access_site, items):
    """Of a batch, when an item that it refused is hidden by now."""
    lines = [write_listed(items[LOCKED].id, None)]
    job, _ = await run_batch(access_site, "editor", DELETE_ITEMS, Selection(listed=1), lines)
    await rename(access_site, items[LOCKED], "deny-view by now")
    async with access_site.client("editor") as browser:
        pages = [
            (await browser.get(f"/batch/{job.id}{place}")).text
            for place in ("", "?part=refused", "/refused.jsonl")
        ]
    await rename(access_site, items[LOCKED], LOCKED)
    return [page for page in pages if "deny-view" in page or LOCKED in page]


async def rename(access_site, item, title):
    async with access_site.site.worker.db.acquire() as conn:
        await conn.execute("UPDATE item SET title = $2 WHERE id = $1", item.id, title)
