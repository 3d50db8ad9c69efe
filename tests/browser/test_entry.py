"""A person turns on a second factor and logs in with it, by keyboard alone, and ends a session elsewhere."""

import re
from datetime import timedelta

import pyotp
import pytest

from kernel.clock import now
from kernel.shared.connection import Shared
from kernel.shared.session import Client, Sessions
from tests.browser.test_accessibility import list_faults

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"


@pytest.mark.story("2.10")
async def test_logging_in_with_a_second_factor_by_keyboard(run_site, person, browser, site_config):
    shared = await Shared.open(site_config.redis_url, site_config.redis_prefix)
    await Sessions(shared, 600).create(user_id=person.id, client=Client("Safari on iPhone", "192.0.2.7"))
    await shared.close()
    async with run_site() as site:
        context = await browser.new_context(base_url=f"http://127.0.0.1:{site.port}")
        page = await context.new_page()
        keys = page.keyboard

        async def log_in():
            await page.goto("/user/login?destination=/user/sessions")
            await page.locator("[name=name]:focus").wait_for()
            await keys.type("Ada")
            await keys.press("Tab")
            await keys.type(PASSWORD)
            for key in ("Tab", "Space", "Enter"):
                await keys.press(key)

        await log_in()
        await page.get_by_text("This browser", exact=True).wait_for()
        (cookie,) = [cookie for cookie in await context.cookies() if cookie["name"] == "trovato"]
        assert 29 * 86_400 < cookie["expires"] - now().timestamp() <= 30 * 86_400
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        await page.get_by_role("button", name=re.compile("Safari on iPhone")).press("Enter")
        await page.get_by_text("That session has ended.").wait_for()
        assert await page.get_by_text("Safari on iPhone", exact=True).count() == 0

        await page.goto("/user/second-factor")
        await page.get_by_label("Current password").focus()
        await keys.type(PASSWORD)
        await keys.press("Enter")
        secret = (await page.inner_text(".factor__secret")).replace(" ", "")
        assert await page.get_by_role("img", name="QR code").is_visible()
        assert not await list_faults(page, "/user/second-factor")
        await page.get_by_label("Code from the app").focus()
        await keys.type(pyotp.TOTP(secret).now())
        await keys.press("Enter")
        await page.get_by_text("The second factor is on").wait_for()
        assert not await list_faults(page, "/user/second-factor/recovery-codes")
        await page.get_by_label("Current password").focus()
        await keys.type(PASSWORD)
        await keys.press("Tab")
        # That of a clock which is ahead: the one of now was used.
        await keys.type(pyotp.TOTP(secret).at(now() + timedelta(seconds=30)))
        await keys.press("Enter")
        await page.get_by_text("The codes of before are good for nothing").wait_for()
        recovery = await page.inner_text(".factor__codes li:first-child code")

        await context.clear_cookies(name="trovato")
        await log_in()
        await page.wait_for_url("**/user/login/code")
        await page.locator("[name=code]:focus").wait_for()
        await keys.type(recovery)
        await keys.press("Enter")
        await page.get_by_text("This browser", exact=True).wait_for()
        await context.close()
