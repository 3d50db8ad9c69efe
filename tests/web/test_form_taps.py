"""A plugin's input in the form of an item: shown, checked, kept from the item, and told of afterwards."""

import re
from dataclasses import replace

import pytest

from kernel.context import Context
from kernel.form.token import build_form_token, build_id
from kernel.form_jobs import RUN_FORM_TAPS, SubmittedForm
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.plugin.live import LivePlugins
from kernel.setting.store import upsert_setting
from kernel.setting.tag import setting_tag
from kernel.shared.session import Sessions
from kernel.tap.registry import TapOptions, TapRegistry
from kernel.user.load import load_actor
from kernel.user.proof.registration import SETTING
from web.app import create_asgi
from web.visit import cookie_name

ON_ITEMS = TapOptions(forms=frozenset({"item_form", "user_register"}))
SENT = {"title": "Bread", "field_body": "<p>x</p>", "field_body__format": "filtered_html", "status": "1"}


@pytest.fixture
async def probed_site(site, workshop):
    """The shipped plugins and `probe`, in the web process and in the worker."""
    may = {"permissions": frozenset({"granted"})}
    taps = dict.fromkeys(("form_alter", "form_validate", "form_submit"), ON_ITEMS)
    probe = await workshop.load("probe", may=may, **taps)

    def add_probe(rt):
        shipped = rt.plugins
        registry = TapRegistry((*shipped.registry.plugins, probe), shipped.registry.type_owners)
        return replace(shipped, registry=registry)

    web = replace(site.web, live_plugins=LivePlugins(add_probe(site.web)))
    site.worker.live_plugins.current = add_probe(site.worker)
    return replace(site, web=web, app=create_asgi(web))


async def set_registration(site, mode):
    async with site.worker.db.transaction() as tx:
        await upsert_setting(tx.conn, SETTING, mode)
    await site.worker.cache.drop([setting_tag(SETTING)])


async def fill_in(site, stranger):
    """What somebody sends who makes an account."""
    session, _ = await Sessions(site.web.shared, 600).load(stranger.cookies[cookie_name(site.config)])
    names = {"name": "bob", "mail": "bob@example.org", "password": "a long one", "again": "a long one"}
    return {**names, "probe_note": "complain", "form_token": build_form_token(session, "user_register")}


@pytest.mark.story("9.3", "9.4", "9.5")
async def test_a_plugins_input_is_checked_beside_the_others_and_told_of_after_the_save(probed_site, capsys):
    site = probed_site
    user = await site.make_user("ada", is_admin=True)
    session = await site.log_in(user)
    async with site.client(cookie=session.id) as browser:

        async def send(**values):
            proof = {"form_token": build_form_token(session, "item_form"), "form_build_id": build_id()}
            return await browser.post("/item/add/page", data={**SENT, **proof, **values})

        shown = (await browser.get("/item/add/page")).text
        assert 'name="probe_note"' in shown
        assert "Headline" in shown
        # It was taken out of the form, and is as it was, whatever is sent.
        assert 'name="sticky"' not in shown
        assert 'name="promote"' in shown

        refused = await send(probe_note="complain")
        assert refused.status_code == 422
        assert "Not &lt;this&gt;." in refused.text
        assert 'value="complain"' in refused.text
        too_long = await send(probe_note="x" * 21)
        assert "A note is 21 characters long; 20 are allowed at most." in too_long.text

        await set_registration(site, "open")
        async with site.client() as stranger:
            assert 'name="probe_note"' in (await stranger.get("/user/register")).text
            answer = await stranger.post("/user/register", data=await fill_in(site, stranger))
            assert (answer.status_code, "Not &lt;this&gt;." in answer.text) == (422, True)
            filled = {**await fill_in(site, stranger), "probe_note": "of a stranger"}
            assert (await stranger.post("/user/register", data=filled)).status_code == 303

        saved = await send(probe_note="well", sticky="1", promote="1")
        assert saved.status_code == 303
        item = (await browser.get(saved.headers["Location"], headers={"Accept": "application/json"})).text
        assert "probe_note" not in item
        assert ('"sticky":false' in item, '"promote":true' in item) == (True, True)
    # With no more than the scope of the token that is at work.
    actor = (await load_actor(site.worker, user.id)).within(frozenset({"access content"}))
    sent = SubmittedForm("item_form", {"probe_note": "limited"})
    await submit_job(site.worker.ledger, Context(actor=actor), RUN_FORM_TAPS, sent)
    jobs = []
    while len(jobs) < 3:
        async with site.worker.db.acquire() as conn:
            jobs = await conn.fetch("SELECT id FROM job WHERE kind = 'run_form_taps'")
    for row in jobs:
        job = await wait_for_job(site.worker.ledger, row["id"], 10)
        assert job.result == {"outcome": "done", "ran": ["probe"], "failed": []}
    logged = capsys.readouterr().out
    # No password is among what it was told.
    assert "user_register: of a stranger ['mail', 'name', 'probe_note']" in logged
    assert re.search(r"item_form: well \[[^]]*\] True", logged)
    assert "item_form: limited ['probe_note'] False" in logged


async def test_what_a_plugin_refuses_in_the_form_is_refused_in_a_document_too(probed_site):
    site = probed_site
    token = await site.make_token(await site.make_user("ada", is_admin=True))
    sent = {"title": "Refuse", "fields": {"field_body": {"value": "<p>x</p>", "format": "filtered_html"}}}
    async with site.client(token=token) as program:
        # Beside what is wrong with it anyhow, and without what is asked for in an input that no document has.
        answer = await program.post("/item/add/page", json={**sent, "sticky": "yes"})
        assert (answer.status_code, answer.json()["error"]["problems"]) == (
            422,
            {
                "title": "Not with ['field_body', 'status', 'title'].",
                "": "Not like this.",
                "sticky": "sticky must be true or false.",
            },
        )
        saved = await program.post("/item/add/page", json={**sent, "title": "Bread"})
        assert saved.status_code == 201, saved.text
        path = saved.json()["path"]
        # What a document leaves out is as it is stored.
        answer = await program.post(f"{path}/edit", json={"title": "Refuse"})
        assert answer.status_code == 422
        assert "field_body" in answer.json()["error"]["problems"]["title"]
        # A plugin that fails complains of nothing.
        assert (await program.post(f"{path}/edit", json={"title": "break"})).status_code == 200
    async with site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job WHERE kind = 'save_item'") == 2
