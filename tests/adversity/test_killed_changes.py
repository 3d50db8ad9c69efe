"""A worker dies in the middle of a change of the plugins: it takes effect once, and nothing is left half done."""

import asyncio
import shutil
from dataclasses import replace

import pytest

from kernel.app.open import open_kernel
from kernel.context import Actor, Context
from kernel.ledger.model import JobStatus
from kernel.ledger.wait import wait_for_job
from kernel.lifecycle.source import read_source, submit_install
from kernel.plugin.model import Budgets
from kernel.user.account import create_user
from tests.fixtures.database import ROOT

pytestmark = [pytest.mark.adversity, pytest.mark.timeout(120)]

SOURCE = ROOT / "tests" / "wasm" / "guest"
HEARD = "SELECT string_agg(name, ', ' ORDER BY id) FROM plugin_guest.event"
INDEXES = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'plugin_guest' AND indexname LIKE '%unique%'"
ANY_ID = "00000000-0000-4000-8000-000000000000"
# A required column, and a unique index.
MORE = """
kind = { type = "text", required = true, default = "heard" }
[[tables.event.indexes]]
columns = ["name"]
unique = true
"""


@pytest.fixture
def config(config, tmp_path, fixture_wasm):
    """With a folder of plugins in which there is `guest`, and native code that the suite has."""
    place = tmp_path / "plugins" / "guest"
    place.mkdir(parents=True)
    shutil.copy(SOURCE / "guest.info.toml", place)
    shutil.copy(fixture_wasm("guest"), place)
    return replace(config, plugins_dir=place.parent, var=ROOT / "var" / "test", lease_s=1.0)


@pytest.fixture
async def rt(config, renderer):
    """Who asks for the changes."""
    async with open_kernel(config, role="web", renderer=renderer, with_plugins=False) as opened:
        yield opened


class Changes:
    """Asks for changes, and looks at what came of them."""

    def __init__(self, rt, ctx, db):
        self._rt = rt
        self._ctx = ctx
        self._db = db

    async def install(self):
        source = await asyncio.to_thread(read_source, self._rt.config.plugins_dir, "guest", Budgets())
        return await submit_install(self._rt, self._ctx, source, enables=True)

    async def expect_done(self, job_id):
        """In the second attempt."""
        job = await wait_for_job(self._rt.ledger, job_id, 60)
        assert (job.status, job.attempts) == (JobStatus.DONE, 2)
        assert job.result["outcome"] == "done"

    async def fetchval(self, sql):
        async with self._db.acquire() as conn:
            return await conn.fetchval(sql)

    async def bury(self, worker):
        """Kill it, and have it dead for so long that nobody waits for it to be ready any more."""
        await worker.kill()
        await self._rt.shared.client.delete(self._rt.shared.key("processes"))


@pytest.fixture
async def changes(rt, database):
    user = await create_user(database, name="ada", password=None, is_admin=True)
    return Changes(rt, Context(actor=Actor(user.id, "ada", is_admin=True)), database)


async def test_a_change_takes_effect_once_whenever_its_worker_dies(config, changes, start_worker):
    first = await start_worker("change-stop-before-commit")
    job_id = await changes.install()
    await first.expect("coming")
    await changes.bury(first)
    # It has been told, and nothing of that stands.
    assert await changes.fetchval("SELECT count(*) FROM system") == 0
    assert await changes.fetchval("SELECT count(*) FROM item_type WHERE type = 'guest_note'") == 0
    assert await changes.fetchval(HEARD) is None
    second = await start_worker("change")
    await changes.expect_done(job_id)
    await changes.bury(second)
    assert await changes.fetchval(HEARD) == "install, enable"

    manifest = config.plugins_dir / "guest" / "guest.info.toml"
    manifest.write_text(manifest.read_text().replace('"1.0.0"', '"1.1.0"') + MORE)
    third = await start_worker("change-stop-before-commit")
    job_id = await changes.install()
    await third.expect("coming")
    # The version that runs writes what the one that comes will not allow, and takes it back.
    row = f"INSERT INTO plugin_guest.event (id, name) VALUES ('{ANY_ID}', 'enable') RETURNING kind"
    assert await changes.fetchval(row) == "heard"
    await changes.fetchval(f"DELETE FROM plugin_guest.event WHERE id = '{ANY_ID}'")
    await changes.bury(third)
    assert await changes.fetchval("SELECT version FROM system") == "1.0.0"
    fourth = await start_worker("change-stop-after-commit")
    await fourth.expect("committed")
    await changes.bury(fourth)
    # In effect, and what its tables still lack is in a job that nobody can lose.
    await changes.expect_done(job_id)
    assert await changes.fetchval("SELECT version FROM system") == "1.1.0"
    assert await changes.fetchval(INDEXES) == 0
    await start_worker("change")
    async with asyncio.timeout(30):
        while not await changes.fetchval(INDEXES):
            await asyncio.sleep(0.05)
    assert await changes.fetchval(HEARD) == "install, enable, upgrade from 1.0.0"
