"""The pages of batches: who sees what at which door, what is told while they go on, and what their buttons do."""

import asyncio
import json
import re
from uuid import UUID

import orjson
import pytest

from kernel.batch.delete_items import DELETE_ITEMS
from kernel.batch.export_items import EXPORT_ITEMS
from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.lines import build_chunks
from kernel.batch.publish_items import UNPUBLISH_ITEMS
from kernel.batch.reindex import REINDEX
from kernel.batch.selection import Selection, write_listed
from kernel.batch.start import start_batch
from kernel.context import Context
from kernel.form.token import build_form_token
from kernel.ids import uuid7
from kernel.item.store import select_items
from kernel.ledger.wait import wait_for_job
from kernel.user.load import PERMISSIONS_TAG, load_actor
from kernel.user.store import assign_role, grant_permission, insert_role
from tests.fixtures.events import read_events
from tests.web.test_jobs import add_job, log_in_everybody, read_job

LINES = [
    {"type": "page", "title": "First words of a title", "fields": {}},
    {"type": "pagg", "title": "Second words of a title", "fields": {}},
    "no json, and words of a line",
]


async def start(site, user, operation, arguments, *, lines=()):
    """Waits for its end; the job."""
    actor = await load_actor(site.worker, user.id)
    texts = [line if isinstance(line, str) else orjson.dumps(line).decode() for line in lines]
    job_id = await start_batch(
        site.worker, Context(actor=actor), operation, arguments, chunks=build_chunks(texts)
    )
    return await wait_for_job(site.worker.ledger, job_id, 8)


async def import_lines(site, user, lines=LINES):
    return await start(site, user, IMPORT_ITEMS, ImportItems(len(lines)), lines=lines)


async def make_admin(site, name="root"):
    user = await site.make_user(name, is_admin=True)
    return user, await site.log_in(user)


async def add_items(site, user, count, *, title="Item"):
    """As they are stored, by title."""
    lines = [{"type": "page", "title": f"{title} {number:03}", "fields": {}} for number in range(count)]
    await import_lines(site, user, lines)
    async with site.worker.db.acquire() as conn:
        ids = await conn.fetch("SELECT id FROM item WHERE title LIKE $1", f"{title} %")
        items = await select_items(conn, [row["id"] for row in ids])
    assert len(items) == count
    return sorted(items, key=lambda item: item.title)


async def finish_batch(site, path):
    """The job of this page, over."""
    assert re.fullmatch(r"/batch/[0-9a-f-]{36}", path)
    return await wait_for_job(site.worker.ledger, UUID(path.rpartition("/")[2]), 8)


async def press(browser, session, path, form_id, **fields):
    return await browser.post(path, data={"form_token": build_form_token(session, form_id), **fields})


@pytest.mark.story("13.7")
async def test_a_program_is_told_how_far_a_batch_is(site):
    root, session = await make_admin(site)
    job = await import_lines(site, root)
    async with site.client(cookie=session.id) as browser:
        answer = await browser.get(f"/batch/{job.id}/status")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json() == {
        "id": str(job.id),
        "operation": "import_items",
        "status": "done",
        "is_finished": True,
        "is_cancelling": False,
        "done": 3,
        "total": 3,
        "percent": 100,
        "good": 1,
        "refused": 2,
        "note": "Importing",
        "problems": [],
        "error": "",
        "result": {
            "outcome": "done",
            "title": "Import items",
            "path": f"/batch/{job.id}",
            "done": 1,
            "refused": 2,
            "unchanged": 0,
        },
    }


async def test_the_page_tells_what_became_of_it_and_of_each_line(site):
    root, session = await make_admin(site)
    job = await import_lines(site, root)
    async with site.client(cookie=session.id) as browser:
        page = await browser.get(f"/batch/{job.id}")
    assert page.status_code == 200
    assert "1 item was imported. 2 were refused." in page.text
    assert "A file of 3 lines" in page.text
    assert "Line 2" in page.text
    assert "There is no item type &#39;pagg&#39;" in page.text
    assert "no json, and words of a line" in page.text
    assert "Try the 2 refused again" in page.text


