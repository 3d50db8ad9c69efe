"""One id leads from the browser to the worker, through every line that the processes of a site write."""

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
