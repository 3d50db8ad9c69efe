"""A plugin's input in the form of an item: shown, checked, kept from the item, and told of afterwards."""

from dataclasses import replace

import pytest

from kernel.form.token import build_form_token, build_id
from kernel.ledger.wait import wait_for_job
from kernel.plugin.live import LivePlugins
from kernel.setting.store import upsert_setting
from kernel.setting.tag import setting_tag
from kernel.shared.session import Sessions
from kernel.tap.registry import TapOptions, TapRegistry
from kernel.user.proof.registration import SETTING
from web.app import create_asgi
from web.visit import cookie_name

ON_ITEMS = TapOptions(forms=frozenset({"item_form", "user_register"}))
SENT = {"title": "Bread", "field_body": "<p>x</p>", "field_body__format": "filtered_html", "status": "1"}


@pytest.fixture
async def probed_site(site, workshop):
    """The shipped plugins and `probe`, in the web process and in the worker."""
    probe = await workshop.load("probe", form_alter=ON_ITEMS, form_validate=ON_ITEMS, form_submit=ON_ITEMS)

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


@pytest.mark.story("9.3", "9.4")
async def test_a_plugins_input_is_checked_beside_the_others_and_told_of_after_the_save(probed_site):
    site = probed_site
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    async with site.client(cookie=session.id) as browser:

        async def send(**values):
            proof = {"form_token": build_form_token(session, "item_form"), "form_build_id": build_id()}
            return await browser.post("/item/add/page", data={**SENT, **proof, **values})

        shown = (await browser.get("/item/add/page")).text
        assert 'name="probe_note"' in shown
        assert "Headline" in shown

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

        saved = await send(probe_note="well")
        assert saved.status_code == 303
        item = (await browser.get(saved.headers["Location"], headers={"Accept": "application/json"})).text
        assert "probe_note" not in item
    async with site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job WHERE kind = 'register'") == 0
        job_id = await conn.fetchval("SELECT id FROM job WHERE kind = 'run_form_taps'")
    job = await wait_for_job(site.worker.ledger, job_id, 10)
    assert job.result == {"outcome": "done", "ran": ["probe"], "failed": []}
