"""Each request leaves a line that says where its time went; administrators find it in the answer too."""

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from quart import g
from structlog.testing import capture_logs

from kernel.config import Config
from web.app import create_app, create_asgi
from web.page_cache import PageCache
from web.visit import cookie_name

TOKEN = "a-token-of-some-length"


@asynccontextmanager
async def ask_from(site, app=None, *, peer="127.0.0.1", **headers):
    """A client at this address."""
    transport = httpx.ASGITransport(app=app or site.app, client=(peer, 4711))
    base_url = f"http://localhost:{site.config.port}"
    async with httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers) as client:
        yield client


def vary(site, **settings):
    """The same site under another configuration."""
    return create_asgi(replace(site.web, config=replace(site.config, **settings)))


def read_lines(logs):
    return [line for line in logs if line["event"] in {"request", "slow request"}]


@pytest.mark.story("5.6")
async def test_a_request_leaves_a_line_with_its_breakdown(site):
    token = await site.make_token(await site.make_user("ada", is_admin=True))
    async with site.client(token=token) as program, site.client() as visitor:
        with capture_logs() as logs:
            made = await program.post(
                "/item/add/blog", json={"title": "x", "fields": {"field_body": "<p>y</p>"}}
            )
        (saved,) = read_lines(logs)
        assert made.status_code == 201
        assert saved["log_level"] == "info"
        assert (saved["method"], saved["route"], saved["status"]) == ("POST", "/item/add/<type_name>", 201)
        assert 0 < saved["job_ms"] < saved["ms"]
        assert saved["job_count"] == 1
        assert saved["database_count"] >= 2

        with capture_logs() as logs:
            await visitor.get(made.json()["path"])
        (shown,) = read_lines(logs)
        assert (shown["method"], shown["route"], shown["status"]) == ("GET", "/item/<item_id>", 200)
        assert shown["taps_count"] >= 1
        for part in ("database", "taps", "redis", "render"):
            assert 0 <= shown[f"{part}_ms"] <= shown["ms"]
        assert "job_ms" not in shown
        assert made.json()["path"] not in str(shown)

        # A kept page costs a fraction of what a line would.
        with capture_logs() as logs:
            await visitor.get(made.json()["path"])
        assert read_lines(logs) == []

        with capture_logs() as logs:
            await visitor.get("/health")
        assert [line["log_level"] for line in read_lines(logs)] == ["debug"]


@pytest.mark.story("5.6")
async def test_a_slow_request_is_a_warning(site):
    assert Config().slow_request_ms == 500
    levels = {}
    for limit_ms in (0.001, 60_000.0):
        async with ask_from(site, vary(site, slow_request_ms=limit_ms)) as visitor:
            with capture_logs() as logs:
                assert (await visitor.get("/user/login")).status_code == 200
        (line,) = read_lines(logs)
        levels[line["event"]] = line["log_level"]
        assert line["route"] == "/user/login"
        assert line["render_count"] >= 1
    assert levels == {"slow request": "warning", "request": "info"}


async def test_a_kept_page_that_was_slow_is_a_warning_too(site):
    async with ask_from(site, vary(site, slow_request_ms=0.0)) as visitor:
        await visitor.get("/blog")
        with capture_logs() as logs:
            assert (await visitor.get("/blog")).headers["ETag"]
    (line,) = read_lines(logs)
    assert (line["event"], line["route"], line["status"]) == ("slow request", "/blog", 200)


@pytest.mark.story("5.6")
async def test_handlers_have_the_profile(site):
    app = create_app(site.web)

    @app.get("/seen")
    async def show_seen():
        return {"database": g.profile.counts["database"], "redis": g.profile.counts["redis"]}

    pages = PageCache(app, site.web.cache, site.config, cookie_name(site.config))
    session = await site.log_in(await site.make_user("ada"))
    async with ask_from(site, pages, Cookie=f"{cookie_name(site.config)}={session.id}") as known:
        seen = (await known.get("/seen")).json()
    # The session is read from Redis and its user from PostgreSQL, before the handler is asked.
    assert seen["redis"] >= 1
    assert seen["database"] >= 1


async def test_a_stream_counts_until_it_begins_and_is_not_slow(site):
    app = create_app(site.web)

    @app.get("/events")
    async def stream_events():
        async def events():
            for number in range(3):
                yield f"data: {number}\n\n".encode()

        return events(), 200, {"Content-Type": "text/event-stream"}

    began = []

    async def application(scope, receive, send):
        async def take(message):
            if message["type"] == "http.response.body" and message.get("body"):
                began.append(message)
            await send(message)

        await app(scope, receive, take)

    async with ask_from(site, PageCache(application, site.web.cache, site.config, "trovato")) as visitor:
        with capture_logs() as logs:
            assert (await visitor.get("/events", headers={"Accept": "text/event-stream"})).status_code == 200
    assert len(began) == 3
    (line,) = read_lines(logs)
    assert (line["route"], line["status"]) == ("/events", 200)


