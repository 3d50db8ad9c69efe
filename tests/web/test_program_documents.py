"""What docs/jobs.md and docs/batches.md tell programs is so: examples are taken, keys are those of answers."""

import json
import re

import pytest

from kernel.clock import now
from kernel.item.store import select_items
from kernel.ledger.lists import WINDOW
from tests.fixtures.database import ROOT
from tests.web.test_batch import finish_batch
from tests.web.test_jobs import add_job
from web.bulk import ACTIONS, LISTED_MAX
from web.job_lists import PAGE_SIZE
from web.routes.admin.tools import RUN_BY_BUTTON


def read_document(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def read_examples(text, job_id=""):
    """Method, path, headers and document of each request."""
    examples = []
    for block in re.findall(r"```http\n(.*?)```", text, re.DOTALL):
        head, _, body = block.replace("{id}", str(job_id)).partition("\n\n")
        (method, path), *headers = (line.split(" ", 1) for line in head.splitlines())
        examples.append((method, path, {name.rstrip(":"): value for name, value in headers}, body.strip()))
    return examples


def read_keys(text, name):
    part = text.partition(f"<!-- {name}: a test")[2].partition(f"<!-- end of {name} -->")[0]
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    return sorted(key for row in rows for key in re.findall(r"`(\w+)`", row))


@pytest.fixture
async def program(site):
    root = await site.make_user("root", is_admin=True)
    async with site.client(token=await site.make_token(root)) as client:
        client.user = root
        yield client


async def send(program, method, path, headers, body):
    headers = {**headers, "Content-Type": "application/json"} if body else headers
    return await program.request(method, path, headers=headers, content=body or None)


async def test_the_requests_that_start_batches_are_taken(site, program):
    text = read_document("batches.md")
    examples = read_examples(text)
    assert [path for _, path, _, _ in examples] == [
        "/admin/tools/import",
        "/admin/tools/export",
        "/admin/tools/run",
        "/admin/content/bulk",
        "/admin/content/bulk",
    ]
    results = []
    for example in examples:
        answer = await send(program, *example)
        assert answer.status_code == 202, answer.text
        batch = answer.json()["batch"]
        assert sorted(batch) == ["id", "path", "status"]
        job = await finish_batch(site, batch["path"])
        status = (await program.get(batch["status"])).json()
        assert sorted(status) == read_keys(text, "status")
        results.append((status["operation"], status["good"], status["refused"]))
        if status["operation"] == "export_items":
            lines = (await program.get(f"{batch['path']}/items.jsonl")).text.splitlines()
            assert [json.loads(line)["title"] for line in lines] == ["Soup"]
        if status["refused"]:
            assert (await program.get(f"{batch['path']}/refused.jsonl")).status_code == 200
            assert (await program.post(f"/batch/{job.id}/retry", json={})).status_code == 202
    assert results == [
        ("import_items", 2, 0),
        ("export_items", 1, 0),
        ("reindex", 2, 0),
        ("unpublish_items", 0, 1),
        ("delete_items", 1, 0),
    ]
    async with site.worker.db.acquire() as conn:
        (left,) = await conn.fetch("SELECT id FROM item")
        assert [item.title for item in await select_items(conn, [left["id"]])] == ["Soup"]


async def test_the_requests_about_jobs_are_taken(site, program):
    text = read_document("jobs.md")
    for number in range(len(read_examples(text))):
        payload = {"user_id": str(program.user.id), "at": now().isoformat()}
        job_id = await add_job(site, program.user.id, kind="record_login", payload=payload, result=None)
        method, path, *_ = example = read_examples(text, job_id)[number]
        answer = await send(program, *example)
        assert answer.status_code == 200, answer.text
        data = answer.json()
        if method == "GET":
            assert sorted(data) == ["counted_to", "counts", "is_cut", "jobs", "next_before"]
            assert set(data["jobs"][0]) >= {"page", "actor", "title", "status"}
        elif path == "/admin/jobs/retry":
            assert {name: data[name] for name in ("retried", "refused", "waiting")} == {
                "retried": 1,
                "refused": 0,
                "waiting": 0,
            }
        else:
            assert sorted(data["job"]) == read_keys(text, "job")
            assert data["message"]
        assert sorted((await program.get(f"/job/{job_id}.json")).json()) == read_keys(text, "job")


def test_the_numbers_and_names_are_those_of_the_code():
    jobs, batches = read_document("jobs.md"), read_document("batches.md")
    assert f"newest\n{WINDOW:,} jobs" in jobs
    assert f"after {WINDOW:,} jobs" in jobs
    assert f"everybody's jobs, {PAGE_SIZE} at a time" in jobs
    assert f"Up to {PAGE_SIZE} at once" in jobs
    assert f"Up to {LISTED_MAX:,} `items` are named" in batches
    assert "`action` is `publish`, `unpublish` or `delete`." in batches
    assert list(ACTIONS) == ["publish", "unpublish", "delete"]
    assert list(RUN_BY_BUTTON) == ["reindex", "refresh_pages"]
