"""One id leads from the browser to the worker, through every line that the processes of a site write."""

import asyncio
import json

import pytest

pytestmark = pytest.mark.adversity

LATE = "delivery of a job that is not to be had"


def read_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.timeout(120)
@pytest.mark.story("5.6")
async def test_the_lines_of_a_request_and_of_its_jobs_carry_its_id(run_site, editor, capfd):
    _, token = editor
    own = "seen-in-the-browser-0001"
    async with run_site(log_level="DEBUG") as site, site.client(token=token) as writer:
        saved = await writer.post("/item/add/page", json={"title": "x"}, headers={"X-Request-ID": own})
        assert saved.status_code == 201
        assert saved.headers["X-Request-ID"] == own
        made_up = (await writer.get(saved.json()["path"])).headers["X-Request-ID"]
        refused = await writer.post("/item/add/page", json={"title": ""})
        assert refused.status_code == 422
    lines = read_lines(capfd.readouterr().err)
    # The request's line in the web process, and the job's in the worker, with what each took.
    (request,) = [line for line in lines if line["event"] == "request" and line["request_id"] == own]
    assert (request["route"], request["status"]) == ("/item/add/<type_name>", 201)
    jobs = [line for line in lines if line["event"] == "job done" and line["request_id"] == own]
    # The save, and what it asked for.
    assert "save_item" in {line["kind"] for line in jobs}
    for job in jobs:
        assert job["database_count"] >= 3
        assert job["ms"] >= job["database_ms"] > 0
        assert job["job_id"]
    assert any(line["event"] == "request" and line["request_id"] == made_up for line in lines)
    # Only what the processes say of themselves is without an id; a delivery too many is nobody's request any more.
    without = {line["event"] for line in lines if not line.get("request_id")}
    assert without <= {"web process ready", "worker ready", "worker stopped", LATE}


async def follow_batch(client, answer):
    """To its end."""
    async with asyncio.timeout(30):
        while not (status := (await client.get(answer.json()["batch"]["status"])).json())["is_finished"]:
            await asyncio.sleep(0.05)
    return status


@pytest.mark.timeout(120)
async def test_batches_and_what_cron_does_carry_the_id_of_who_asked(run_site, editor, capfd):
    _, token = editor
    batch, cron = "seen-with-the-batch-0001", "seen-with-run-now-0001"
    async with run_site(log_level="DEBUG") as site, site.client(token=token) as program:
        items = [{"type": "page", "title": f"Page {number}"} for number in range(3)]
        started = await program.post(
            "/admin/tools/import", json={"items": items}, headers={"X-Request-ID": batch}
        )
        assert (await follow_batch(program, started))["good"] == 3
        ran = await program.post(
            "/admin/cron/run", json={"task": "prune_cron_runs"}, headers={"X-Request-ID": cron}
        )
        assert [task["status"] for task in ran.json()["tasks"]] == ["done"]
    lines = read_lines(capfd.readouterr().err)

    def events(request_id):
        return {(line["event"], line.get("kind")) for line in lines if line.get("request_id") == request_id}

    assert {("request", None), ("job done", "run_batch")} <= events(batch)
    # What a task says while it works, and the job that it is part of.
    assert {("request", None), ("a task of cron is done", "run_cron"), ("job done", "run_cron")} <= events(
        cron
    )
    # The minute's own run was asked for by no browser: one id of its own goes through all its lines.
    tasks = [line for line in lines if line["event"] == "a task of cron is done"]
    own = {line["request_id"] for line in tasks if line["request_id"] != cron}
    assert len(own) <= 2
    for request_id in own:
        assert {("a task of cron is done", "run_cron"), ("job done", "run_cron")} <= events(request_id)
    assert {line["task"] for line in tasks} >= {"prune_jobs", "prune_cron_runs", "delete_expired_tokens"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("short", id="too-short"),
        pytest.param("x" * 65, id="too-long"),
        pytest.param("0123456789\u001b[31m", id="colours-a-terminal"),
        pytest.param('0123456789","level":"x', id="ends-the-JSON"),
        pytest.param("0123456789 with spaces", id="spaces"),
        pytest.param("../../../etc/passwd", id="a-path"),
    ],
)
async def test_an_id_that_is_none_is_replaced(site, sent):
    async with site.client() as visitor:
        answer = await visitor.get("/user/login", headers={"X-Request-ID": sent})
        given = answer.headers["X-Request-ID"]
        assert given != sent
        assert given.replace("-", "").isalnum()
        assert len(given) == 36
