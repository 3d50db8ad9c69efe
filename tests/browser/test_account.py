"""Somebody looks after their own account by keyboard alone: API tokens, where they are logged in, the password."""

import httpx
import pytest

from tests.browser.keyboard import press_to_go, press_to_go_by, read_focus, skip_to_content, tab_to

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
PASSWORD = "correct horse battery"
NEXT_PASSWORD = "a staple of many batteries"


async def test_an_account_is_looked_after_by_keyboard(run_site, open_page, browser):
    async with run_site() as site, open_page(site, forgiven=("422",)) as page:
        await use_menu(page)
        await handle_tokens(page, site)
        await change_password(page)
        await log_out_everywhere(page, browser, site)


async def use_menu(page):
    """Escape closes a menu and gives the focus back to what opened it."""
    await page.goto("/user")
    await tab_to(page, "Ada")
    await page.keyboard.press("Enter")
    choice = page.get_by_role("button", name="Log out", exact=True)
    await choice.wait_for()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Escape")
    assert not await choice.is_visible()
    assert await read_focus(page) == "Ada"


async def handle_tokens(page, site):
    """Made, shown once, good for a program, revoked and good for nothing."""
    keys = page.keyboard
    await skip_to_content(page)
    await tab_to(page, "API tokens For programs that act on your behalf")
    await press_to_go(page)
    await skip_to_content(page)
    await tab_to(page, "What is it for?")
    await keys.type("Nightly import")
    await tab_to(page, "Your current password")
    await keys.type(PASSWORD)
    await press_to_go_by(page, "Make the token")
    # Nothing was ticked: the complaint has the focus, and the permissions are what comes next.
    complaint = page.locator("fieldset:focus")
    assert "Tick what the token may do" in await complaint.inner_text()
    assert await page.get_by_label("What is it for?").input_value() == "Nightly import"
    for permission in ("See published content", "Use the list of all content"):
        await tab_to(page, permission)
        await keys.press("Space")
    await tab_to(page, "Your current password")
    await keys.type(PASSWORD)
    await press_to_go_by(page, "Make the token")
    token = await page.inner_text(".once__value")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{site.port}", headers=headers) as program:
        answer = await program.get("/admin/content")
        assert answer.status_code == 200, answer.text
        assert (await program.get("/admin/jobs.json")).status_code == 403
        await page.goto("/user/tokens")
        assert token not in await page.content()
        await skip_to_content(page)
        await press_to_go_by(page, "Revoke Nightly import")
        await page.get_by_text("The token was revoked. It opens nothing any more.").wait_for()
        assert await page.get_by_role("heading", name="No tokens").is_visible()
        assert (await program.get("/admin/content")).status_code == 401


async def change_password(page):
    keys = page.keyboard
    await page.goto("/user/password")
    await tab_to(page, "Current password")
    await keys.type("not this one")
    await tab_to(page, "New password")
    await keys.type(NEXT_PASSWORD)
    await keys.press("Tab")
    await keys.type(NEXT_PASSWORD)
    await press_to_go(page)
    assert await read_focus(page) == "Current password"
    await keys.type(PASSWORD)
    await tab_to(page, "New password")
    await keys.type(NEXT_PASSWORD)
    await keys.press("Tab")
    await keys.type(NEXT_PASSWORD)
    await press_to_go(page)
    await page.get_by_text("Your password was changed.").wait_for()


async def log_out_everywhere(page, browser, site):
    """Another browser is logged in, is seen here, and is not logged in any more."""
    base = f"http://127.0.0.1:{site.port}"
    other = await browser.new_page(base_url=base)
    await other.goto("/user/login?destination=/user")
    await other.get_by_label("Username").fill("Ada")
    await other.get_by_label("Password", exact=False).fill(NEXT_PASSWORD)
    await press_to_go(other)
    assert other.url == f"{base}/user"
    await page.goto("/user/sessions")
    assert await page.locator(".sessions__row").count() == 2
    assert await page.locator(".sessions__row").filter(has_text="This browser").count() == 1
    await skip_to_content(page)
    await press_to_go_by(page, "Log out everywhere")
    assert page.url == f"{base}/"
    for ended in (page, other):
        await ended.goto("/user")
        assert ended.url.startswith(f"{base}/user/login?destination=")
    await other.close()
