"""Pages made of plugins' answers: no instance is taken for those that are kept, and pages last as long as these."""

import asyncio
import json
from dataclasses import replace
from html import unescape

import pytest

from kernel.names import ANONYMOUS_ROLE, FRAGMENTS_TAG
from kernel.plugin.live import LivePlugins
from kernel.plugin_data.tags import name_variable_tag
from kernel.tap.capability import Capabilities
from kernel.tap.registry import TapRegistry
from kernel.tap.scope import CLOCK_LIFE_S
from kernel.user.load import PERMISSIONS_TAG
from tests.fixtures.fragments import MAY, SHOW
from web.app import create_asgi


@pytest.fixture
async def curious_site(site, workshop):
    """The shipped plugins, and one that asks what an item's body says."""
    curious = await workshop.load("curious", "curious", item_view=SHOW)
    curious = replace(curious, may=Capabilities(**MAY))
    shipped = site.web.plugins
    registry = TapRegistry((*shipped.registry.plugins, curious), shipped.registry.type_owners)
    live = LivePlugins(replace(shipped, registry=registry))
    return replace(site, app=create_asgi(replace(site.web, live_plugins=live)))


async def add_item(site, title, *asks, item_type="blog", **fields):
    administrator = await site.make_user(f"{title} author", is_admin=True)
    async with site.client(token=await site.make_token(administrator)) as program:
        fields = {"field_body": json.dumps(asks), **fields}
        made = await program.post(f"/item/add/{item_type}", json={"title": title, "fields": fields})
        return made.json()["path"]


async def open_session(site, name, *, is_admin=False):
    return (await site.log_in(await site.make_user(name, is_admin=is_admin))).id


def count_taken(*metrics):
    return sum(
        sample.value
        for each in metrics
        for family in each.registry.collect()
        for sample in family.samples
        if sample.name == "trovato_wasm_instances_taken_total"
    )


async def test_a_warm_page_takes_no_instance_whoever_asks(site):
    path = await add_item(site, "House style")
    ada, ben = await open_session(site, "ada"), await open_session(site, "ben")
    async with site.client(cookie=ada) as one, site.client(cookie=ben) as two, site.client() as stranger:
        cold = count_taken(site.web.metrics)
        first = await one.get(path)
        warm = count_taken(site.web.metrics)
        assert warm > cold
        second = await two.get(path)
        assert (first.status_code, second.status_code) == (200, 200)
        assert (await stranger.get(path)).status_code == 200
        for page in ("/blog", path):
            await one.get(page)
        warm = count_taken(site.web.metrics)
        for page in ("/blog", path):
            assert "House style" in (await two.get(page)).text
        assert count_taken(site.web.metrics) == warm


async def test_a_page_made_while_a_plugin_was_missing_is_not_shown_once_it_is_there(site):
    path = await add_item(site, "Late", field_reading_minutes=7)
    whole = site.web.plugins
    rest = tuple(plugin for plugin in whole.registry.plugins if plugin.name != "blog")
    live = LivePlugins(replace(whole, registry=replace(whole.registry, plugins=rest)))
    late = replace(site, app=create_asgi(replace(site.web, live_plugins=live)))
    async with late.client() as stranger:
        first = await stranger.get(path)
        assert "ETag" in first.headers
        assert "7 min read" not in first.text
        # Of the same generation, after another try.
        live.current = whole
        assert "7 min read" in (await stranger.get(path)).text


async def test_an_edit_is_shown_at_once(site):
    path = await add_item(site, "Old title")
    ada = await open_session(site, "ada", is_admin=True)
    administrator = await site.make_user("zoe", is_admin=True)
    async with (
        site.client(cookie=ada) as editor,
        site.client(token=await site.make_token(administrator)) as program,
    ):
        assert "old words" not in (await editor.get(path)).text
        shown = await program.get(path, headers={"Accept": "application/json"})
        change = {"title": "New title", "fields": {"field_body": "<p>old words</p>"}}
        changed = await program.post(f"{path}/edit", json={**change, "revision": shown.json()["revision_id"]})
        assert changed.status_code == 200
        assert "old words" in (await editor.get(path)).text


async def test_a_strangers_page_goes_when_data_changes_that_a_plugin_was_told(curious_site):
    path = await add_item(curious_site, "Variable", ["variable", "curious_x"])
    async with curious_site.client() as stranger:
        first = await stranger.get(path)
        assert "ETag" in first.headers
        assert "unset" in first.text
        async with curious_site.worker.db.acquire() as conn:
            await conn.execute("INSERT INTO variable (name, value) VALUES ('curious_x', $1)", "brand new")
        assert (await stranger.get(path)).headers["ETag"] == first.headers["ETag"]
        await curious_site.web.cache.drop([name_variable_tag("curious_x")])
        assert "brand new" in (await stranger.get(path)).text


async def test_a_strangers_page_goes_with_all_kept_answers(curious_site):
    path = await add_item(curious_site, "All", ["variable", "curious_x"])
    ada = await open_session(curious_site, "ada")
    async with curious_site.client() as stranger, curious_site.client(cookie=ada) as reader:
        await reader.get(path)
        before = count_taken(curious_site.web.metrics)
        await curious_site.web.cache.drop([FRAGMENTS_TAG])
        await reader.get(path)
        assert count_taken(curious_site.web.metrics) > before
        assert "ETag" in (await stranger.get(path)).headers