# Status by door and reader; T: what the lines hold, S: how far it is.
DOORS = {
    "/batch/{id}": {"actor": "200 TS", "administrator": "200 TS", "overseer": "200 S"},
    "/batch/{id}?part=refused": {"actor": "200 T", "administrator": "200 T", "overseer": "200"},
    "/batch/{id}/status": {"actor": "200 S", "administrator": "200 S", "overseer": "200 S"},
    "/batch/{id}/events": {"actor": "200 S", "administrator": "200 S", "overseer": "200 S"},
    "/batch/{id}/refused.jsonl": {"actor": "200 T", "administrator": "200 T", "overseer": "403"},
    "/batch/{id}/items.jsonl": {"actor": "404", "administrator": "404", "overseer": "403"},
}


async def test_who_sees_what_of_a_batch(site):
    ada, cookies = await log_in_everybody(site)
    await grant(site, ada, "administer content", "create page content")
    job = await import_lines(site, ada)
    assert (job.result["done"], job.result["refused"]) == (1, 2)
    seen = {door: {} for door in DOORS}
    for reader, cookie in cookies.items():
        async with site.client(cookie=cookie) as client:
            for door in DOORS:
                answer = await client.get(door.format(id=job.id))
                has = [
                    letter
                    for letter, words in (
                        ("T", "words of a line"),
                        ("S", '"refused":2'),
                        ("S", 'data-live="refused">2<'),
                    )
                    if words in answer.text and answer.status_code == 200
                ]
                seen[door][reader] = f"{answer.status_code} {''.join(dict.fromkeys(has))}".strip()
    expected = {door: {**dict.fromkeys(cookies, "404"), **readers} for door, readers in DOORS.items()}
    assert seen == expected


async def grant(site, user, *permissions):
    async with site.worker.db.transaction() as tx:
        await insert_role(tx.conn, "importer")
        for permission in permissions:
            await grant_permission(tx.conn, "importer", permission)
        await assign_role(tx.conn, user.id, "importer")
    await site.worker.cache.drop([PERMISSIONS_TAG])


async def test_who_may_not_do_the_like_any_more_reads_nothing_of_it_either(site):
    ada = await site.make_user("ada")
    session = await site.log_in(ada)
    await grant(site, ada, "administer content")
    job = await import_lines(site, ada)
    async with site.client(cookie=session.id) as browser:
        assert (await browser.get(f"/batch/{job.id}/refused.jsonl")).status_code == 200
        assert "words of a line" in (await browser.get(f"/batch/{job.id}")).text
        async with site.worker.db.transaction() as tx:
            await tx.conn.execute("DELETE FROM role_permission WHERE permission = 'administer content'")
        await site.worker.cache.drop([PERMISSIONS_TAG])
        assert (await browser.get(f"/batch/{job.id}/refused.jsonl")).status_code == 403
        assert "words of a line" not in (await browser.get(f"/batch/{job.id}")).text
        assert (await press(browser, session, f"/batch/{job.id}/retry", "batch_retry")).status_code == 403


async def test_titles_of_refused_items_are_told_to_those_who_may_view_them(site):
    ada = await site.make_user("ada")
    session = await site.log_in(ada)
    await grant(site, ada, "access content overview", "access content")
    root, _ = await make_admin(site)
    shown, draft = await add_items(site, root, 2, title="Words of a title")
    lines = [write_listed(item.id, None) for item in (shown, draft)]
    job = await start(site, ada, DELETE_ITEMS, Selection(listed=2), lines=lines)
    assert job.result["refused"] == 2
    async with site.worker.db.acquire() as conn:
        await conn.execute("UPDATE item SET status = 0 WHERE id = $1", draft.id)
    async with site.client(cookie=session.id) as browser:
        page = await browser.get(f"/batch/{job.id}")
    assert shown.title in page.text
    assert draft.title not in page.text
    assert "Item 2" in page.text


@pytest.mark.parametrize("path", ["", "/status", "/events", "/refused.jsonl", "/items.jsonl"])
async def test_there_is_no_batch_at_other_addresses(site, path):
    root, session = await make_admin(site)
    another_kind = await add_job(site, root.id)
    async with site.client(cookie=session.id) as browser:
        for name in (uuid7(), another_kind, "1", "x" * 300, "../x", "%00"):
            assert (await browser.get(f"/batch/{name}{path}")).status_code == 404, name


