"""The ways in, with a real mail server: a forgotten password, a registration, limits, and the log of it all."""

import asyncio
import csv
import io
import re
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from kernel.db.pool import Database
from kernel.user.account import create_user
from tests.browser.keyboard import press_to_go, press_to_go_by, read_focus, skip_to_content, tab_to
from tests.kernel.mail.conftest import serve_smtp

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
MAIL_WITHIN_S = 30
PASSWORD = "correct horse battery"


@pytest.fixture
async def forgetful(site_config):
    """Bo, who has an address and does not remember the password."""
    db = await Database.open(site_config.url_for_role("worker"), role="worker", max_size=1)
    await create_user(db, name="Bo", password="long forgotten", mail="bo@example.org")
    await db.close()


async def read_link(mailbox, recipient):
    """The path of the link in the mail that arrives for somebody."""
    async with asyncio.timeout(MAIL_WITHIN_S):
        while True:
            for envelope in mailbox.envelopes:
                if envelope.rcpt_tos == [recipient]:
                    mailbox.envelopes.remove(envelope)
                    mail = message_from_bytes(envelope.content, policy=policy.default)
                    text = mail.get_body(("plain",)).get_content()
                    return re.search(r"https?://[^/\s]+(/user/\S+)", text)[1]
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("forgetful")
async def test_people_come_in_and_are_kept_out(run_site, open_page, browser, site_config):
    async with serve_smtp() as (mailbox, port):
        environment = {
            "SMTP_URL": f"smtp://127.0.0.1:{port}",
            "MAIL_FROM": "site@example.org",
            "SITE_URL": f"http://localhost:{site_config.port}",
            "RATE_LIMITS": "true",
        }
        async with (
            run_site(environment=environment) as site,
            open_page(site, forgiven=("422",)) as page,
            open_stranger(browser, site) as stranger,
        ):
            await set_login_limit(page, "100/min", first="often")
            await let_everybody_register(page)
            await reset_password(stranger, mailbox)
            await register(stranger, mailbox)
            await set_login_limit(page, "1/min")
            await be_refused(stranger)
            await read_audit_log(page)


@asynccontextmanager
async def open_stranger(browser, site):
    context = await browser.new_context(base_url=f"http://127.0.0.1:{site.port}")
    yield await context.new_page()
    await context.close()


async def set_login_limit(page, limit, first=""):
    """With `first`, after something that is no limit."""
    keys = page.keyboard
    await page.goto("/admin/limits")
    await skip_to_content(page)
    await tab_to(page, "Logging in")
    if first:
        await keys.type(first)
        await press_to_go(page)
        assert await read_focus(page) == "Logging in"
        assert "Write a limit like 30/min" in await page.inner_text("#rate-limits-login-problem")
        await keys.press("Control+A")
    await keys.type(limit)
    await press_to_go(page)
    await page.get_by_text("The limits are saved.").wait_for()
    assert await page.get_by_label("Logging in").input_value() == limit


async def let_everybody_register(page):
    await page.goto("/admin/people/registration")
    await skip_to_content(page)
    await tab_to(page, "Nobody: accounts are made by administrators")
    await page.keyboard.press("ArrowDown")
    await press_to_go_by(page, "Save")
    await page.get_by_text("Saved.").wait_for()
    assert await page.get_by_label("Everybody with an address of mail").is_checked()


async def log_in(page, name):
    """From the page of the login."""
    keys = page.keyboard
    await page.locator("[name=name]:focus").wait_for()
    await keys.type(name)
    await keys.press("Tab")
    await keys.type(PASSWORD)
    await press_to_go(page)


async def reset_password(page, mailbox):
    keys = page.keyboard
    await page.goto("/user/login")
    await press_to_go_by(page, "Forgot your password?")
    await tab_to(page, "Username or mail address")
    await keys.type("bo@example.org")
    await press_to_go(page)
    assert await page.get_by_role("heading", name="Look into your mailbox").is_visible()
    link = await read_link(mailbox, "bo@example.org")
    await page.goto(link)
    await tab_to(page, "New password")
    await keys.type(PASSWORD)
    await keys.press("Tab")
    await keys.type("another one")
    await press_to_go(page)
    assert await read_focus(page) == "New password again"
    await tab_back_to(page, "New password")
    await keys.type(PASSWORD)
    await keys.press("Tab")
    await keys.type(PASSWORD)
    await press_to_go(page)
    await page.get_by_text("Your password was changed. Log in with the new one.").wait_for()
    await log_in(page, "Bo")
    await page.goto("/user")
    assert "bo@example.org" in await page.inner_text(".facts")
    await page.goto(link)
    assert await page.get_by_role("heading", name="This link does not work").is_visible()
    await page.context.clear_cookies()


async def tab_back_to(page, name):
    await page.keyboard.press("Shift+Tab")
    assert await read_focus(page) == name


async def register(page, mailbox):
    keys = page.keyboard
    await page.goto("/user/login")
    await press_to_go_by(page, "Create an account")
    for name, text in (
        ("Username", "Cleo"),
        ("Mail address", "cleo@example.org"),
        ("Password", PASSWORD),
        ("Password again", PASSWORD),
    ):
        await tab_to(page, name)
        await keys.type(text)
    await press_to_go(page)
    await page.goto(await read_link(mailbox, "cleo@example.org"))
    assert await page.get_by_text("You will be Cleo.").is_visible()
    await tab_to(page, "Password")
    await keys.type(PASSWORD)
    await press_to_go(page)
    await page.get_by_text("Your account is made. You can log in now.").wait_for()
    await log_in(page, "Cleo")
    await page.goto("/user")
    assert "cleo@example.org" in await page.inner_text(".facts")
    await page.context.clear_cookies()


async def be_refused(page):
    """By the limit that was just set, which counts what was asked before it."""
    await page.goto("/user/login")
    await log_in(page, "Cleo")
    assert await page.get_by_role("heading", name="Too many requests").is_visible()
    assert "Please wait" in await page.inner_text(".panel__lead")
    await press_to_go_by(page, "Try again")
    assert await page.get_by_role("heading", name="Log in").is_visible()


async def read_audit_log(page):
    keys = page.keyboard
    await page.goto("/admin/audit")
    await skip_to_content(page)
    await tab_to(page, "By")
    await keys.type("ada")
    await tab_to(page, "About")
    await keys.type("limits")
    await press_to_go(page)
    assert await page.locator("tbody tr").count() == 2
    await tab_to(page, "Skip to the content")
    await keys.press("Enter")
    await tab_to(page, "Save as CSV")
    async with page.expect_download() as download:
        await keys.press("Enter")
    saved = Path(await (await download.value).path()).read_text()
    rows = list(csv.DictReader(io.StringIO(saved)))
    assert [row["actor_name"] for row in rows] == ["Ada", "Ada"]
    assert "100/min" in rows[1]["details"]
    await page.locator(".audit__more summary").first.focus()
    await keys.press("Enter")
    assert await page.locator(".audit__more[open]").count() == 1
