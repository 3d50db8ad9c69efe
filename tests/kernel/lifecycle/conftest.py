"""A site whose folder of plugins is the test's own: `guest`, and what a test makes of it."""

import asyncio
import shutil
from dataclasses import replace

import pytest

from kernel.context import Actor, Context
from kernel.jobs import CHANGE_PLUGIN, ChangePlugin
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.lifecycle.source import read_source, submit_install
from kernel.plugin.model import Budgets
from tests.fixtures.database import ROOT
from tests.fixtures.site import open_site

SOURCE = ROOT / "tests" / "wasm" / "guest"


@pytest.fixture
def folder(tmp_path, fixture_wasm):
    """With `guest` in it."""
    place = tmp_path / "plugins" / "guest"
    place.mkdir(parents=True)
    shutil.copy(SOURCE / "guest.info.toml", place)
    shutil.copy(fixture_wasm("guest"), place)
    return place.parent


@pytest.fixture
async def site(config, fresh_database_url, folder, renderer):
    """Without any plugin yet."""
    ready = replace(
        config,
        database_url=fresh_database_url,
        plugins_dir=folder,
        var=ROOT / "var" / "test",
        lease_s=30.0,
        save_wait_s=20.0,
    )
    async with open_site(ready, renderer) as opened:
        yield opened


class Keeper:
    """An administrator who asks for changes and sees what comes of them."""

    def __init__(self, site, ctx):
        self.site = site
        self.ctx = ctx

    async def install(self, name="guest", *, enables=True):
        source = await asyncio.to_thread(read_source, self.site.config.plugins_dir, name, Budgets())
        return await self.finish(await submit_install(self.site.web, self.ctx, source, enables=enables))

    async def change(self, operation, name="guest", **options):
        change = ChangePlugin(operation, name, **options)
        return await self.finish(await submit_job(self.site.web.ledger, self.ctx, CHANGE_PLUGIN, change))

    async def finish(self, job_id):
        """The result of the job."""
        job = await wait_for_job(self.site.web.ledger, job_id, 60)
        assert job.result is not None, job.error
        return job.result

    async def fetch(self, path):
        """What a stranger is shown."""
        async with self.site.client() as client:
            return await client.get(path)

    async def fetchval(self, sql, *arguments):
        async with self.site.worker.db.acquire() as conn:
            return await conn.fetchval(sql, *arguments)


@pytest.fixture
async def keeper(site):
    user = await site.make_user("ada", is_admin=True)
    return Keeper(site, Context(actor=Actor(user.id, "ada", is_admin=True)))