async def test_the_page_of_the_job_leads_to_that_of_the_batch(site):
    root, session = await make_admin(site)
    job = await import_lines(site, root)
    async with site.client(cookie=session.id) as browser:
        answer = await browser.get(f"/job/{job.id}?details=1")
        assert (answer.status_code, answer.headers["Location"]) == (307, f"/batch/{job.id}")
        for path in ("/jobs", "/admin/jobs", "/admin"):
            page = await browser.get(path)
            assert f'href="/batch/{job.id}"' in page.text, path
            assert "Import items" in page.text, path
        assert "2 refused" in (await browser.get("/jobs")).text


@pytest.mark.story("13.7")
async def test_the_events_tell_how_far_it_is_and_end_with_it(site):
    root, session = await make_admin(site)
    cursor = {"operation": "import_items", "arguments": {"count": 400}, "place": {}, "refused": 3}
    running = {"kind": "run_batch", "cursor": cursor, "progress_done": 100, "progress_total": 400}
    job_id = await add_job(site, root.id, "running", payload={}, result=None, error=None, **running)
    async with site.client(cookie=session.id) as browser:
        status = (await browser.get(f"/batch/{job_id}/status")).json()
        assert (status["percent"], status["is_finished"], status["result"]) == (25, False, None)
        async with site.worker.db.acquire() as conn:
            await conn.execute(
                "UPDATE job SET status = 'done', progress_done = 400, finished = now() WHERE id = $1", job_id
            )
        async with browser.stream("GET", f"/batch/{job_id}/events") as answer:
            (event,) = [event async for event in read_events(answer.aiter_lines())]
    assert (event.name, event.data["percent"], event.data["good"], event.data["refused"]) == (
        "end",
        100,
        397,
        3,
    )


# What was refused, and trying it again ----------------------------------------------------------------------


async def test_refused_lines_come_as_a_file_that_can_be_mended_and_imported(site):
    root, session = await make_admin(site)
    job = await import_lines(site, root)
    async with site.client(cookie=session.id) as browser:
        answer = await browser.get(f"/batch/{job.id}/refused.jsonl")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="refused-{job.id}.jsonl"'
    assert answer.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    first, second = (json.loads(line) for line in answer.text.splitlines())
    message = "There is no item type 'pagg'. This site has: blog, page."
    assert first == {"_refused": {"line": 2, "message": message}, **LINES[1]}
    assert second["_refused"]["line"] == 3
    mended = [{**first, "type": "page"}]
    assert (await import_lines(site, root, mended)).result["done"] == 1


async def test_many_refused_ones_are_shown_fifty_at_a_time(site):
    root, session = await make_admin(site)
    job = await import_lines(site, root, ["no json"] * 120)
    async with site.client(cookie=session.id) as browser:
        page = await browser.get(f"/batch/{job.id}")
        assert page.text.count("refused__row") == 50
        assert "and 70 more" in page.text
        page = await browser.get(f"/batch/{job.id}?after=100")
        assert page.text.count("refused__row") == 20
        assert "Line 101" in page.text
        assert "There are no more." in (await browser.get(f"/batch/{job.id}?after=120")).text
        for wrong in ("-1", "x", "9" * 30, "1.5", "%D9%A1"):
            assert (await browser.get(f"/batch/{job.id}?after={wrong}")).status_code == 400, wrong
        lines = (await browser.get(f"/batch/{job.id}/refused.jsonl")).text.splitlines()
    assert [json.loads(line)["_refused"]["line"] for line in lines] == list(range(1, 121))


async def test_what_was_refused_is_tried_again_once_however_often_the_button_is_pressed(site):
    root, session = await make_admin(site)
    (item,) = await add_items(site, root, 1)
    lines = [write_listed(item.id, uuid7())]
    job = await start(site, root, UNPUBLISH_ITEMS, Selection(listed=1), lines=lines)
    assert job.result["refused"] == 1
    async with site.client(cookie=session.id) as browser:
        answers = await asyncio.gather(
            *(press(browser, session, f"/batch/{job.id}/retry", "batch_retry") for _ in range(3))
        )
        (path,) = {answer.headers["Location"] for answer in answers}
        again = await finish_batch(site, path)
        assert (again.result["done"], again.result["refused"]) == (1, 0)
        page = await browser.get(f"/batch/{job.id}")
        assert f'href="{path}">What became of the refused' in page.text
        page = await browser.get(path)
        assert "What an earlier batch refused" in page.text
        assert f'href="/batch/{job.id}"' in page.text
        # That one refused nothing.
        assert (await press(browser, session, f"{path}/retry", "batch_retry")).status_code == 400


