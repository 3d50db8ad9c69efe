"""Chromium, a person with a password to log in with, and pages on which that person is logged in."""

import os
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from kernel.db.pool import Database
from kernel.shared.connection import Shared
from kernel.shared.session import Sessions
from kernel.user.account import create_user

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def browser():
    if not CHROMIUM.is_file():
        if os.environ.get("CI") == "true":
            pytest.fail(f"There is no browser at {CHROMIUM}.")
        pytest.skip(f"NO BROWSER at {CHROMIUM}: install Debian's package chromium")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield opened
        await opened.close()


@pytest.fixture
async def person(site_config):
    db = await Database.open(site_config.url_for_role("worker"), role="worker", max_size=1)
    user = await create_user(db, name="Ada", password="correct horse battery", is_admin=True)
    await db.close()
    return user


@pytest.fixture
async def session_id(site_config, person):
    shared = await Shared.open(site_config.redis_url, site_config.redis_prefix)
    session = await Sessions(shared, 600).create(user_id=person.id)
    await shared.close()
    return session.id


@pytest.fixture
def open_page(browser, session_id):
    """`async with open_page(site) as page`: logged in; complaints of the browser fail the test, but those forgiven."""

    @asynccontextmanager
    async def open_it(site, *, forgiven=(), **options):
        base = f"http://127.0.0.1:{site.port}"
        context = await browser.new_context(base_url=base, **options)
        await context.add_cookies([{"name": "trovato", "value": session_id, "url": base, "httpOnly": True}])
        page = await context.new_page()
        complaints = []
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        await context.close()
        assert [text for text in complaints if not any(word in text for word in forgiven)] == []

    return open_it
