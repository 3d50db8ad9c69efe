"""A forgotten password, a new account and another address, from the first form to the last; mails are kept."""

import asyncio
import re

import pytest

from kernel.form.token import build_form_token
from kernel.mail.store import list_messages
from kernel.shared.session import Sessions
from kernel.user.account import create_user

OLD, NEW = "correct horse battery", "a completely new sentence"


def read_token(html):
    return re.search(r'name="form_token" value="(\w+)"', html[html.index('<form class="form"') :])[1]


async def send(browser, path, **values):
    """Fetch the page with the form and send it."""
    page = await browser.get(path)
    assert page.status_code == 200, page.text
    return await browser.post(path, data={"form_token": read_token(page.text), **values})


async def read_mails(site, number, recipient=None):
    """As many mails as there should be, newest last; each is kept a moment after its job was asked for."""
    for _ in range(500):
        async with site.worker.db.acquire() as conn:
            rows = await list_messages(conn, "kept", None, 50)
        found = [row for row in reversed(rows) if recipient in (None, row.recipient)]
        if len(found) >= number:
            assert len(found) == number
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"{len(found)} mails, not {number}")


def find_path(mail, config):
    """That of the link in the mail, which leads to the site's own address."""
    link = re.search(r"https?://\S+", mail.text)[0]
    assert link.startswith(f"{config.public_url}/")
    return link.removeprefix(config.public_url)


async def make_person(site, name="Ada", mail="ada@example.org", **options):
    return await create_user(site.worker.db, name=name, password=OLD, mail=mail, **options)


@pytest.mark.story("2.7")
async def test_a_forgotten_password_is_replaced_by_a_mailed_link_once(site):
    person = await make_person(site)
    session = await site.log_in(person)
    async with site.client() as browser:
        assert "/user/password-reset" in (await browser.get("/user/login")).text
        # A forged Host is no address for links.
        browser.headers["Host"] = "evil.example"
        asked = await send(browser, "/user/password-reset", who="ADA@Example.org")
        del browser.headers["Host"]
        assert (asked.status_code, asked.headers["Location"]) == (303, "/user/check-mail")
        assert "kept and not sent" in (await browser.get("/user/check-mail")).text
        (mail,) = await read_mails(site, 1)
        path = find_path(mail, site.config)
        shown = await browser.get(path)
        assert (shown.status_code, "For Ada." in shown.text) == (200, True)
        assert (shown.headers["Cache-Control"], shown.headers["Referrer-Policy"]) == (
            "no-store",
            "no-referrer",
        )
        short = await send(browser, path, password="short", again="short")
        assert short.status_code == 422
        done = await send(browser, path, password=NEW, again=NEW)
        assert (done.status_code, done.headers["Location"]) == (303, "/user/login")
        assert "Your password was changed." in (await browser.get("/user/login")).text
        gone = await browser.get(path)
        assert (gone.status_code, "Ask for a new link" in gone.text) == (404, True)
        entered = await send(browser, "/user/login", name="Ada", password=NEW, destination="/")
        assert entered.status_code == 303
    # Whoever was logged in is not any more, and of the link only a digest was kept.
    assert (await Sessions(site.web.shared, 60).load(session.id))[0] is None
    async with site.worker.db.acquire() as conn:
        row = await conn.fetchrow("SELECT pass FROM users WHERE id = $1", person.id)
        assert row["pass"].startswith("$argon2id$")
        assert await conn.fetchval("SELECT count(*) FROM mailed_link") == 0


async def test_a_parallel_use_of_one_link_has_one_winner(site):
    await make_person(site)
    async with site.client() as first, site.client() as second:
        await send(first, "/user/password-reset", who="Ada")
        path = find_path((await read_mails(site, 1))[0], site.config)
        answers = await asyncio.gather(
            send(first, path, password=NEW, again=NEW),
            send(second, path, password=OLD + "!", again=OLD + "!"),
        )
        assert sorted(answer.status_code for answer in answers) in ([303, 404], [303, 409])


