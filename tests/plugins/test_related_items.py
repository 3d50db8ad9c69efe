"""The plugin `related_items` through its artefact, on a site, with its real tables."""

import re


async def list_related(owner, saved):
    """The titles of the links below the item, as a stranger is shown them."""
    page = await owner.fetch(saved["path"])
    assert page.status_code == 200
    aside = page.text.partition('<aside class="related-items">')[2].partition("</aside>")[0]
    return re.findall(r'<a href="/item/[^"]+">([^<]+)</a>', aside)


async def test_items_are_related_by_the_words_of_their_titles_as_long_as_they_have_them(open_with):
    async with open_with("related_items") as owner:
        pots = await owner.save("Growing tomatoes in pots")
        assert await list_related(owner, pots) == []
        oven = await owner.save("Tomatoes from the oven")
        balcony = await owner.save("Growing POTS of tomatoes")
        assert await list_related(owner, pots) == ["Growing POTS of tomatoes", "Tomatoes from the oven"]
        assert await list_related(owner, oven) == ["Growing POTS of tomatoes", "Growing tomatoes in pots"]
        await owner.save("Bread from the oven", of=oven)
        assert await list_related(owner, pots) == ["Growing POTS of tomatoes"]
        await owner.delete(balcony)
        assert await list_related(owner, pots) == []
        assert await owner.fetchval('SELECT count(*) FROM "plugin_related_items"."pair"') == 0


async def test_a_draft_is_named_nowhere(open_with):
    async with open_with("related_items") as owner:
        pots = await owner.save("Growing tomatoes")
        secret = await owner.save("Secret tomatoes", status=0)
        assert await list_related(owner, pots) == []
        shown = await owner.save("Open tomatoes", of=secret)
        assert await list_related(owner, pots) == ["Open tomatoes"]
        await owner.save("Open tomatoes", of=shown, status=0)
        assert await list_related(owner, pots) == []
