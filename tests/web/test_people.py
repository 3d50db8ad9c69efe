"""Logging in and out, sessions, stages, health."""

import re
from dataclasses import replace

import pytest

from kernel.config import read_config
from kernel.form.token import build_form_token
from kernel.shared.session import Sessions
from kernel.user.login_link import create_login_link
from tests.fixtures.site import open_site


def read_token(html):
    """That of the page's own form, not of those in the toolbar."""
    return re.search(r'name="form_token" value="(\w+)"', html[html.index('<form class="form"') :])[1]


async def log_in(browser, name, password):
    form = await browser.get("/user/login")
    return await browser.post(
        "/user/login",
        data={"form_token": read_token(form.text), "name": name, "password": password, "destination": "/"},
    )


@pytest.mark.story("2.3")
async def test_a_login_makes_a_session_and_records_it(site):
    user = await site.make_user("admin", is_admin=True, password="correct horse battery")
    async with site.client() as browser:
        before = (await browser.get("/user/login")).headers["Set-Cookie"]
        answer = await log_in(browser, "admin", "correct horse battery")
        assert answer.status_code == 303
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert cookie.split(";")[0] != before.split(";")[0]
        session, _ = await Sessions(site.web.shared, 60).load(cookie.split("=", 1)[1].split(";")[0])
        assert session.user_id == user.id
        assert session.active_stage == "live"
        assert (await browser.get("/admin")).status_code == 200
    async with site.worker.db.acquire() as conn:
        assert (await conn.fetchval("SELECT pass FROM users WHERE id = $1", user.id)).startswith("$argon2id$")
    await wait_for_login_time(site, user)


async def wait_for_login_time(site, user):
    """The worker writes it a moment later."""
    for _ in range(500):
        async with site.worker.db.acquire() as conn:
            row = await conn.fetchrow("SELECT login, access FROM users WHERE id = $1", user.id)
        if row["login"] is not None:
            assert row["access"] is not None
            return
    pytest.fail("the login was not recorded")


@pytest.mark.story("2.3")
async def test_a_wrong_password_and_an_unknown_name_are_told_alike(site):
    await site.make_user("admin", password="correct horse battery")
    pages = []
    for name, password in (("admin", "wrong horse battery"), ("nobody", "correct horse battery")):
        async with site.client() as browser:
            answer = await log_in(browser, name, password)
            assert answer.status_code == 401
            assert (await browser.get("/admin")).status_code == 303
            pages.append(re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL)[1])
    assert pages[0] == pages[1]


async def test_the_cookie_is_secure_where_the_site_is(site_config, renderer):
    """Without anything being set for it; but where a site of HTTP says so, that counts."""
    shipped = read_config({"SITE_URL": "https://example.org"})
    assert not read_config({"SITE_URL": "http://example.org"}).secure_cookies
    assert read_config({"SITE_URL": "http://example.org", "SECURE_COOKIES": "true"}).secure_cookies
    async with (
        open_site(replace(site_config, secure_cookies=shipped.secure_cookies), renderer) as site,
        site.client() as browser,
    ):
        cookie = (await browser.get("/user/login")).headers["Set-Cookie"]
    assert cookie.startswith("__Host-trovato=")
    assert "Secure" in cookie


@pytest.mark.story("2.4")
async def test_logging_out_ends_the_session(site):
    session = await site.log_in(await site.make_user("ada"))
    async with site.client(cookie=session.id) as browser:
        asked = await browser.get("/user/logout")
        assert asked.status_code == 200
        done = await browser.post("/user/logout", data={"form_token": read_token(asked.text)})
        assert done.status_code == 303
        assert done.headers["Location"] == "/"
        assert "Max-Age=0" in done.headers["Set-Cookie"] or "1970" in done.headers["Set-Cookie"]
    assert (await Sessions(site.web.shared, 60).load(session.id))[0] is None
    async with site.client(cookie=session.id) as browser:
        assert (await browser.get("/admin")).status_code == 303


@pytest.mark.story("2.5")
async def test_a_session_remembers_its_stage(site):
    async with site.worker.db.acquire() as conn:
        await conn.execute("INSERT INTO stage (id, label) VALUES ('spring', 'Spring campaign')")
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    async with site.client(cookie=session.id) as browser:
        dashboard = (await browser.get("/admin")).text
        assert "You are working in Live" in dashboard
        assert 'action="/admin/stage/switch?' in dashboard
        token = build_form_token(session, "stage_switch")
        assert f'value="{token}"' in dashboard
        unknown = await browser.post("/admin/stage/switch", data={"form_token": token, "stage_id": "autumn"})
        assert unknown.status_code == 404
        switched = await browser.post("/admin/stage/switch", data={"form_token": token, "stage_id": "spring"})
        assert switched.status_code == 303
        assert "You are working in Spring campaign" in (await browser.get("/admin")).text
        refused = await browser.post(
            "/item/add/page",
            data={
                "form_token": build_form_token(session, "item_form"),
                "title": "x",
                "field_body__format": "plain_text",
            },
        )
        assert refused.status_code == 422
        assert "Switch the stage to Live" in refused.text
    assert (await Sessions(site.web.shared, 60).load(session.id))[0].active_stage == "spring"


@pytest.mark.story("2.9")
async def test_health_says_which_part_is_down(site):
    async with site.client() as probe:
        well = await probe.get("/health")
        assert (well.status_code, well.json()) == (
            200,
            {"status": "healthy", "cron": {"last_run": None, "late": False}},
        )
        # The best of a few: the answer is quick, however busy the machine is just now.
        assert min([(await probe.get("/health")).elapsed.total_seconds() for _ in range(5)]) < 0.1
        assert (await probe.get("/health/ready")).json() == {"ready": True}
        await site.web.db.close()
        ill = await probe.get("/health")
        assert ill.status_code == 503
        assert ill.json() == {"status": "unhealthy", "postgres": False, "redis": True}
        assert (await probe.get("/health/ready")).status_code == 503


async def test_a_one_time_link_logs_in_once_and_only_by_its_button(site):
    user = await site.make_user("ada", is_admin=True)
    token = await create_login_link(site.web, user.id, 60)
    async with site.client() as browser, site.client() as late:
        page = await browser.get(f"/user/login-link/{token}")
        assert page.status_code == 200
        assert (await browser.get("/admin")).status_code == 303
        late_page = await late.get(f"/user/login-link/{token}")
        used = await browser.post(f"/user/login-link/{token}", data={"form_token": read_token(page.text)})
        assert used.headers["Location"] == "/admin"
        assert (await browser.get("/admin")).status_code == 200
        again = await late.post(f"/user/login-link/{token}", data={"form_token": read_token(late_page.text)})
        assert again.status_code == 404
