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


async def begin(browser, session, password=PASSWORD):
    token = build_form_token(session, "second_factor_begin")
    return await browser.post("/user/second-factor/begin", data={"form_token": token, "current": password})


async def send_first_code(browser, session, code):
    token = build_form_token(session, "second_factor_setup")
    return await browser.post("/user/second-factor", data={"form_token": token, "code": code})


async def turn_on(site, browser, session):
    """The secret and the recovery codes."""
    await begin(browser, session)
    secret = read_secret((await browser.get("/user/second-factor")).text)
    shown = await send_first_code(browser, session, code_of(secret))
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
        await forget_codes(site)
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
        secret, codes = await turn_on(site, browser, session)
        mine, _ = await Sessions(site.web.shared, 60).load(browser.cookies["trovato"])
        token = build_form_token(mine, "second_factor_disable")
        for password, code in ((PASSWORD, code_of(secret)), ("wrong horse battery", codes[0])):
            data = {"form_token": token, "current": password, "code": code}
            assert (await browser.post("/user/second-factor/disable", data=data)).status_code == 422
        data = {"form_token": token, "current": PASSWORD, "code": codes[0]}
        off = await browser.post("/user/second-factor/disable", data=data)
        assert off.headers["Location"] == "/user/second-factor"
        # What was set up before is gone: the password is asked for again, and another secret shown.
        assert "Scan this" not in (await browser.get("/user/second-factor")).text
        mine, _ = await Sessions(site.web.shared, 60).load(browser.cookies["trovato"])
        await begin(browser, mine)
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


async def test_the_secret_is_shown_to_who_has_shown_the_password_in_this_session_and_for_a_while(site, later):
    ada = await site.make_user("ada", password=PASSWORD)
    session, other = await site.log_in(ada), await site.log_in(ada)
    async with site.client(cookie=session.id) as browser, site.client(cookie=other.id) as elsewhere:
        first = await browser.get("/user/second-factor")
        assert "Show that it is you" in first.text
        assert not re.search("factor__secret|factor__picture", first.text)
        wrong = await begin(browser, session, "wrong horse battery")
        assert (wrong.status_code, "not your current password" in wrong.text) == (422, True)
        assert "factor__secret" not in (await browser.get("/user/second-factor")).text
        assert (await begin(browser, session)).headers["Location"] == "/user/second-factor"
        page = await browser.get("/user/second-factor")
        assert page.headers["Cache-Control"] == "no-store"
        secret = read_secret(page.text)
        assert read_secret((await browser.get("/user/second-factor")).text) == secret
        # Whoever else has a session of the account is asked too, and gets a secret of their own.
        assert "factor__secret" not in (await elsewhere.get("/user/second-factor")).text
        await begin(elsewhere, other)
        assert read_secret((await elsewhere.get("/user/second-factor")).text) != secret
        key = site.web.shared.key("second-factor", "setup", str(ada.id), session.key)
        assert 500 < await site.web.shared.client.ttl(key) <= 600
        await site.web.shared.client.delete(key)
        late = await send_first_code(browser, session, code_of(secret))
        assert late.headers["Location"] == "/user/second-factor"
        assert "That took too long" in (await browser.get("/user/second-factor")).text
        guesses = [(await begin(browser, session, f"guess {n}")).status_code for n in range(6)]
        assert guesses == [422] * 5 + [429]


async def test_new_recovery_codes_take_password_and_app_and_void_the_old_ones(site, later):
    session = await site.log_in(await site.make_user("ada", password=PASSWORD))
    path = "/user/second-factor/recovery-codes"
    async with site.client(cookie=session.id) as browser:
        assert (await browser.get(path)).headers["Location"] == "/user/second-factor"
        secret, old = await turn_on(site, browser, session)
        mine, _ = await Sessions(site.web.shared, 60).load(browser.cookies["trovato"])
        data = {"form_token": build_form_token(mine, "second_factor_recovery")}
        assert "10 recovery codes are left" in (await browser.get(path)).text
        later()
        wrong = ((PASSWORD, old[0]), ("wrong horse battery", code_of(secret)), (PASSWORD, ""))
        for password, code in wrong:
            refused = await browser.post(path, data={**data, "current": password, "code": code})
            assert refused.status_code == 422
        made = await browser.post(path, data={**data, "current": PASSWORD, "code": code_of(secret)})
        assert (made.status_code, made.headers["Cache-Control"]) == (200, "no-store")
        new = re.findall(r"<li><code>([A-Z0-9-]{17})</code>", made.text)
        assert len(set(new) - set(old)) == 10
    async with site.client() as browser:
        await log_in(browser, "ada", PASSWORD)
        assert [(await send_code(browser, code)).status_code for code in (old[0], new[0])] == [401, 303]
        await wait_for_digests(site, 9)
        assert "9 recovery codes are left" in (await browser.get("/user/second-factor")).text


async def test_a_code_is_good_once_also_when_redis_has_forgotten_it(site, later):
    session = await site.log_in(await site.make_user("ada", password=PASSWORD))
    async with site.client(cookie=session.id) as browser:
        secret, _ = await turn_on(site, browser, session)
    for is_first in (True, False):
        # The code that turned it on, and then one that somebody has logged in with.
        await forget_codes(site)
        async with site.client() as browser:
            await log_in(browser, "ada", PASSWORD)
            assert (await send_code(browser, code_of(secret))).status_code == 401
            if is_first:
                later()
                assert (await send_code(browser, code_of(secret))).status_code == 303
                await wait_for_step(site, int(clock.now().timestamp()) // 30)


async def forget_codes(site):
    client = site.web.shared.client
    await client.delete(*[key async for key in client.scan_iter("*second-factor*")])


async def wait_for_step(site, step):
    for _ in range(500):
        async with site.worker.db.acquire() as conn:
            if await conn.fetchval("SELECT last_step FROM user_second_factor") == step:
                return
    pytest.fail("the use of the code was not noted")


async def test_codes_are_not_guessed_by_whoever_has_a_session_and_the_password(site, later):
    session = await site.log_in(await site.make_user("ada", password=PASSWORD))
    async with site.client(cookie=session.id) as browser:
        await turn_on(site, browser, session)
        mine, _ = await Sessions(site.web.shared, 60).load(browser.cookies["trovato"])
        token = build_form_token(mine, "second_factor_disable")
        data = {"form_token": token, "current": PASSWORD, "code": "000000"}
        tries = [await browser.post("/user/second-factor/disable", data=data) for _ in range(6)]
    assert [answer.status_code for answer in tries] == [422] * 5 + [429]
