"""A plugin that does everything it should not, in every way at once, beside visitors who notice nothing of it."""

import asyncio
import re
from dataclasses import replace

import pytest

from kernel.plugin.live import LivePlugins
from kernel.tap.registry import TapOptions, TapRegistry
from web.app import create_asgi

pytestmark = [pytest.mark.adversity, pytest.mark.timeout(240)]

ITEM = {"field_body": "<p>The words of the author.</p>", "field_reading_minutes": 9}
WAYS = (
    *(
        "trap",
        "loop",
        "memory bomb",
        "error",
        "recursion",
        "sleep",
        "connect",
        "late import",
        "tables of others",
    ),
    *(
        "guessed ids",
        "huge answer",
        "half a JSON",
        "not a number",
        "lone surrogate",
        "NUL",
        "deep",
        "no list",
    ),
    *("too few", "no element", "no type", "nothing at all", "scripts"),
)
ROUNDS = 3
VISITORS = 4


@pytest.fixture
async def hostile_site(site, workshop):
    """The shipped plugins and one that does what an item's title says. It is not installed, so nothing stops it."""
    hostile = await workshop.load("hostile", "hostile", item_view=TapOptions(weight=-10))
    shipped = site.web.plugins
    registry = TapRegistry((*shipped.registry.plugins, hostile), shipped.registry.type_owners)
    live = LivePlugins(replace(shipped, registry=registry))
    return replace(site, app=create_asgi(replace(site.web, live_plugins=live)))


def without_times(page):
    """What may differ between two answers: nothing but these."""
    return re.sub(r'nonce="[^"]*"|data-request="[^"]*"', "", page)


async def test_visitors_of_other_pages_see_the_same_all_the_time(hostile_site):
    token = await hostile_site.make_token(await hostile_site.make_user("ada", is_admin=True))
    async with hostile_site.client(token=token) as program:

        async def add(title):
            made = await program.post("/item/add/blog", json={"title": title, "fields": ITEM})
            return made.json()["path"]

        calm = await add("calm")
        bad = {way: await add(way) for way in WAYS}
    async with hostile_site.client() as client:
        expected = without_times((await client.get(f"{calm}?n=0")).text)
        assert "hostile shows calm" in expected
        stop = asyncio.Event()
        seen = []

        async def visit(number):
            turn = 0
            while not stop.is_set():
                turn += 1
                page = await client.get(f"{calm}?n={number}.{turn}")
                seen.append((page.status_code, without_times(page.text) == expected))

        async def attack(way, path):
            for turn in range(ROUNDS):
                page = await client.get(f"{path}?n={turn}")
                assert page.status_code == 200, way
                assert "The words of the author." in page.text, way
                assert "9 min read" in page.text, way
                assert "LEAKED" not in page.text, way
                find_script(page.text, way)

        visitors = [asyncio.create_task(visit(number)) for number in range(VISITORS)]
        await asyncio.gather(*(attack(way, path) for way, path in bad.items()))
        stop.set()
        await asyncio.gather(*visitors)
    assert len(seen) > VISITORS
    assert set(seen) == {(200, True)}


async def test_each_of_many_failures_at_once_is_told_in_its_own_words(hostile_site):
    names = [f"thing_{number}" for number in range(10, 30)]
    administrator = await hostile_site.make_user("ada", is_admin=True)
    async with hostile_site.client(token=await hostile_site.make_token(administrator)) as program:
        paths = {}
        for title in (*(f"asks for {name}" for name in names), "trap", "error"):
            made = await program.post("/item/add/blog", json={"title": title, "fields": ITEM})
            paths[title.removeprefix("asks for ")] = made.json()["path"]
    session = await hostile_site.log_in(administrator)
    async with hostile_site.client(cookie=session.id) as editor:
        asked = [(name, f"{path}?n={turn}") for turn in range(ROUNDS) for name, path in paths.items()]
        pages = await asyncio.gather(*(editor.get(path) for _, path in asked))
    for (name, _), page in zip(asked, pages, strict=True):
        assert page.status_code == 200
        told = re.findall(r"Plugin .{1,10}hostile.{1,10}, tap_item_view: [^<]*", page.text)
        assert len(told) == 1, name
        found = re.findall(r"thing_\d+|aborted itself|boom", told[0])
        assert found == [{"trap": "aborted itself", "error": "boom"}.get(name, name)]


def find_script(page, way):
    """Nothing of the plugin's became a tag, a handler or an address that runs."""
    body = page.partition("<main")[2]
    assert "<script>alert" not in body, way
    assert not re.search(r"<[^>]+\son\w+\s*=", body), way
    assert not re.search(
        r'(?:href|src|style)="[^"]*(?:javascript|data:text|java\s+script)', body, re.IGNORECASE
    ), way
