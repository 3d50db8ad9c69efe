"""Every page that people see is looked at by axe, in the light and in the dark, wide and narrow."""

import pytest
from axe_playwright_python.async_playwright import Axe

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
STRANGERS = ("/", "/user/login", "/user/password-reset", "/nothing-here")
PAGES = (
    "/admin",
    "/admin/style",
    "/admin/style?confirm=1",
    "/admin/content",
    "/item/add",
    "/item/add/blog",
    "/admin/tools",
    "/admin/tools/import",
    "/admin/tools/export",
    "/admin/jobs",
    "/jobs",
    "/admin/cron",
    "/admin/plugins",
    "/admin/plugins/blog",
    "/admin/mail",
    "/admin/limits",
    "/admin/maintenance",
    "/admin/audit",
    "/admin/people",
    "/admin/people/add",
    "/admin/people/roles",
    "/admin/people/permissions",
    "/admin/people/registration",
    "/admin/people/why",
    "/user",
    "/user/password",
    "/user/mail",
    "/user/sessions",
    "/user/second-factor",
    "/user/tokens",
)
PERSON_PAGES = ("/admin/people/{id}", "/admin/people/{id}/delete", "/admin/people/{id}/tokens")


async def list_faults(page, path):
    """As sentences, each with the part of the page that it is about."""
    await page.goto(path)
    results = await Axe().run(page)
    return [
        f"{path}: {fault['id']} ({fault['help']}): {node['target']}"
        for fault in results.response["violations"]
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize(("scheme", "viewport"), [("light", WIDE), ("dark", NARROW)], ids=["light", "dark"])
async def test_no_page_has_a_fault_that_axe_finds(run_site, open_page, person, scheme, viewport):
    faults = []
    async with run_site() as site:
        async with open_page(site, color_scheme=scheme, viewport=viewport) as page:
            stranger = await page.context.browser.new_page(
                base_url=f"http://127.0.0.1:{site.port}", color_scheme=scheme, viewport=viewport
            )
            for path in STRANGERS:
                faults += await list_faults(stranger, path)
            await stranger.close()
            for path in (*PAGES, *(path.format(id=person.id) for path in PERSON_PAGES)):
                faults += await list_faults(page, path)
    assert not faults, "\n".join(faults)


async def test_a_question_is_asked_in_a_dialog_by_keyboard_alone(run_site, open_page):
    async with run_site() as site, open_page(site) as page:
        await page.goto("/admin/style")
        link = page.get_by_role("link", name="Ask in a dialog")
        await link.focus()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Delete “An example”?")
        await dialog.wait_for()
        await page.keyboard.press("Escape")
        await dialog.wait_for(state="detached")
        assert await link.evaluate("link => link === document.activeElement")
        await link.press("Enter")
        await dialog.get_by_role("button", name="Delete").press("Enter")
        message = page.get_by_text("That is how a saved form answers.")
        await message.wait_for()
        await page.get_by_role("status").get_by_role("button", name="Dismiss").first.press("Enter")
        await message.wait_for(state="detached")


async def test_what_depends_on_an_answer_comes_and_goes_with_it(run_site, open_page):
    async with run_site() as site, open_page(site) as page:
        await page.goto("/admin/style")
        street = page.get_by_label("Street")
        assert not await street.is_visible()
        await page.get_by_label("Send it by post").check()
        assert await street.is_enabled()
        await page.get_by_label("Send it by post").uncheck()
        assert not await street.is_visible()
        assert await street.is_disabled()
