"""The audit log as administrators meet it: what was done through the doors stands there, and can be taken away."""

import asyncio
import csv
import io
from collections import Counter

import orjson
import pytest

from kernel.context import Context
from kernel.form.token import build_form_token
from kernel.ids import uuid7
from kernel.jobs import DELETE_ITEM, SAVE_ITEM, SET_PASSWORD, DeleteItem, SaveItem, SetPassword
from kernel.ledger.wait import submit_and_wait
from kernel.shared.session import Sessions
from kernel.user.load import load_actor
from web.audit_view import _write_cell
from web.visit import cookie_name

BODY = {"field_body": "Some words.", "field_body__format": "plain_text", "status": "1"}


async def read_log(browser, **query):
    answer = await browser.get("/admin/audit", params=query, headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()["events"]


async def test_what_is_done_stands_in_the_log_with_who_did_it_and_from_where(site):
    admin = await site.make_user("root", is_admin=True)
    session = await site.log_in(admin)
    async with site.client(cookie=session.id) as browser:
        sent = {"form_token": build_form_token(session, "item_form"), "title": "=Roses, red", **BODY}
        assert (await browser.post("/item/add/page", data=sent)).status_code == 303
        settings = {
            "form_token": build_form_token(session, "plugin_settings"),
            "name": "blog_key",
            "value": "se-cret",
        }
        assert (await browser.post("/admin/plugins/blog/settings", data=settings)).status_code == 303
        events = await read_log(browser)
        assert [event["action"] for event in events] == ["plugin.settings", "item.create"]
        assert {event["actor_name"] for event in events} == {"root"}
        assert {event["client_address"] for event in events} == {"127.0.0.1"}
        assert all(event["request_id"] and event["job_id"] for event in events)
        assert events[1]["subject_label"] == "=Roses, red"
        page = await browser.get("/admin/audit")
        assert "=Roses, red" in page.text
        assert page.headers["Cache-Control"] == "no-store"
        for answer in (page, await browser.get("/admin/audit.csv"), await browser.get("/admin/audit.jsonl")):
            assert "se-cret" not in answer.text
        rows = list(csv.DictReader(io.StringIO((await browser.get("/admin/audit.csv")).text)))
        assert [row["action"] for row in rows] == ["plugin.settings", "item.create"]
        # A spreadsheet must not take what somebody typed for a formula.
        assert rows[1]["subject_label"] == "'=Roses, red"
        lines = (await browser.get("/admin/audit.jsonl", params={"action": "item"})).text.splitlines()
        assert [orjson.loads(line)["action"] for line in lines] == ["item.create"]


async def test_each_change_of_an_item_is_told_once_and_a_refused_one_never(site):
    admin = await site.make_user("root", is_admin=True)
    stranger = await site.make_user("eve")
    item_id = uuid7()

    async def work(kind, payload, user=admin):
        ctx = Context(actor=await load_actor(site.web, user.id))
        return (await submit_and_wait(site.web.ledger, ctx, kind, payload, timeout_s=5)).result

    first = await work(SAVE_ITEM, SaveItem(item_id, "page", "One", {}))
    second = await work(
        SAVE_ITEM, SaveItem(item_id, "page", "Two", {}, expected_revision_id=first["revision_id"])
    )
    assert (
        await work(
            SAVE_ITEM, SaveItem(item_id, "page", "Late", {}, expected_revision_id=first["revision_id"])
        )
    )["outcome"] == "conflict"
    assert (await work(DELETE_ITEM, DeleteItem(item_id, second["revision_id"]), stranger))[
        "outcome"
    ] == "forbidden"
    await work(DELETE_ITEM, DeleteItem(item_id, second["revision_id"]))
    await work(SET_PASSWORD, SetPassword(admin.id, "a-hash"))
    session = await site.log_in(admin)
    async with site.client(cookie=session.id) as browser:
        events = await read_log(browser, subject=str(item_id))
        assert [(event["action"], event["subject_label"]) for event in events] == [
            ("item.delete", "Two"),
            ("item.change", "Two"),
            ("item.create", "One"),
        ]
        (password,) = await read_log(browser, action="account.password", person="root")
        assert "a-hash" not in orjson.dumps(password).decode()
        assert await read_log(browser, person="nobody-of-that-name") == []


async def test_logins_stand_in_the_log_whether_they_succeed_or_not(site):
    root = await site.make_user("root", is_admin=True, password="a long password")
    async with site.client() as browser:
        await browser.get("/user/login")
        session, _ = await Sessions(site.web.shared, 60).load(browser.cookies[cookie_name(site.config)])
        form = {
            "form_token": build_form_token(session, "user_login"),
            "name": "root",
            "password": "not this one",
        }
        for _ in range(6):
            await browser.post("/user/login", data=form)
        await browser.post("/user/login", data={**form, "name": "no-such-name"})
    session = await site.log_in(root)
    async with site.client(cookie=session.id) as browser:
        async with asyncio.timeout(5):
            while len(events := await read_log(browser, action="login")) < 6:
                await asyncio.sleep(0.02)
    told = Counter((event["action"], event["subject_label"]) for event in events)
    # Of what is locked out from one address, the first.
    assert told == {("login.refused", "root"): 5, ("login.locked", "root"): 1}
    assert "not this one" not in orjson.dumps(events).decode()
    assert "no-such-name" not in orjson.dumps(events).decode()


async def test_only_who_may_read_the_log_does(site):
    session = await site.log_in(await site.make_user("ada"))
    async with site.client(cookie=session.id) as browser:
        for path in ("/admin/audit", "/admin/audit.csv", "/admin/audit.jsonl"):
            assert (await browser.get(path)).status_code == 403


BAD = [
    "action=%00",
    "action=" + "x" * 100,
    "action='",
    "subject=" + "x" * 301,
    "person=" + "x" * 61,
    "since=soon",
    "until=2026-02-30",
    "after=x",
    "after=2026-01-01T00:00:00_01936e3b-4f5a-7000-8000-000000000001",
]


async def test_a_filter_that_cannot_be_is_refused(site):
    session = await site.log_in(await site.make_user("root", is_admin=True))
    async with site.client(cookie=session.id) as browser:
        for query in BAD:
            for path in ("/admin/audit", "/admin/audit.csv"):
                assert (await browser.get(f"{path}?{query}")).status_code == 400, (path, query)
        assert (await browser.get("/admin/audit?subject=%ED%A0%80")).status_code == 200
        assert (await browser.get("/admin/audit.xls")).status_code == 404


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        (" \t=1+1", "' \t=1+1"),
        ("\u200b\uff1d1", "'\u200b\uff1d1"),
        ("a;=1+1", "a;=1+1"),
        ("plain", "plain"),
        (None, ""),
        ({"a": "=1"}, '{"a":"=1"}'),
    ],
)
def test_no_cell_is_a_formula(value, cell):
    assert _write_cell(value) == cell
