"""API tokens: made by people for themselves, limited to what was ticked, in the request and in what follows from it."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from kernel.batch.delete_items import DELETE_ITEMS
from kernel.clock import now
from kernel.context import Actor, Context
from kernel.ids import uuid7
from kernel.jobs import DELETE_ITEM, SAVE_ITEM, DeleteItem, SaveItem
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import submit_and_wait, wait_for_job
from kernel.person_jobs import CHANGE_PEOPLE, SAVE_API_TOKEN, ChangePeople, SaveApiToken
from kernel.user.load import load_actor
from kernel.user.store import list_api_tokens
from tests.web.people_site import AdminSite, read_text


@pytest.fixture
async def office(site):
    return await AdminSite.open(site)


def read_token(html):
    return re.search(r"trovato_[0-9A-Za-z]{43}", html)[0]


async def list_tokens(office, name):
    async with office.site.worker.db.acquire() as conn:
        return await list_api_tokens(conn, office.users[name].id)


async def test_a_token_is_made_shown_once_used_and_revoked(office):
    async with office.browser("ed") as browser:
        sent = await browser.submit(
            "/user/tokens",
            "api_token",
            label="Nightly import",
            days="90",
            reach="chosen",
            scope=["access content", "access content overview"],
        )
        token = read_token(sent.text)
        assert token not in (await browser.get("/user/tokens")).text
        (kept,) = await list_tokens(office, "ed")
        assert kept.scope == ["access content", "access content overview"]
        assert timedelta(89) < kept.expires - datetime.now(UTC) < timedelta(91)
        for wrong in ({"reach": "chosen"}, {"reach": "chosen", "scope": ["administer users"]}):
            refused = await browser.submit("/user/tokens", "api_token", label="x", days="90", **wrong)
            assert refused.status_code == 422
        async with office.site.client(token=token) as program:
            assert (await program.get("/admin/content")).status_code == 200
            assert (await program.get("/user/tokens")).status_code == 403
        used = await wait_for_use(office, "ed")
        assert (used.minute, used.second) == (0, 0)
        sent = await browser.submit("/user/tokens/revoke", "api_token_revoke", token=str(kept.id))
        assert sent.headers["Location"] == "/user/tokens"
    async with office.site.client(token=token) as program:
        assert (await program.get("/admin/content")).status_code == 401


async def wait_for_use(office, name):
    """A worker notes it after the answer."""
    for _ in range(500):
        (token,) = await list_tokens(office, name)
        if token.last_used is not None:
            return token.last_used
    pytest.fail("the use of the token was not noted")


async def test_a_token_ends_in_another_process_with_the_right_to_use_it_also_when_no_message_came(office):
    """Of the process that serves the request, whose connection to the bus is gone."""
    ed = await office.find("ed")
    token = await office.site.make_token(ed.user)
    async with office.browser("root") as browser, office.site.client(token=token) as program:
        assert (await program.get("/admin/content")).status_code == 200
        await office.site.web.bus.close()
        ledger, ctx = office.site.worker.ledger, Context(actor=Actor(office.users["root"].id))
        taken = ChangePeople("remove_role", [ed.id], UUID(office.roles["editor"]))
        job = await submit_and_wait(ledger, ctx, CHANGE_PEOPLE, taken, timeout_s=20)
        assert job.result["changed"] == 1
        assert (await program.get("/admin/content")).status_code == 401
        # Nobody is given one that would not be good.
        new = SaveApiToken(uuid7(), ed.id, "ab" * 32, "x", now() + timedelta(days=1), None)
        job = await submit_and_wait(ledger, ctx, SAVE_API_TOKEN, new, timeout_s=20)
        assert (job.result["outcome"], "ed may not use API" in job.result["message"]) == ("forbidden", True)
        assert "ed may not use API tokens" in (await browser.get(f"{ed.path}/tokens")).text


async def test_a_token_of_an_administrator_may_no_more_than_was_ticked_also_in_jobs(office):
    """Which have its person's rights of later, and its scope all the same."""
    ledger = office.site.web.ledger
    root = await load_actor(office.site.web, office.users["root"].id)
    limited = Context(actor=root.within(frozenset({"access content", "access content overview"})))
    payload = SaveItem(uuid7(), "page", "Safe from tokens", {})

    async def run(ctx, kind, payload):
        return (await wait_for_job(ledger, await submit_job(ledger, ctx, kind, payload), 10)).result

    made = await run(Context(actor=root), SAVE_ITEM, payload)
    revision = UUID(made["revision_id"])
    for kind, wish in (
        (SAVE_ITEM, replace(payload, item_id=uuid7())),
        (SAVE_ITEM, replace(payload, title="Changed", expected_revision_id=revision)),
        (DELETE_ITEM, DeleteItem(payload.item_id, revision)),
    ):
        assert (await run(limited, kind, wish))["outcome"] == "forbidden", wish
    async with office.browser("root") as browser:
        sent = await browser.submit(
            "/user/tokens",
            "api_token",
            label="Looks only",
            days="7",
            reach="chosen",
            scope=["access content", "access content overview"],
        )
        token = read_token(sent.text)
    async with office.site.client(token=token) as program:
        assert (await program.get("/admin/people")).status_code == 403
        started = await program.post("/admin/content/bulk", json={"action": "delete", "filter": {}})
        assert started.status_code == 202, started.text
        job_id = started.json()["batch"]["id"]
    async with office.site.worker.db.acquire() as conn:
        scope = await conn.fetchval("SELECT scope FROM job WHERE kind = 'run_batch'")
    assert scope == ["access content", "access content overview"]
    job = await wait_for_job(ledger, job_id, 10)
    assert (job.result["refused"], job.result["done"]) == (1, 0)
    assert DELETE_ITEMS.name == "delete_items"