async def test_a_stranger_registers_and_is_let_in(site):
    boss = await make_person(site, "boss", "boss@example.org", is_admin=True)
    session = await site.log_in(boss)
    async with site.client() as stranger, site.client(cookie=session.id) as admin:
        assert (await stranger.get("/user/register")).status_code == 404
        assert "/user/register" not in (await stranger.get("/user/login")).text
        page = await admin.get("/admin/people/registration")
        assert "Nobody waits" in page.text
        await send(admin, "/admin/people/registration", mode="approval")
        assert "/user/register" in (await stranger.get("/user/login")).text
        sent = {"name": "boss", "mail": "new", "password": "short", "again": "short"}
        wrong = await send(stranger, "/user/register", **sent)
        assert wrong.status_code == 422
        assert "The username boss is taken." in wrong.text
        assert "is no e-mail address" in wrong.text
        alike = await send(stranger, "/user/register", **{**sent, "name": "b0ss"})
        assert "looks too much like that of another account" in alike.text
        sent = {"name": "Bruna", "password": NEW, "again": NEW}
        answers = [
            await send(stranger, "/user/register", **sent, mail=mail)
            for mail in ("bruna@Example.org", "BOSS@example.org")
        ]
        # Nobody but its owner learns that an address is taken.
        assert [(a.status_code, a.headers["Location"]) for a in answers] == [(303, "/user/check-mail")] * 2
        assert (await read_mails(site, 1, "boss@example.org"))[0].kind == "address_taken"
        path = find_path((await read_mails(site, 1, "bruna@example.org"))[0], site.config)
        assert "You will be Bruna." in (await stranger.get(path)).text
        # Who reads the mailbox and did not register does not know the password.
        refused = await send(stranger, path, password="not the one")
        assert refused.status_code == 422
        assert (
            "An administrator looks at your registration." in (await send(stranger, path, password=NEW)).text
        )
        assert (await stranger.get(path)).status_code == 404
        early = await send(stranger, "/user/login", name="Bruna", password=NEW, destination="/")
        assert early.status_code == 401
        waiting = (await admin.get("/admin/people/registration")).text
        assert "bruna@example.org" in waiting
        assert "Waits to be let in" in (await admin.get("/admin/people")).text
        token = build_form_token(session, "registration_decide")
        person = re.search(r'name="person" value="([\w-]+)"', waiting)[1]
        decision = {"form_token": token, "person": person, "decision": "approve"}
        assert (await admin.post("/admin/people/registration/decide", data=decision)).status_code == 303
        again = await admin.post("/admin/people/registration/decide", data=decision)
        assert again.status_code == 409
        entered = await send(stranger, "/user/login", name="Bruna", password=NEW, destination="/")
        assert entered.status_code == 303
        assert (await stranger.get("/admin/people/registration")).status_code == 403


async def test_an_address_is_changed_by_its_owner_and_the_log_shows_the_mails(site):
    boss = await make_person(site, "boss", "boss@example.org", is_admin=True)
    session = await site.log_in(boss)
    async with site.client() as elsewhere, site.client(cookie=session.id) as browser:
        wrong = await send(browser, "/user/mail", mail="new@example.org", current="not the one")
        assert (wrong.status_code, "This is not your current password." in wrong.text) == (422, True)
        assert (await send(browser, "/user/mail", mail="boss@EXAMPLE.org", current=OLD)).status_code == 422
        asked = await send(browser, "/user/mail", mail="new@example.org", current=OLD)
        assert asked.headers["Location"] == "/user/check-mail"
        await read_mails(site, 1, "boss@example.org")
        path = find_path((await read_mails(site, 1, "new@example.org"))[0], site.config)
        # Who is not logged in gets a page that needs no session and gives none, then the login.
        outside = await elsewhere.get(path)
        assert (outside.status_code, "Set-Cookie" in outside.headers) == (200, False)
        assert f'href="{path}?here=1"' in outside.text
        asked = await elsewhere.get(f"{path}?here=1")
        assert asked.headers["Location"].startswith("/user/login?destination=/user/mail/")
        assert (await send(browser, path)).headers["Location"] == "/user/mail"
        assert "Your address is new@example.org." in (await browser.get("/user/mail")).text
        assert (await browser.get(path)).status_code == 404

        log = await browser.get("/admin/mail")
        assert "Mails are kept and not sent" in log.text
        assert f'<a href="{site.config.public_url}{path}">' in log.text
        assert "no-store" in log.headers["Cache-Control"]
        assert "No mail here" in (await browser.get("/admin/mail?status=sent")).text
        assert (await browser.get("/admin/mail?status=lost")).status_code == 400
        assert (await browser.get("/admin/mail?before=x")).status_code == 400
        editor = await site.log_in(await make_person(site, "editor", None))
        async with site.client(cookie=editor.id) as other:
            assert (await other.get("/admin/mail")).status_code == 403
            assert (await other.get(path)).status_code == 404
