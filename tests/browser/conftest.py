"""Chromium, and a person with a password to log in with."""

import os
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from kernel.db.pool import Database
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
