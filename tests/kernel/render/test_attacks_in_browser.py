"""What a real browser makes of the attacks once they went through: nothing."""

from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from kernel.render.formats import TEXT_FORMATS, format_text
from kernel.render.tree import render_tree
from tests.kernel.render.attacks import MARKUP, URLS
from tests.kernel.render.positions import build_trees, build_url_trees

CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = """
--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update
--disable-sync
"""


@pytest.fixture
async def page():
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES.split())
        page = await browser.new_page()
        await page.route("**/*", lambda route: route.abort())
        yield page
        await browser.close()


async def run(page, pieces):
    """Whether a script ran when these pieces stood on one page and everything on it was touched."""
    await page.set_content("<!doctype html><body>" + "\n".join(pieces), wait_until="load")
    await page.evaluate(
        """() => {
            for (const link of document.links) link.href.startsWith('javascript:') && link.click();
            for (const element of document.body.querySelectorAll('*'))
                for (const event of ['click', 'mouseover', 'focus', 'error', 'toggle', 'load'])
                    element.dispatchEvent(new Event(event, {cancelable: true}));
        }"""
    )
    return await page.evaluate("window.hit === 1")


@pytest.mark.browser
@pytest.mark.story("10.5")
async def test_no_script_runs(page):
    pieces = [format_text(text, name) for text in MARKUP for name in TEXT_FORMATS]
    pieces += [render_tree(tree).html for text in MARKUP for _, tree in build_trees(text)]
    pieces += [render_tree(tree).html for url in URLS for _, tree in build_url_trees(url)]
    assert await run(page, pieces) is False


@pytest.mark.browser
async def test_the_browser_would_run_what_is_not_cleaned(page):
    assert await run(page, [MARKUP[5]]) is True
