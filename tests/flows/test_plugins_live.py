"""Two web processes and a worker follow what becomes of a plugin, while visitors ask them for pages all the time."""

import asyncio
import json
import re
import shutil
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import httpx
import pytest

from kernel.app.open import open_kernel
from kernel.context import Actor, Context
from kernel.db.pool import Database
from kernel.jobs import CHANGE_PLUGIN, ChangePlugin
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.lifecycle.source import read_source, submit_install
from kernel.plugin.model import Budgets
from kernel.plugin_data.tags import name_table_tag
from kernel.user.account import create_user
from tests.fixtures.database import ROOT

pytestmark = [pytest.mark.adversity, pytest.mark.timeout(240)]

SOURCE = ROOT / "tests" / "wasm" / "guest"


@pytest.fixture
def folder(tmp_path, fixture_wasm, built_plugins):
    """What the site has, and `guest`."""
    place = tmp_path / "plugins"
    for manifest in built_plugins:
        shutil.copytree(manifest.folder, place / manifest.name)
    (place / "guest").mkdir()
    shutil.copy(SOURCE / "guest.info.toml", place / "guest")
    shutil.copy(fixture_wasm("guest"), place / "guest")
    return place


@pytest.fixture
def site_config(site_config, folder):
    return replace(site_config, plugins_dir=folder)


@pytest.fixture
async def rt(site_config, renderer):
    """Who asks for changes, in a process of its own."""
    async with open_kernel(site_config, role="web", renderer=renderer, with_plugins=False) as opened:
        yield opened


async def make_administrator(config):
    db = await Database.open(config.url_for_role("worker"), role="worker", max_size=1)
    try:
        return await create_user(db, name="ada", password=None, is_admin=True)
    finally:
        await db.close()


class Visitors:
    """Ask both processes for pages, one after another, until they are told to leave."""

    def __init__(self, site):
        self.site = site
        self.statuses = []
        # By process: what a visitor of it sees, newest last, as (time, text).
        self.seen = {0: [], 1: []}
        self.stop = asyncio.Event()

    async def visit(self, number):
        async with self.site.client(number) as client:
            turn = 0
            while not self.stop.is_set():
                turn += 1
                # Kept pages and such as have to be made.
                path = "/guest" if turn % 2 else f"/guest?turn={turn}"
                for asked in (path, "/"):
                    answer = await client.get(asked)
                    self.statuses.append((asked.partition("?")[0], answer.status_code))
                    if asked == path:
                        text = answer.text if answer.status_code == 200 else ""
                        self.seen[number].append((time.monotonic(), text))

    async def wait_until(self, shows, since):
        """Seconds from `since` until both processes show it."""
        latest = 0.0
        for number in self.seen:
            async with asyncio.timeout(10):
                while not (found := [at for at, text in self.seen[number] if at > since and shows(text)]):
                    await asyncio.sleep(0.01)
            latest = max(latest, found[0] - since)
        return latest


@asynccontextmanager
async def visitors_of(site):
    visitors = Visitors(site)
    running = [asyncio.create_task(visitors.visit(number)) for number in (0, 1)]
    try:
        yield visitors
    finally:
        visitors.stop.set()
        await asyncio.gather(*running)


class Held:
    """Nobody reads what the plugin keeps, until that is let go."""

    def __init__(self, conn):
        self._conn = conn
        self._transaction = conn.transaction()

    async def begin(self):
        await self._transaction.start()
        await self._conn.execute("LOCK TABLE plugin_guest.event IN ACCESS EXCLUSIVE MODE")

    async def wait_for_reader(self):
        async with asyncio.timeout(5):
            while not await self._conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)

    async def end(self):
        await self._transaction.rollback()


def change_manifest(folder, old, new, taps=None):
    manifest = folder / "guest" / "guest.info.toml"
    text = manifest.read_text().replace(f'"{old}"', f'"{new}"')
    if taps is not None:
        text = re.sub(r"implements = \[.*?\]", f"implements = {json.dumps(taps)}", text, flags=re.DOTALL)
    manifest.write_text(text)


async def find_status(client, path):
    """None for what is not answered at once."""
    try:
        return (await client.get(path, timeout=0.1)).status_code
    except httpx.TimeoutException:
        return None


async def check_that_a_request_ends_with_the_plugins_it_began_with(site, rt, folder, install):
    """It is held open while its page goes with an upgrade, and shown all the same."""
    # One that is told nothing, so that nothing but the request touches its table.
    change_manifest(folder, "1.1.0", "1.2.0", ["tap_item_info", "tap_menu", "tap_page"])
    await install()
    conn = await asyncpg.connect(rt.config.database_url)
    held = Held(conn)
    try:
        async with site.client(0) as first, site.client(0) as second:
            await held.begin()
            # What the plugin answered before is kept, until its table changes.
            await rt.cache.drop([name_table_tag("guest", "event")])
            early = asyncio.create_task(first.get("/guest?held=1"))
            await held.wait_for_reader()
            change_manifest(folder, "1.2.0", "1.3.0", ["tap_item_info"])
            await install()
            async with asyncio.timeout(1.5):
                # One that came before the process had followed would wait like the first.
                while await find_status(second, "/guest") != 404:
                    pass
            assert not early.done()
            await held.end()
            answer = await early
            assert (answer.status_code, "upgrade from 1.0.0" in answer.text) == (200, True)
    finally:
        await conn.close()


async def test_processes_follow_what_becomes_of_a_plugin_within_a_second(run_site, rt, site_config, folder):
    user = await make_administrator(site_config)
    ctx = Context(actor=Actor(user.id, "ada", is_admin=True))

    async def finish(job_id):
        """When the job was done."""
        job = await wait_for_job(rt.ledger, job_id, 60)
        assert job.result is not None, job.error
        assert job.result["outcome"] == "done", job.result
        return time.monotonic()

    async def install():
        source = await asyncio.to_thread(read_source, folder, "guest", Budgets())
        return await finish(await submit_install(rt, ctx, source, enables=True))

    environment = {"TROVATO_PLUGINS": str(folder), "TROVATO_VAR": str(site_config.var)}

    async def change(operation):
        change = ChangePlugin(operation, "guest")
        return await finish(await submit_job(rt.ledger, ctx, CHANGE_PLUGIN, change))

    async with run_site(web=2, environment=environment) as site:
        async with visitors_of(site) as visitors:
            delays = {
                "install": await visitors.wait_until(lambda text: "install, enable" in text, await install())
            }
            change_manifest(folder, "1.0.0", "1.1.0")
            done = await install()
            delays["upgrade"] = await visitors.wait_until(lambda text: "upgrade from 1.0.0" in text, done)
            done = await change("disable")
            delays["disable"] = await visitors.wait_until(lambda text: not text, done)
            # Nobody comes back to what was before.
            await asyncio.sleep(0.5)
            assert all(not text for number in (0, 1) for at, text in visitors.seen[number] if at > done + 1)
            done = await change("enable")
            delays["enable"] = await visitors.wait_until(lambda text: "disable, enable" in text, done)
        await check_that_a_request_ends_with_the_plugins_it_began_with(site, rt, folder, install)
    print("seconds until both processes follow:", {name: round(delay, 3) for name, delay in delays.items()})
    assert max(delays.values()) <= 1.0
    # No request failed, and the pages of others were there all the time.
    assert {status for path, status in visitors.statuses if path == "/"} == {200}
    assert {status for path, status in visitors.statuses if path == "/guest"} == {200, 404}
    assert len(visitors.statuses) > 100