async def test_only_administrators_are_told_in_the_answer(site):
    administrator = await site.make_user("ada", is_admin=True)
    editor = await site.make_user("bob")
    clients = {
        "administrator": site.client(cookie=(await site.log_in(administrator)).id),
        "program": site.client(token=await site.make_token(administrator)),
        "editor": site.client(cookie=(await site.log_in(editor)).id),
        "editor's program": site.client(token=await site.make_token(editor)),
        "stranger": site.client(),
    }
    told = {}
    for name, opened in clients.items():
        async with opened as client:
            for path in ("/blog", "/user/login", "/nothing-here", "/health"):
                told[name, path] = (await client.get(path)).headers.get("Server-Timing")
    for path in ("/blog", "/user/login", "/nothing-here"):
        for name in ("administrator", "program"):
            assert re.search(r"total;dur=[\d.]+$", told[name, path])
    assert re.match(r'database;dur=[\d.]+;desc="database, \d+", taps;dur=', told["administrator", "/blog"])
    assert {key for key, value in told.items() if value} == {
        (name, path)
        for name in ("administrator", "program")
        for path in ("/blog", "/user/login", "/nothing-here")
    }


async def test_addresses_and_methods_without_end_are_few_routes(site):
    metrics = site.web.metrics
    async with site.client() as visitor:
        for number in range(30):
            await visitor.get(f"/no-such-page-{number}/with/{number}")
            await visitor.get(f"/item/no-id-{number}")
            await visitor.request(f"BREW{number}", "/blog")
        await visitor.get("/healthy-food")
        await visitor.get("/metrics-of-mine")
    counts = {
        tuple(sorted(sample.labels.items())): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "trovato_http_requests_total"
    }
    assert counts == {
        (("method", "GET"), ("route", "none"), ("status", "404")): 32,
        (("method", "GET"), ("route", "/item/<item_id>"), ("status", "404")): 30,
        (("method", "other"), ("route", "none"), ("status", "405")): 30,
    }


@pytest.mark.story("14.4")
async def test_the_door_is_closed_to_everybody_outside(site):
    app = vary(site, metrics=replace(site.config.metrics, token=TOKEN))
    own = await site.make_token(await site.make_user("ada", is_admin=True))
    answers = {}
    for name, peer, headers in (
        ("outside", "203.0.113.9", {}),
        ("outside, lying", "203.0.113.9", {"X-Forwarded-For": "127.0.0.1"}),
        ("through a proxy", "127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}),
        ("wrong token", "127.0.0.1", {"Authorization": "Bearer wrong"}),
        ("an administrator's token", "203.0.113.9", {"Authorization": f"Bearer {own}"}),
        ("token", "203.0.113.9", {"Authorization": f"Bearer {TOKEN}"}),
        ("inside", "127.0.0.1", {}),
    ):
        async with ask_from(site, app, peer=peer, **headers) as client:
            answers[name] = await client.get("/metrics")
    refused = answers["outside"]
    assert "METRICS_TOKEN" in refused.json()["error"]["message"]
    assert b"trovato_" not in refused.content
    assert refused.headers["Cache-Control"] == "no-store"
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "outside": 403,
        "outside, lying": 403,
        "through a proxy": 403,
        "wrong token": 403,
        "an administrator's token": 403,
        "token": 200,
        "inside": 200,
    }
    assert answers["inside"].headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answers["inside"].headers["Cache-Control"] == "no-store"


async def test_who_left_before_the_answer_is_no_error_of_ours(site):
    app = create_app(site.web)
    begun = asyncio.Event()

    @app.get("/long")
    async def wait_long():
        begun.set()
        await asyncio.Event().wait()

    pages = PageCache(app, site.web.cache, site.config, cookie_name(site.config))
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        await begun.wait()
        return {"type": "http.disconnect"}

    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/long",
        "raw_path": b"/long",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost:3000")],
        "client": ("127.0.0.1", 4711),
        "server": ("localhost", 3000),
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "extensions": {},
    }
    with capture_logs() as logs:
        await pages(scope, receive, send)
    assert sent == []
    assert [(line["status"], line["log_level"]) for line in read_lines(logs)] == [(499, "info")]
