"""Where somebody is logged in, for how long, and how that ends."""

import asyncio

import pytest

from kernel.form.token import build_form_token
from kernel.shared.session import Client, Sessions
from kernel.user.ways_in import end_ways_in
from tests.web.test_new_password import hold
from tests.web.test_people import log_in, read_token

PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
DAY_S = 86_400


async def enter(site, browser, *, remember=False, **headers):
    page = await browser.get("/user/login")
    data = {"form_token": read_token(page.text), "name": "ada", "password": PASSWORD, "destination": "/"}
    return await browser.post(
        "/user/login", data=data | ({"remember": "1"} if remember else {}), headers=headers
    )


def read_cookies(answer):
    return {text.split("=", 1)[0]: text for text in answer.headers.get_list("Set-Cookie")}


@pytest.mark.story("2.10")
async def test_remember_me_makes_a_session_and_a_cookie_of_thirty_days(site, redis_client):
    await site.make_user("ada", password=PASSWORD)
    for remember, days in ((False, 1), (True, 30)):
        async with site.client() as browser:
            cookie = read_cookies(await enter(site, browser, remember=remember))["trovato"]
            assert ("Max-Age" in cookie) == remember
            assert not remember or f"Max-Age={30 * DAY_S}" in cookie
            session, _ = await Sessions(site.web.shared, 1).load(browser.cookies["trovato"])
            key = site.web.shared.key("session", session.key)
            assert days * DAY_S - 30 < redis_client.ttl(key) <= days * DAY_S
            # Use puts off the end of a session, and of the cookie of one that lasts.
            redis_client.expire(key, days * DAY_S - 400)
            page = await browser.get("/user/sessions")
            assert page.status_code == 200
            assert redis_client.ttl(key) > days * DAY_S - 30
            assert (f"Max-Age={30 * DAY_S}" in page.headers.get("Set-Cookie", "")) == remember
    assert "Remembered" in page.text


@pytest.mark.story("2.4")
async def test_people_see_where_they_are_logged_in_and_end_it(site):
    ada = await site.make_user("ada", password=PASSWORD)
    sessions = Sessions(site.web.shared, DAY_S)
    phone = await sessions.create(user_id=ada.id, client=Client("Safari on iPhone", "192.0.2.7"))
    others = await site.log_in(await site.make_user("bob"))
    async with site.client() as browser:
        await enter(site, browser, **{"User-Agent": f"{FIREFOX} <script>", "X-Forwarded-For": "198.51.100.3"})
        page = (await browser.get("/user/sessions")).text
        mine, other = page.split('class="sessions__row"')[1:]
        assert "Firefox on Linux" in mine
        assert "This browser" in mine
        assert "From 198.51.100.3" in mine
        assert "Safari on iPhone" in other
        assert "From 192.0.2.7" in other
        assert "<script>" not in mine
        session, _ = await sessions.load(browser.cookies["trovato"])
        one = {"form_token": build_form_token(session, "session_end")}
        # Of somebody else, or of nobody.
        for key in (others.key, "0" * 64, "", "*"):
            refused = await browser.post("/user/sessions/end", data={**one, "session": key})
            assert refused.status_code == 404
        ended = await browser.post("/user/sessions/end", data={**one, "session": phone.key})
        assert ended.headers["Location"] == "/user/sessions"
        assert (await sessions.load(phone.id))[0] is None
        again = await sessions.create(user_id=ada.id)
        token = build_form_token(session, "session_end_all")
        gone = await browser.post("/user/sessions/end-all", data={"form_token": token})
        assert gone.headers["Location"] == "/"
        assert (await browser.get("/user/sessions")).status_code == 303
        assert (await sessions.load(again.id))[0] is None
        assert (await sessions.load(others.id))[0] is not None


async def test_a_new_password_ends_all_other_sessions_and_gives_this_one_another_id(site):
    ada = await site.make_user("ada", password=PASSWORD)
    sessions = Sessions(site.web.shared, DAY_S)
    elsewhere, here = await sessions.create(user_id=ada.id), await sessions.create(user_id=ada.id)
    async with site.client(cookie=here.id) as browser:
        changed = await browser.post(
            "/user/password",
            data={
                "form_token": build_form_token(here, "user_password"),
                "current": PASSWORD,
                "password": "another horse battery",
                "again": "another horse battery",
            },
        )
        assert changed.status_code == 303
        now_here = read_cookies(changed)["trovato"].split("=", 1)[1].split(";")[0]
        assert now_here != here.id
        assert [session.key for session in await sessions.list_own(ada.id)] == [
            (await sessions.load(now_here))[0].key
        ]
        assert (await sessions.load(elsewhere.id))[0] is None


