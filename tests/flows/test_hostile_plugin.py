"""A plugin that fails leaves the page standing without its part, for visitors and editors, and is not remembered."""

from dataclasses import replace

import pytest

from kernel.plugin.live import LivePlugins
from kernel.tap.registry import TapOptions, TapRegistry
from web.app import create_asgi

ITEM = {"field_body": "<p>The words of the author.</p>", "field_reading_minutes": 9}


@pytest.fixture
async def hostile_site(site, workshop):
    """The shipped plugins and, before them, one that does what an item's title says."""
    hostile = await workshop.load("hostile", "hostile", item_view=TapOptions(weight=-10))
    shipped = site.web.plugins
    registry = TapRegistry((*shipped.registry.plugins, hostile), shipped.registry.type_owners)
    return replace(
        site,
        app=create_asgi(replace(site.web, live_plugins=LivePlugins(replace(shipped, registry=registry)))),
    )


@pytest.mark.story("3.15")
@pytest.mark.parametrize("way", ["trap", "loop", "memory bomb", "half a JSON", "no element", "error"])
async def test_the_page_stands_without_the_failing_part(hostile_site, way):
    administrator = await hostile_site.make_user("ada", is_admin=True)
    session = await hostile_site.log_in(administrator)
    async with (
        hostile_site.client(token=await hostile_site.make_token(administrator)) as program,
        hostile_site.client(cookie=session.id) as editor,
        hostile_site.client() as visitor,
    ):
        made = await program.post("/item/add/blog", json={"title": way, "fields": ITEM})
        path = made.json()["path"]
        calm = (await program.post("/item/add/blog", json={"title": "calm", "fields": ITEM})).json()["path"]

        page = await visitor.get(path)
        assert page.status_code == 200
        assert "The words of the author." in page.text
        assert "9 min read" in page.text
        assert "hostile" not in page.text
        # Kept pages would go on without the part when the plugin is well again.
        assert "ETag" not in page.headers

        shown = await editor.get(path)
        assert shown.status_code == 200
        assert "hostile" in shown.text

        other = await visitor.get(calm)
        assert "hostile shows calm" in other.text
        assert "ETag" in other.headers
