"""What a new password ends: logins under way, and what browsers are known by; and where the old one is asked for."""

import asyncio
import re
from contextlib import asynccontextmanager

import asyncpg

from kernel.form.token import build_form_token
from kernel.mail.store import list_messages
from kernel.shared.session import Sessions
from kernel.user.store import list_api_tokens
from tests.web.people_site import AdminSite
from tests.web.test_people import log_in, read_token

PASSWORD, OTHER, THIRD = "correct horse battery", "another horse battery", "a third horse battery"
DEVICE = "trovato-device"


@asynccontextmanager
async def hold(site, table, mode):
    """Whoever needs the table so waits inside; it yields a wait for the first one who does."""
    conn = await asyncpg.connect(site.config.database_url)
    watch = await asyncpg.connect(site.config.database_url)

    async def wait():
        while not await watch.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)", table
        ):
            await asyncio.sleep(0.01)

    try:
        async with conn.transaction():
            await conn.execute(f"LOCK TABLE {table} IN {mode} MODE")  # names of this module
            yield wait
    finally:
        await conn.close()
        await watch.close()


async def submit(site, browser, path, form_id, **values):
    session, _ = await Sessions(site.web.shared, 60).load(browser.cookies["trovato"])
    return await browser.post(path, data={"form_token": build_form_token(session, form_id), **values})


async def change_password(site, browser, old, new):
    return await submit(
        site, browser, "/user/password", "user_password", current=old, password=new, again=new
    )


async def is_logged_in(browser):
    return (await browser.get("/user/sessions")).status_code == 200


async def test_no_login_with_the_old_password_survives_a_new_one(site):
    ada = await site.make_user("ada", password=PASSWORD)
    async with site.client() as mine, site.client() as early, site.client() as late:
        await log_in(mine, "ada", PASSWORD)
        # The change has ended all sessions and is not committed yet: the old password still logs in, for a moment.
        async with hold(site, "audit_event", "SHARE ROW EXCLUSIVE") as wait:
            change = asyncio.create_task(change_password(site, mine, PASSWORD, OTHER))
            await asyncio.wait_for(wait(), 30)
            assert (await log_in(early, "ada", PASSWORD)).status_code == 303
            assert await is_logged_in(early)
        assert (await change).status_code == 303
        assert not await is_logged_in(early)
        assert await is_logged_in(mine)
        # The password was found right, and there is another one before the session is made.
        async with hold(site, "user_second_factor", "ACCESS EXCLUSIVE") as wait:
            entering = asyncio.create_task(log_in(late, "ada", OTHER))
            await asyncio.wait_for(wait(), 30)
            assert (await change_password(site, mine, OTHER, THIRD)).status_code == 303
        await entering
        assert not await is_logged_in(late)
        assert DEVICE not in late.cookies
        assert await is_logged_in(mine)
        assert len(await Sessions(site.web.shared, 60).list_own(ada.id)) == 1


async def leave(browser):
    """As closing the window does: the browser is still known."""
    browser.cookies.delete("trovato")


async def try_login(browser, password):
    await leave(browser)
    return (await log_in(browser, "ada", password)).status_code


async def ask_for_reset(site, browser):
    """The path of the link that was mailed."""
    page = await browser.get("/user/password-reset")
    data = {"form_token": read_token(page.text), "who": "ada"}
    assert (await browser.post("/user/password-reset", data=data)).status_code == 303
    for _ in range(500):
        async with site.worker.db.acquire() as conn:
            found = [row for row in await list_messages(conn, None, None, 9) if row.kind == "password_reset"]
        if found:
            return re.search(r"/user/password-reset/\S+", found[0].text)[0]
    raise AssertionError("no link was mailed")


async def test_a_new_password_makes_every_browser_unknown_but_the_one_it_was_set_in(site):
    ada = await site.make_user("ada", password=PASSWORD)
    async with site.worker.db.acquire() as conn:
        await conn.execute("UPDATE users SET mail = 'ada@example.org' WHERE id = $1", ada.id)
    async with site.client() as home, site.client() as thief, site.client() as stranger:
        for browser in (home, thief):
            assert await try_login(browser, PASSWORD) == 303
        locked = [await try_login(stranger, f"guess {n}") for n in range(6)]
        assert locked == [401] * 5 + [429]
        path = await ask_for_reset(site, stranger)
        # Anybody may ask for that, and nobody is kept out by it.
        assert [await try_login(browser, PASSWORD) for browser in (home, thief)] == [303, 303]
        await leave(home)
        page = await home.get(path)
        data = {"form_token": read_token(page.text), "password": OTHER, "again": OTHER}
        assert (await home.post(path, data=data)).headers["Location"] == "/user/login"
        assert await try_login(home, OTHER) == 303
        # Where the old one was known, this is a stranger's browser now, whatever is typed.
        assert await try_login(thief, OTHER) == 429
        # As after a change by who is logged in.
        known = home.cookies[DEVICE]
        assert (await change_password(site, home, OTHER, THIRD)).status_code == 303
        assert home.cookies[DEVICE] != known
        assert await try_login(home, THIRD) == 303
        home.cookies.delete(DEVICE)
        home.cookies.set(DEVICE, known)
        assert await try_login(home, THIRD) == 429


async def test_making_a_token_takes_the_password_and_ending_one_does_not(site):
    office = await AdminSite.open(site)
    async with site.worker.db.acquire() as conn:
        # Whoever has no password is not asked for one: any session could set it.
        await conn.execute(
            "UPDATE users SET pass = (SELECT pass FROM users WHERE id = $1) WHERE name IN ('root', 'ed')",
            (await site.make_user("ada", password=PASSWORD)).id,
        )
    wanted = {"label": "x", "days": "7", "reach": "everything"}
    ed = await office.find("ed")
    for name, path in (("ed", "/user/tokens"), ("root", f"{ed.path}/tokens")):
        async with office.browser(name) as browser:
            page = await browser.get(path)
            assert "Your current password" in page.text
            for password in ("", "wrong horse battery"):
                refused = await browser.submit(path, "api_token", **wanted, current=password)
                assert (refused.status_code, "trovato_" in refused.text) == (422, False)
            made = await browser.submit(path, "api_token", **wanted, current=PASSWORD)
            assert re.search(r"trovato_\w{43}", made.text)
            async with site.worker.db.acquire() as conn:
                (token,) = await list_api_tokens(conn, ed.id)
            await browser.submit(f"{path}/revoke", "api_token_revoke", token=str(token.id))
            async with site.worker.db.acquire() as conn:
                assert await list_api_tokens(conn, ed.id) == []
            tries = [await browser.submit(path, "api_token", **wanted, current="guess") for _ in range(6)]
            assert [answer.status_code for answer in tries] == [422] * 5 + [429]