async def test_a_limited_token_stands_for_its_person_in_no_job_that_reaches_further(office):
    async with office.browser("ed") as browser:
        sent = await browser.submit(
            "/user/tokens", "api_token", label="x", days="90", reach="chosen", scope=["access content"]
        )
        token = read_token(sent.text)
    worker = office.site.worker
    ctx = Context(actor=await load_actor(worker, office.users["ed"].id))
    # Sent long from now: nothing becomes of it here.
    payload = SaveItem(uuid7(), "page", "A secret draft", {})
    own = await submit_job(worker.ledger, ctx, SAVE_ITEM, payload, run_at=now() + timedelta(hours=1))
    limited = replace(ctx, actor=ctx.actor.within(frozenset({"access content"})))
    narrow = await submit_job(worker.ledger, limited, SAVE_ITEM, payload, run_at=now() + timedelta(hours=1))
    async with office.site.client(token=token) as program:
        lines = {line["id"]: line for line in (await program.get("/jobs.json")).json()["jobs"]}
        assert not lines[str(own)]["may_cancel"]
        assert lines[str(narrow)]["may_cancel"]
        for verb in ("retry", "cancel"):
            assert (await program.post(f"/job/{own}/{verb}", json={})).status_code in {403, 404}
        assert "A secret draft" not in (await program.get(f"/job/{own}.json")).text


async def test_only_administrators_make_tokens_of_others_and_who_may_not_use_them_makes_none(office):
    ed = await office.find("ed")
    async with office.browser("root") as browser:
        sent = await browser.submit(
            f"{ed.path}/tokens", "api_token", label="For Ed", days="7", reach="everything"
        )
        token = read_token(sent.text)
        assert "For Ed" in read_text((await browser.get(f"{ed.path}/tokens")).text)
    async with office.browser("ann") as browser:
        assert "New token" not in (await browser.get("/user/tokens")).text
        sent = await browser.submit("/user/tokens", "api_token", label="x", days="7", reach="everything")
        assert sent.status_code == 403
        (kept,) = await list_tokens(office, "ed")
        await browser.submit("/user/tokens/revoke", "api_token_revoke", token=str(kept.id))
        assert await list_tokens(office, "ed") == [kept]
    async with office.site.client(token=token) as program:
        assert (await program.get("/admin/content")).status_code == 200