async def test_a_strangers_page_follows_the_permissions_of_strangers(curious_site):
    path = await add_item(curious_site, "Permission", ["may", "edit"])
    async with curious_site.client() as stranger:
        first = await stranger.get(path)
        assert "ETag" in first.headers
        assert '["Permission", false]' in unescape(first.text)
        async with curious_site.worker.db.acquire() as conn:
            await conn.execute(
                "INSERT INTO role_permission (role_id, permission) SELECT id, 'edit' FROM role WHERE name = $1",
                ANONYMOUS_ROLE,
            )
        await curious_site.worker.cache.drop([PERMISSIONS_TAG])
        await curious_site.web.cache.refresh()
        assert '["Permission", true]' in unescape((await stranger.get(path)).text)


@pytest.mark.parametrize("question", [["chance"], ["share", "a", "b"], ["write", "x"]], ids=lambda q: q[0])
async def test_a_page_with_an_answer_that_is_not_kept_is_not_kept(curious_site, question):
    path = await add_item(curious_site, "Once", question)
    async with curious_site.client() as stranger:
        assert "ETag" not in (await stranger.get(path)).headers


async def test_a_page_with_the_time_lives_for_a_minute(curious_site, redis_client, redis_prefix):
    path = await add_item(curious_site, "Clock", ["clock"])
    async with curious_site.client() as stranger:
        assert "ETag" in (await stranger.get(path)).headers
    lives = [
        redis_client.pttl(key)
        for key in redis_client.scan_iter(f"{redis_prefix}:cache:entry:*")
        if redis_client.hget(key, "value").startswith(b'{"etag"')
    ]
    assert len(lives) == 1
    assert 0 < lives[0] <= CLOCK_LIFE_S * 1000


async def test_what_a_user_is_shown_is_shown_to_no_other(curious_site):
    path = await add_item(curious_site, "Who", ["user"])
    ada, ben = await open_session(curious_site, "ada"), await open_session(curious_site, "ben")
    async with (
        curious_site.client(cookie=ada) as one,
        curious_site.client(cookie=ben) as two,
        curious_site.client() as stranger,
    ):
        pages = [(await client.get(path)).text for client in (one, two, stranger, one, two, stranger)]
        async with curious_site.worker.db.acquire() as conn:
            ids = {row["name"]: str(row["id"]) for row in await conn.fetch("SELECT id, name FROM users")}
    for page, own, others in zip(
        pages, ["ada", "ben", ""] * 2, [["ben"], ["ada"], ["ada", "ben"]] * 2, strict=True
    ):
        assert not own or ids[own] in page
        assert not any(ids[other] in page for other in others)


async def test_an_administrator_is_told_why(curious_site):
    clock = await add_item(curious_site, "Clock", ["clock"], ["variable", "curious_x"])
    chance = await add_item(curious_site, "Chance", ["chance"], ["may", "edit"])
    boss = await open_session(curious_site, "boss", is_admin=True)
    async with curious_site.client(cookie=boss) as administrator:
        assert "What is kept of this page</h2>" not in (await administrator.get(clock)).text
        shown = (await administrator.get(f"{clock}?why=1")).text
        assert "What is kept of this page</h2>" in shown
        assert "From before" in shown
        assert "It depends on variables: curious_x." in shown
        assert "It depends on the time, and is made again after" in shown
        assert "share one page, which is kept for" in shown
        shown = (await administrator.get(f"{chance}?why=1")).text
        assert "Made for once" in shown
        assert "It is not kept: it was made with random numbers." in shown
        assert "It depends on the permission “edit”, which the user has." in shown
        assert "The page as a whole is not kept, since an answer on it is not." in shown


async def test_nobody_else_is_told_why(curious_site):
    path = await add_item(curious_site, "Secret", ["user"])
    ada = await open_session(curious_site, "ada")
    async with curious_site.client(cookie=ada) as reader, curious_site.client() as stranger:
        for client in (reader, stranger):
            assert "What is kept of this page" not in (await client.get(f"{path}?why=1")).text


def count_leased(metrics):
    metrics.refresh()
    (leased,) = [
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "trovato_wasm_instances" and sample.labels["state"] == "leased"
    ]
    return leased


async def test_an_answer_goes_before_instances_are_given_back(site):
    path = await add_item(site, "Quick")
    for plugin in site.web.plugins.registry.plugins:
        # One that is being made for later counts as held too.
        plugin.component._pool._size = 0
    async with asyncio.timeout(5):
        # The request that added it gives its own back a moment later.
        while count_leased(site.web.metrics):
            await asyncio.sleep(0.005)
    held = {}

    async def send(message):
        held[message["type"]] = count_leased(site.web.metrics)

    asked = []

    async def receive():
        if asked:
            await asyncio.Event().wait()
        asked.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    host = f"localhost:{site.config.port}".encode()
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", host)],
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    await site.app(scope, receive, send)
    # Freeing one takes 0.6 ms, which nobody waits for.
    assert held == {"http.response.start": 1, "http.response.body": 1}