async def test_a_blocked_account_loses_its_sessions_at_once_and_for_good(site):
    ada = await site.make_user("ada", is_admin=True, password=PASSWORD)
    session = await site.log_in(ada)
    async with site.client(cookie=session.id) as browser, site.worker.db.acquire() as conn:
        assert (await browser.get("/admin")).status_code == 200
        await conn.execute("UPDATE users SET status = 0 WHERE id = $1", ada.id)
        await site.worker.cache.drop([f"user:{ada.id}"])
        assert (await browser.get("/admin")).status_code == 303
        await conn.execute("UPDATE users SET status = 1 WHERE id = $1", ada.id)
        await site.worker.cache.drop([f"user:{ada.id}"])
        browser.cookies.set("trovato", session.id)
        assert (await browser.get("/admin")).status_code == 303
        # Also the one that a login makes whose password was found right a moment before.
        browser.cookies.clear()
        async with hold(site, "user_second_factor", "ACCESS EXCLUSIVE") as wait:
            entering = asyncio.create_task(log_in(browser, "ada", PASSWORD))
            await asyncio.wait_for(wait(), 30)
            await conn.execute("UPDATE users SET status = 0 WHERE id = $1", ada.id)
            await end_ways_in(site.worker, [ada.id])
        refused = await entering
        assert (refused.status_code, "Log in again." in refused.text) == (401, True)
        assert "trovato-device" not in browser.cookies
        assert await Sessions(site.web.shared, DAY_S).list_own(ada.id) == []


async def test_a_program_with_a_token_has_no_business_with_logins(site):
    token = await site.make_token(await site.make_user("ada", is_admin=True))
    async with site.client(token=token) as program:
        for path in (
            "/user/sessions",
            "/user/second-factor",
            "/user/second-factor/recovery-codes",
            "/user/password",
            "/user/mail",
        ):
            assert (await program.get(path)).status_code == 403
        for path in (
            "/user/sessions/end-all",
            "/user/second-factor",
            "/user/second-factor/begin",
            "/user/second-factor/disable",
            "/user/second-factor/recovery-codes",
            "/user/password",
            "/user/mail",
            f"/user/mail/{'a' * 43}",
        ):
            assert (await program.post(path, json={})).status_code == 403, path


@pytest.mark.story("2.8")
async def test_a_flood_of_logins_locks_the_attacker_and_not_the_person(site):
    """From one address, then from many; the person has logged in from this browser before."""
    await site.make_user("ada", password=PASSWORD)
    async with site.client() as home, site.client() as attacker, site.client() as fresh:
        await enter(site, home)
        await home.get("/user/logout")
        statuses = []
        form = read_token((await attacker.get("/user/login")).text)
        for number in range(8):
            data = {"form_token": form, "name": "ada", "password": f"guess {number}"}
            for address in ("203.0.113.9", f"198.51.100.{number}"):
                answer = await attacker.post("/user/login", data=data, headers={"X-Forwarded-For": address})
                statuses.append(answer.status_code)
        assert statuses == [401] * 5 + [429] * 11
        assert "Account temporarily locked" in answer.text
        assert 0 < int(answer.headers["Retry-After"]) <= 900
        # The right password does not help from an unknown browser, and a name that nobody has is told the same.
        refused = await enter(site, fresh)
        assert (refused.status_code, "in 15 minutes" in refused.text) == (429, True)
        for number in range(6):
            data = {"form_token": form, "name": "nobody", "password": "guess"}
            unknown = await attacker.post(
                "/user/login", data=data, headers={"X-Forwarded-For": f"192.0.2.{number}"}
            )
        assert unknown.status_code == 429
        home.cookies.delete("trovato")
        assert (await enter(site, home)).status_code == 303


async def test_an_id_that_was_planted_is_worth_nothing(site):
    await site.make_user("ada", password=PASSWORD)
    planted = await Sessions(site.web.shared, DAY_S).create(user_id=None)
    async with site.client(cookie=planted.id) as victim, site.client(cookie=planted.id) as attacker:
        assert (await log_in(victim, "ada", PASSWORD)).status_code == 303
        assert (await attacker.get("/user/sessions")).status_code == 303
        assert (await Sessions(site.web.shared, DAY_S).load(planted.id))[0] is None
