"""The matrix of permissions with scripts: filtered as one types, and what changes is told before it is saved."""

import pytest

from kernel.people.grants import PERMISSIONS_PATH


@pytest.mark.browser
async def test_what_is_ticked_is_told_and_saved_without_another_page(run_site, open_page):
    async with run_site() as site, open_page(site, viewport={"width": 360, "height": 780}) as page:
        await page.goto(PERMISSIONS_PATH)
        await page.get_by_label("Show permissions that contain").fill("drafts")
        assert await page.locator(".matrix tr[data-words]:visible").count() == 1
        box = page.get_by_label("authenticated user: See everybody's drafts")
        await box.focus()
        await page.keyboard.press("Space")
        told = page.locator("[data-js=matrix-words]")
        assert (await told.inner_text()).split("\n\n") == [
            "1 change",
            "authenticated user gains See everybody's drafts",
        ]
        await page.get_by_role("button", name="Save permissions").click()
        await page.get_by_text("1 permission was changed, for everybody at once.").wait_for()
        assert await page.get_by_label("authenticated user: See everybody's drafts").is_checked()
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
