"""A plugin whose tap causes itself, on a whole site: the chain ends, and everybody can see why."""

import asyncio
import json
import shutil
from dataclasses import replace

import pytest

from kernel.context import Actor, Context
from kernel.db.pool import Database
from kernel.host.submit import DEPTH_MAX
from kernel.ids import uuid7
from kernel.item.store import select_item
from kernel.jobs import SAVE_ITEM, SaveItem
from kernel.ledger.wait import submit_and_wait, wait_for_job
from kernel.plugin.model import Budgets
from kernel.plugin.scan import scan_plugins
from tests.fixtures.database import ROOT
from tests.fixtures.plugins import enable_plugins
from tests.fixtures.site import open_site

SOURCE = ROOT / "tests" / "wasm" / "reach" / "reach.info.toml"
WAIT_S = 20.0


@pytest.fixture
async def site(config, fixture_wasm, tmp_path, renderer):
    """With the plugin `reach`, which saves an item again whose title begins with "echo"."""
    place = tmp_path / "plugins" / "reach"
    place.mkdir(parents=True)
    shutil.copy(SOURCE, place)
    shutil.copy(fixture_wasm("reach"), place)
    ready = replace(
        config, plugins_dir=place.parent, var=ROOT / "var" / "test", lease_s=30.0, database_pool=4
    )
    db = await Database.open(ready.url_for_role("worker"), role="worker", max_size=1)
    async with db.transaction() as tx:
        await enable_plugins(tx.conn, scan_plugins(place.parent, Budgets()).manifests)
    await db.close()
    async with open_site(ready, renderer) as opened:
        yield opened


async def save(site, ctx, item_id, title, revision_id=None):
    payload = SaveItem(item_id, "page", title, {}, expected_revision_id=revision_id)
    job = await submit_and_wait(site.web.ledger, ctx, SAVE_ITEM, payload, timeout_s=WAIT_S)
    assert job.result["outcome"] == "saved"
    return job


async def find_id(site, condition, *values):
    async with site.web.db.acquire() as conn:
        return await conn.fetchval(f"SELECT id FROM job WHERE {condition}", *values)


async def wait_for_taps(site, save_id):
    """The job in which plugins hear of a save, when it is over."""
    job_id = await find_id(site, "parent_id = $1 AND kind = 'run_item_taps'", save_id)
    return await wait_for_job(site.web.ledger, job_id, WAIT_S)


@pytest.mark.timeout(60)
async def test_a_save_that_saves_ends_after_the_bounded_number(site):
    user = await site.make_user("editor", is_admin=True)
    ctx = Context(actor=Actor(id=user.id, name="editor", is_admin=True))
    item_id = uuid7()
    made = await save(site, ctx, item_id, "A page")
    job = await save(site, ctx, item_id, "echo", made.result["revision_id"])
    for depth in range(1, DEPTH_MAX + 1):
        assert (await wait_for_taps(site, job.id)).result == {
            "outcome": "done",
            "ran": ["reach"],
            "failed": [],
        }
        save_id = await find_id(site, "kind = 'save_item' AND depth = $1", depth)
        job = await wait_for_job(site.web.ledger, save_id, WAIT_S)
        assert (job.depth, job.actor_id, job.result["outcome"]) == (depth, user.id, "saved")
    last = await wait_for_taps(site, job.id)
    (failure,) = last.result["failed"]
    assert (last.depth, last.result["ran"]) == (DEPTH_MAX, [])
    assert (
        "Plugin 'reach', tap_item_update: ItemError: too-deep: item_update of plugin 'reach' may not save"
        in failure
    )
    async with site.web.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job WHERE kind = 'save_item'") == 2 + DEPTH_MAX
        item = await select_item(conn, item_id)
        assert item is not None
        assert item.title == "echo" + "o" * DEPTH_MAX


@pytest.mark.timeout(60)
async def test_pages_that_load_items_do_not_wait_for_one_another(site):
    """Each page holds a connection of its own while its plugin asks for another, and they are many."""
    user = await site.make_user("editor", is_admin=True)
    ctx = Context(actor=Actor(id=user.id, name="editor", is_admin=True))
    other = uuid7()
    await save(site, ctx, other, "The other page")
    pages = [uuid7() for _ in range(3 * site.config.database_pool)]
    order = json.dumps({"do": "load", "item_id": str(other)})
    await asyncio.gather(*(save(site, ctx, page, order) for page in pages))
    async with site.client(token=await site.make_token(user)) as client:
        answers = await asyncio.gather(*(client.get(f"/item/{page}") for page in pages))
    assert [answer.status_code for answer in answers] == [200] * len(pages)
    assert all("The other page" in answer.text for answer in answers)
