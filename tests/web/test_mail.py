"""A forgotten password, a new account and another address, from the first form to the last, in a site without a mail server."""

import asyncio
import re
from dataclasses import replace

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
        assert (shown.headers["Cache-Control"], shown.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
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
