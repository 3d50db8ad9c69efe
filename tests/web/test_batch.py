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
from kernel.batch.publish_items import PUBLISH_ITEMS
from kernel.batch.reindex import REINDEX
from kernel.batch.selection import Selection, write_listed
from kernel.batch.start import start_batch
from kernel.context import Context
from kernel.form.token import build_form_token
from kernel.ids import uuid7
from kernel.item.store import select_items
from kernel.ledger.wait import wait_for_job
from kernel.user.load import load_actor
from tests.fixtures.events import read_events, read_lines
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
