"""Tables of a plugin around an upgrade: the version that runs goes on writing, and what is refused leaves nothing."""

import asyncio

from kernel.lifecycle.owner import open_owner
from kernel.plugin_data.difference import Difference, compare_tables
from kernel.plugin_data.store import read_tables
from tests.kernel.lifecycle.test_change import FAILURE, HEARD, set_version

WRITE = "INSERT INTO plugin_guest.event (id, name) VALUES (gen_random_uuid(), $1)"
# A required column, a unique index, and a table more.
MORE = (
    'kind = { type = "text", required = true, default = "heard" }\n',
    "[[tables.event.indexes]]\n",
    'columns = ["name"]\nunique = true\n',
    '[tables.other.columns]\nname = "text"\n',
)


async def write(site, name):
    async with site.worker.db.acquire() as conn:
        await conn.execute(WRITE, name)


async def read(site):
    async with site.worker.db.acquire() as conn:
        return await read_tables(conn, "guest")


async def wait_for_jobs(keeper):
    async with asyncio.timeout(10):
        while await keeper.fetchval("SELECT count(*) FROM job WHERE status IN ('queued', 'running')"):
            await asyncio.sleep(0.02)


async def test_a_refused_upgrade_leaves_the_tables_as_the_version_that_runs_needs_them(site, keeper, folder):
    await keeper.install()
    before = await read(site)
    set_version(folder, "1.1.0", *MORE)
    async with site.worker.db.acquire() as conn:
        await conn.execute("INSERT INTO variable VALUES ('guest_fails_at', '\"upgrade from 1.0.0\"')")
    result = await keeper.install()
    assert result["message"] == "Plugin 'guest', tap_upgrade: RuntimeError: no upgrade from 1.0.0 today"
    assert await read(site) == before
    await write(site, "enable")
    # Rows that the new version does not allow are told before anything is made for it.
    result = await keeper.install()
    assert "there are rows that are alike in that" in result["message"]
    assert await read(site) == before
    # Mended, it comes, and its tables are as it declares them a moment later.
    async with site.worker.db.acquire() as conn:
        await conn.execute("DELETE FROM variable")
        await conn.execute("DELETE FROM plugin_guest.event WHERE name = 'enable'")
    assert (await keeper.install())["outcome"] == "done"
    await wait_for_jobs(keeper)
    (manifest,) = site.worker.plugins.manifests
    assert compare_tables(await read(site), manifest.may.tables) == Difference()
    assert await keeper.fetchval(HEARD) == "install, upgrade from 1.0.0"


async def test_one_that_comes_back_before_its_data_are_deleted_begins_without_them(site, keeper):
    await keeper.install()
    await keeper.change("uninstall")
    async with site.worker.db.acquire() as conn:
        # As when somebody asked for both at once: the job that deletes has its turn after this install.
        await conn.execute(
            """
            INSERT INTO job (id, kind, payload, actor_id, run_at)
            SELECT gen_random_uuid(), kind, '{"operation": "forget", "plugin": "guest"}', actor_id,
                now() + interval '1 h'
            FROM job WHERE kind = 'change_plugin' LIMIT 1
            """
        )
        await conn.execute(FAILURE)
    await keeper.install()
    assert await keeper.fetchval(HEARD) == "install, enable"
    assert await keeper.fetchval("SELECT count(*) FROM plugin_failure") == 0
    # And keeps what it writes from now on, also when it goes again.
    await keeper.change("uninstall")
    assert (
        await keeper.fetchval("SELECT count(*) FROM job WHERE status = 'queued' AND NOT cancel_requested")
        == 0
    )


async def test_an_index_over_a_large_table_may_take_minutes(config):
    async with open_owner(config) as conn:
        assert await conn.fetchval("SHOW statement_timeout") == "10min"