async def test_a_second_try_that_was_cancelled_makes_room_for_another(site):
    root, session = await make_admin(site)
    job = await import_lines(site, root)
    cursor = {"operation": "import_items", "arguments": {}, "place": {}, "refused": 0}
    cancelled = {"kind": "run_batch", "payload": {}, "cursor": cursor, "dedupe_key": f"batch-retry:{job.id}"}
    await add_job(site, root.id, "cancelled", **cancelled)
    async with site.client(cookie=session.id) as browser:
        answer = await press(browser, session, f"/batch/{job.id}/retry", "batch_retry")
    again = await finish_batch(site, answer.headers["Location"])
    assert again.result["refused"] == 2


@pytest.mark.parametrize(("status", "answered"), [("running", 409), ("dead", 409), ("failed", 409)])
async def test_only_what_a_batch_that_is_over_refused_is_tried_again(site, status, answered):
    root, session = await make_admin(site)
    job = await import_lines(site, root)
    async with site.worker.db.acquire() as conn:
        await conn.execute(
            "UPDATE job SET status = $2, lease_until = now() + interval '1 hour' WHERE id = $1",
            job.id,
            status,
        )
    async with site.client(cookie=session.id) as browser:
        assert "Try the 2 refused again" not in (await browser.get(f"/batch/{job.id}")).text
        answer = await press(browser, session, f"/batch/{job.id}/retry", "batch_retry")
    assert answer.status_code == answered


async def test_what_cannot_be_tried_again_is_not(site):
    root, session = await make_admin(site)
    job = await start(site, root, REINDEX, Selection())
    async with site.client(cookie=session.id) as browser:
        assert (await press(browser, session, f"/batch/{job.id}/retry", "batch_retry")).status_code == 400
        assert (await browser.get(f"/batch/{job.id}/refused.jsonl")).status_code == 404


async def test_cancelling_what_is_over_changes_nothing_and_says_so(site):
    root, session = await make_admin(site)
    job = await import_lines(site, root)
    async with site.client(cookie=session.id) as browser:
        answer = await press(
            browser, session, f"/job/{job.id}/cancel?destination=/batch/{job.id}", "job_cancel"
        )
        assert answer.headers["Location"] == f"/batch/{job.id}"
        page = await browser.get(f"/batch/{job.id}")
    assert "It was too late to cancel" in page.text
    assert (await read_job(site, job.id))["status"] == "done"


async def test_a_button_without_its_token_does_nothing(site):
    root, session = await make_admin(site)
    job = await import_lines(site, root)
    async with site.client(cookie=session.id) as browser:
        for token in ("", "0" * 64, build_form_token(session, "job_retry")):
            answer = await browser.post(f"/batch/{job.id}/retry", data={"form_token": token})
            assert answer.status_code == 403
    async with site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job WHERE kind = 'run_batch'") == 1


# The file of an export --------------------------------------------------------------------------------------


async def test_an_export_is_downloaded_whole_and_comes_in_again_elsewhere(site):
    root, session = await make_admin(site)
    items = await add_items(site, root, 300)
    job = await start(site, root, EXPORT_ITEMS, Selection())
    async with site.client(cookie=session.id) as browser:
        page = await browser.get(f"/batch/{job.id}")
        assert "300 items were exported." in page.text
        answer = await browser.get(f"/batch/{job.id}/items.jsonl")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert re.fullmatch(r'attachment; filename="items-[\d-]+\.jsonl"', answer.headers["Content-Disposition"])
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert {line["id"] for line in lines} == {str(item.id) for item in items}
    async with site.worker.db.acquire() as conn:
        await conn.execute("DELETE FROM item")
    assert (await import_lines(site, root, lines)).result["done"] == 300


@pytest.mark.parametrize("status", ["running", "cancelled", "dead"])
async def test_half_an_export_is_not_given_away(site, status):
    root, session = await make_admin(site)
    await add_items(site, root, 3)
    job = await start(site, root, EXPORT_ITEMS, Selection())
    async with site.worker.db.acquire() as conn:
        await conn.execute(
            "UPDATE job SET status = $2, lease_until = now() + interval '1 hour' WHERE id = $1",
            job.id,
            status,
        )
    async with site.client(cookie=session.id) as browser:
        assert (await browser.get(f"/batch/{job.id}/items.jsonl")).status_code == 409
        assert "items.jsonl" not in (await browser.get(f"/batch/{job.id}")).text
