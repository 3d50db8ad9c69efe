"""A plugin that floods its queue with work that loops, fails or is slow has its share of a real site and no more."""

import asyncio
import shutil

import pytest

from kernel.app.open import open_kernel
from kernel.db.pool import Database
from kernel.jobs import SAVE_ITEM, WORK_PLUGIN_QUEUE, WorkPluginQueue
from kernel.ledger.lists import ATTENTION, JobFilter, list_jobs
from kernel.ledger.model import JobStatus
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.plugin.model import Budgets
from kernel.plugin.scan import scan_plugins
from kernel.plugin_queue.store import count_waiting
from kernel.user.account import create_api_token, create_user
from tests.fixtures.database import ROOT
from tests.fixtures.plugins import enable_plugins
from tests.kernel.plugin_queue.test_work import CTX

pytestmark = [pytest.mark.adversity, pytest.mark.timeout(120)]

FLOOD = 500
RIVALS = 40
SAVES = 20
# Of the flood: each third uses up its processor time, each third fails at once, each third is done at once.
DEEDS = ("spin", "knock", "note")
AT_ONCE = WORK_PLUGIN_QUEUE.at_once


@pytest.fixture
async def environment(site_config, plugins_folder, tmp_path):
    """The two plugins beside the shipped one that editors save with, for processes of their own."""
    folder = tmp_path / "plugins"
    shutil.copytree(plugins_folder, folder)
    shutil.copytree(ROOT / "plugins" / "page", folder / "page")
    db = await Database.open(site_config.url_for_role("worker"), role="worker", max_size=1)
    async with db.transaction() as tx:
        await enable_plugins(tx.conn, scan_plugins(folder, Budgets()).manifests)
    await db.close()
    return {"TROVATO_PLUGINS": str(folder)}


@pytest.fixture
async def token(site_config):
    db = await Database.open(site_config.url_for_role("worker"), role="worker", max_size=1)
    user = await create_user(db, name="ada", password=None, is_admin=True)
    made = await create_api_token(db, user_id=user.id, label="test", expires=None)
    await db.close()
    return made


async def push_many(rt, plugin, deeds):
    """As the host function does it, in the order of the list."""
    return [
        await submit_job(
            rt.ledger, CTX, WORK_PLUGIN_QUEUE, WorkPluginQueue(plugin, "errands", {"do": do}), group=plugin
        )
        for do in deeds
    ]


async def watch_places(rt, seen):
    """Notes over and over how many of each group run."""
    while True:
        async with rt.db.acquire() as conn:
            rows = await conn.fetch(
                "SELECT group_key, count(*) AS number FROM job WHERE kind = $1 AND status = 'running' GROUP BY 1",
                WORK_PLUGIN_QUEUE.name,
            )
        for row in rows:
            seen[row["group_key"]] = max(seen.get(row["group_key"], 0), row["number"])
        await asyncio.sleep(0.005)


async def save_pages(site, token):
    async with site.client(token=token) as editor:
        for number in range(SAVES):
            answer = await editor.post("/item/add/page", json={"title": f"Page {number}"})
            assert answer.status_code == 201, answer.text


async def test_neither_saves_nor_another_plugin_wait_for_a_flood(
    run_site, site_config, environment, token, renderer
):
    seen = {}
    async with open_kernel(site_config, role="web", renderer=renderer, with_plugins=False) as rt:
        await push_many(rt, "errands", [DEEDS[number % 3] for number in range(FLOOD)])
        async with run_site(workers=2, environment=environment, log_level="ERROR") as site:
            watching = asyncio.create_task(watch_places(rt, seen))
            async with asyncio.timeout(80), rt.db.acquire() as conn:
                await wait_for_failure(conn)
                saving = asyncio.create_task(save_pages(site, token))
                for job_id in await push_many(rt, "rivals", ["note"] * RIVALS):
                    assert (await wait_for_job(rt.ledger, job_id, 60)).status is JobStatus.DONE
                await saving
                # The flood is far from over.
                assert await count_waiting(conn, "errands", FLOOD) > FLOOD / 2
                begun = await list_begun_before_saves(conn)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    assert seen["errands"] == AT_ONCE
    assert max(seen.values()) == AT_ONCE
    assert len(begun) == SAVES
    assert max(begun) <= AT_ONCE


async def wait_for_failure(conn):
    """Until a piece of the flood has failed, so that it is being worked in earnest."""
    while not await conn.fetchval("SELECT count(*) FROM job WHERE group_key = 'errands' AND failures > 0"):
        await asyncio.sleep(0.02)


async def list_begun_before_saves(conn):
    """For each save, how much of the flood a worker began between its arrival and its own beginning."""
    rows = await conn.fetch(
        """
        SELECT (
            SELECT count(*) FROM job flood
            WHERE flood.group_key = 'errands' AND flood.started > save.created AND flood.started < save.started
        ) AS number
        FROM job save WHERE save.kind = $1 AND save.status = 'done'
        """,
        SAVE_ITEM.name,
    )
    return [row["number"] for row in rows]


@pytest.mark.story("13.5")
async def test_what_gave_up_is_on_the_jobs_page_and_tried_again_from_there(site):
    admin = await site.make_user("ada", is_admin=True)
    (job_id,) = await push_many(site.web, "errands", ["knock"])
    assert (await wait_for_job(site.web.ledger, job_id, 8)).status is JobStatus.DEAD
    async with site.web.db.acquire() as conn:
        (line,) = (await list_jobs(conn, JobFilter(statuses=ATTENTION), 10)).lines
    assert (line.id, line.kind, line.status) == (job_id, WORK_PLUGIN_QUEUE.name, JobStatus.DEAD)
    assert line.error == "Plugin 'errands', tap_queue_worker: ValueError: nobody opens"
    async with site.worker.db.acquire() as conn:
        await conn.execute("INSERT INTO variable (name, value) VALUES ('errands_door', '\"open\"')")
    async with site.client(token=await site.make_token(admin)) as program:
        answer = await program.post(f"/job/{job_id}/retry", json={})
    assert answer.status_code == 200, answer.text
    async with asyncio.timeout(8):
        while (job := await wait_for_job(site.web.ledger, job_id, 1)).status is not JobStatus.DONE:
            await asyncio.sleep(0.02)
    assert (job.failures, job.attempts, job.payload) == (0, 3, {})
