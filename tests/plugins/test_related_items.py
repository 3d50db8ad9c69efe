"""The plugin `related_items` through its artefact, on a site, with its real tables."""

import asyncio
import re
from contextlib import suppress

import pytest

pytestmark = pytest.mark.long


async def list_related(owner, saved):
    """The titles of the links below the item, as a stranger is shown them."""
    page = await owner.fetch(saved["path"])
    assert page.status_code == 200
    aside = page.text.partition('<aside class="related-items">')[2].partition("</aside>")[0]
    return re.findall(r'<a href="/item/[^"]+">([^<]+)</a>', aside)


async def expect_related(owner, saved, titles):
    """A job is done a moment before all processes have heard what changed with it."""
    found = None
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while (found := await list_related(owner, saved)) != titles:
                await asyncio.sleep(0.02)
    assert found == titles


async def test_items_are_related_by_the_words_of_their_titles_as_long_as_they_have_them(open_with):
    async with open_with("related_items") as owner:
        pots = await owner.save("Growing tomatoes in pots")
        await expect_related(owner, pots, [])
        oven = await owner.save("Tomatoes from the oven")
        balcony = await owner.save("Growing POTS of tomatoes")
        await expect_related(owner, pots, ["Growing POTS of tomatoes", "Tomatoes from the oven"])
        await expect_related(owner, oven, ["Growing POTS of tomatoes", "Growing tomatoes in pots"])
        await owner.save("Bread from the oven", of=oven)
        await expect_related(owner, pots, ["Growing POTS of tomatoes"])
        await owner.delete(balcony)
        await expect_related(owner, pots, [])
        assert await owner.fetchval('SELECT count(*) FROM "plugin_related_items"."pair"') == 0


async def test_a_draft_is_named_nowhere(open_with):
    async with open_with("related_items") as owner:
        pots = await owner.save("Growing tomatoes")
        secret = await owner.save("Secret tomatoes", status=0)
        await owner.save("Public tomatoes")
        await expect_related(owner, pots, ["Public tomatoes"])
        shown = await owner.save("Open tomatoes", of=secret)
        await expect_related(owner, pots, ["Open tomatoes", "Public tomatoes"])
        await owner.save("Open tomatoes", of=shown, status=0)
        await expect_related(owner, pots, ["Public tomatoes"])


@pytest.mark.timeout(60)
async def test_a_list_of_items_asks_for_all_of_them_within_the_host_calls_of_one_tap(open_with):
    async with open_with("related_items") as owner:
        for number in range(10):
            await owner.save(f"Tomatoes {number}")
        session = await owner.site.log_in(await owner.site.make_user("zoe", is_admin=True))
        async with owner.site.client(cookie=session.id) as administrator:
            for _ in ("nothing is kept yet", "all is kept"):
                page = await administrator.get("/recent-pages")
                assert page.status_code == 200
                # Who administers the site is told of a plugin whose part is missing.
                assert "related_items" not in page.text
                assert page.text.count("Related") == 10
