"""A second factor in the browser: turned on, asked for, lost and turned off."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from kernel import clock
from kernel.form.token import build_form_token
from kernel.shared.session import Sessions
from kernel.user.login_link import create_login_link
from tests.web.test_people import log_in, read_token

PASSWORD = "correct horse battery"


@pytest.fixture
def later(monkeypatch):
    """Each call moves the clock of codes half a minute on, so that there is a new one."""
    at = [datetime.now(UTC)]
    monkeypatch.setattr("kernel.clock.now", lambda: at[0])

    def move(seconds=30):
        at[0] += timedelta(seconds=seconds)

    return move


def code_of(secret):
    return pyotp.TOTP(secret).at(clock.now())


def read_secret(page):
    return re.search(r"factor__secret\">([A-Z2-7 ]+)<", page)[1].replace(" ", "")


async def turn_on(site, browser, session):
    """The secret and the recovery codes."""
    page = (await browser.get("/user/second-factor")).text
    secret = read_secret(page)
    shown = await browser.post(
        "/user/second-factor",
        data={
            "form_token": build_form_token(session, "second_factor_setup"),
            "current": PASSWORD,
            "code": code_of(secret),
        },
    )
    assert shown.status_code == 200, shown.text
    # The session has another id now.
    renewed = shown.headers["Set-Cookie"].split("=", 1)[1].split(";")[0]
    assert renewed != session.id
    browser.cookies.clear()
    browser.cookies.set("trovato", renewed)
    return secret, re.findall(r"<li><code>([A-Z0-9-]{17})</code>", shown.text)


async def send_code(browser, code):
    page = await browser.get("/user/login/code")
    assert page.status_code == 200
    data = {"form_token": read_token(page.text), "code": code}
    return await browser.post("/user/login/code", data=data)


async def test_a_login_takes_the_password_and_then_a_code(site, later):
    session = await site.log_in(await site.make_user("ada", password=PASSWORD))
    async with site.client(cookie=session.id) as browser:
        secret, codes = await turn_on(site, browser, session)
        assert len(set(codes)) == 10
        page = (await browser.get("/user/second-factor")).text
        assert "10 recovery codes are" in page
        assert secret not in page.replace(" ", "")
    async with site.client() as browser:
        step = await log_in(browser, "ada", PASSWORD)
        assert step.headers["Location"] == "/user/login/code"
        # No rights yet, no known device, and an id that is not the one of before.
        assert (await browser.get("/user/sessions")).status_code == 303
        assert "trovato-device" not in step.headers["Set-Cookie"]
        pending = browser.cookies["trovato"]
        # The code that turned it on was used.
        used = await send_code(browser, code_of(secret))
        assert used.status_code == 401
        assert "was used before" in used.text
        later()
        entered = await send_code(browser, code_of(secret))
        assert (entered.status_code, entered.headers["Location"]) == (303, "/")
        assert browser.cookies["trovato"] != pending
        assert (await Sessions(site.web.shared, 60).load(pending))[0] is None
        assert (await browser.get("/user/sessions")).status_code == 200
    async with site.client() as thief:
        # Seen over a shoulder, and sent once more within its time.
        await log_in(thief, "ada", PASSWORD)
        assert (await send_code(thief, code_of(secret))).status_code == 401
        assert (await thief.get("/user/sessions")).status_code == 303


async def test_whether_there_is_a_second_factor_is_told_after_the_right_password_alone(site, later):
    await site.make_user("bob", password=PASSWORD)
    session = await site.log_in(await site.make_user("ada", password=PASSWORD))
    async with site.client(cookie=session.id) as browser:
        await turn_on(site, browser, session)
    told = []
    for name in ("ada", "bob", "nobody"):
        async with site.client() as stranger:
            refused = await log_in(stranger, name, "wrong horse battery")
            told.append(
                (refused.status_code, re.search(r'role="alert">(.*?)</div>', refused.text, re.DOTALL)[1])
            )
            assert (await stranger.get("/user/login/code")).headers["Location"] == "/user/login"
    assert told[0] == told[1] == told[2]


async def test_a_recovery_code_is_good_once_also_for_two_at_the_same_moment(site, later):
    session = await site.log_in(await site.make_user("ada", password=PASSWORD))
    async with site.client(cookie=session.id) as browser:
        _, codes = await turn_on(site, browser, session)
    async with site.client() as one, site.client() as two, site.client() as late:
        await log_in(one, "ada", PASSWORD)
        await log_in(two, "ada", PASSWORD)
        answers = await asyncio.gather(*(send_code(client, codes[0].lower()) for client in (one, two)))
        assert sorted(answer.status_code for answer in answers) == [303, 401]
        await log_in(late, "ada", PASSWORD)
        assert (await send_code(late, codes[0])).status_code == 401
        # Nor when Redis forgets that it was used.
        await wait_for_digests(site, 9)
        await site.web.shared.client.delete(
            *[key async for key in site.web.shared.client.scan_iter("*second-factor*")]
        )
        assert (await send_code(late, codes[0])).status_code == 401
        assert (await send_code(late, codes[1])).status_code == 303


async def wait_for_digests(site, number):
    """The worker crosses a code out a moment later."""
    for _ in range(500):
        async with site.worker.db.acquire() as conn:
            if await conn.fetchval("SELECT cardinality(recovery) FROM user_second_factor") == number:
                return
    pytest.fail("the recovery code was not crossed out")


async def test_codes_cannot_be_guessed_and_the_second_step_ends_by_itself(site, later):
    ada = await site.make_user("ada", password=PASSWORD)
    session = await site.log_in(ada)
    async with site.client(cookie=session.id) as browser:
        secret, _ = await turn_on(site, browser, session)
    later()
    async with site.client() as waiting, site.client() as thief:
        await log_in(waiting, "ada", PASSWORD)
        page = await waiting.get("/user/login/code")
        for _ in range(5):
            # With the password again before each: it forgets no failure.
            await log_in(thief, "ada", PASSWORD)
            assert (await send_code(thief, "000000")).status_code == 401
        locked = await send_code(thief, code_of(secret))
        assert (locked.status_code, "temporarily locked" in locked.text) == (429, True)
        later(601)
        data = {"form_token": read_token(page.text), "code": code_of(secret)}
        over = await waiting.post("/user/login/code", data=data)
        assert over.headers["Location"] == "/user/login"


async def test_a_new_password_ends_a_login_that_waits_for_its_code(site, later):
    ada = await site.make_user("ada", password=PASSWORD)
    session = await site.log_in(ada)
    async with site.client(cookie=session.id) as browser, site.client() as thief:
        secret, _ = await turn_on(site, browser, session)
        await log_in(thief, "ada", PASSWORD)
        async with site.worker.db.acquire() as conn:
            await conn.execute("UPDATE users SET pass = 'another' WHERE id = $1", ada.id)
        later()
        assert (await send_code(thief, code_of(secret))).headers["Location"] == "/user/login"
        assert "Log in again" in (await thief.get("/user/login")).text


async def test_a_one_time_link_asks_for_the_code_too(site, later):
    ada = await site.make_user("ada", password=PASSWORD)
    session = await site.log_in(ada)
    async with site.client(cookie=session.id) as browser, site.client() as opener:
        secret, _ = await turn_on(site, browser, session)
        token = await create_login_link(site.web, ada.id, 60)
        page = await opener.get(f"/user/login-link/{token}")
        used = await opener.post(f"/user/login-link/{token}", data={"form_token": read_token(page.text)})
        assert used.headers["Location"] == "/user/login/code"
        later()
        assert (await send_code(opener, code_of(secret))).headers["Location"] == "/admin"


async def test_it_is_turned_off_with_the_password_and_a_code(site, later):
    ada = await site.make_user("ada", password=PASSWORD)
    session = await site.log_in(ada)
    async with site.client(cookie=session.id) as browser:
        wrong = await browser.post(
            "/user/second-factor",
            data={
                "form_token": build_form_token(session, "second_factor_setup"),
                "current": "wrong horse battery",
                "code": "000000",
            },
        )
        assert (wrong.status_code, "not your current password" in wrong.text) == (422, True)
        async with site.client(cookie=(await site.log_in(ada)).id) as elsewhere:
            seen = read_secret((await elsewhere.get("/user/second-factor")).text)
        secret, codes = await turn_on(site, browser, session)
        # Who has another session open of the account has not seen it.
        assert seen != secret
        mine, _ = await Sessions(site.web.shared, 60).load(browser.cookies["trovato"])
        token = build_form_token(mine, "second_factor_disable")
        for password, code in ((PASSWORD, code_of(secret)), ("wrong horse battery", codes[0])):
            data = {"form_token": token, "current": password, "code": code}
            assert (await browser.post("/user/second-factor/disable", data=data)).status_code == 422
        data = {"form_token": token, "current": PASSWORD, "code": codes[0]}
        off = await browser.post("/user/second-factor/disable", data=data)
        assert off.headers["Location"] == "/user/second-factor"
        # What was set up before is gone: another secret is shown.
        page = (await browser.get("/user/second-factor")).text
        assert "Scan this" in page
        assert secret not in page.replace(" ", "")
    async with site.client() as browser:
        assert (await log_in(browser, "ada", PASSWORD)).headers["Location"] == "/"
    async with site.worker.db.acquire() as conn:
        ledger = await conn.fetchval(
            "SELECT string_agg(payload::text || coalesce(result::text, ''), ' ') FROM job"
        )
    assert secret not in ledger
    assert not any(code in ledger for code in codes)


async def test_codes_are_not_guessed_by_whoever_has_a_session_and_the_password(site, later):
    session = await site.log_in(await site.make_user("ada", password=PASSWORD))
    async with site.client(cookie=session.id) as browser:
        await turn_on(site, browser, session)
        mine, _ = await Sessions(site.web.shared, 60).load(browser.cookies["trovato"])
        token = build_form_token(mine, "second_factor_disable")
        data = {"form_token": token, "current": PASSWORD, "code": "000000"}
        tries = [await browser.post("/user/second-factor/disable", data=data) for _ in range(6)]
    assert [answer.status_code for answer in tries] == [422] * 5 + [429]
