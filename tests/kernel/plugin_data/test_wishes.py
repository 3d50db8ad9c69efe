"""What plugins ask to have written while a page is made comes to stand as one job of that request."""

import json
import shutil
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from kernel.db.pool import Database
from kernel.jobs import APPLY_PLUGIN_WRITES, ApplyPluginWrites, PluginWrite
from kernel.ledger.model import JobStatus
from kernel.ledger.wait import wait_for_job
from kernel.plugin.manifest import read_manifest
from kernel.plugin.model import Budgets
from kernel.plugin_data.store import apply_tables
from kernel.plugin_data.wishes import WAITING_MAX, open_request_scope
from kernel.tap.catalogue import ITEM_VIEW
from kernel.tap.dispatch import dispatch
from kernel.tap.witness import Witness
from tests.fixtures.database import ROOT
from tests.fixtures.ledger import get_job
from tests.fixtures.plugins import enable_plugins
from tests.fixtures.site import open_site
from tests.fixtures.tables import open_owner
from tests.kernel.plugin_data.conftest import CTX, make_scripted


def script(*steps):
    return json.dumps(steps)


async def view(writers, *items):
    """The answers of both plugins, once the request is over."""
    generation = writers.rt.cache.generation()
    async with open_request_scope(writers.rt, CTX, generation, Witness()) as scope:
        return await dispatch(scope, ITEM_VIEW, items=list(items))


async def list_jobs(writers):
    async with writers.rt.db.acquire() as conn:
        ids = await conn.fetch("SELECT id FROM job WHERE kind = $1 ORDER BY id", APPLY_PLUGIN_WRITES.name)
    return [await get_job(writers.rt.ledger, row["id"]) for row in ids]


@pytest.mark.story("3.10", "3.13")
async def test_a_page_that_writes_becomes_one_job_with_all_of_it(writers):
    cache = writers.rt.cache
    steps = [
        ["insert", "vote", {"note": "a"}],
        ["count", "vote"],
        ["set", "first_seen", "1"],
        ["get", "first_seen"],
        ["update", "vote", {"stars": 2}, [["note", "=", "a"]]],
    ]
    dispatched = await view(writers, make_scripted(script(*steps)))
    assert dispatched.failures == ()
    told = json.loads(dispatched.answers[0][1][0]["#value"])
    # Nothing is there yet, and the other plugin may not set this variable.
    assert told[1:] == [0, None, "", None]
    (job,) = await list_jobs(writers)
    assert (job.request_id, job.status, len(job.payload["writes"])) == (CTX.request_id, JobStatus.QUEUED, 5)
    await cache.put("page", b"old", ["table:first.vote"], 60, cache.generation())
    await writers.attempt(job.id, APPLY_PLUGIN_WRITES)
    job = await get_job(writers.rt.ledger, job.id)
    assert job.result == {"outcome": "done", "applied": 5, "refused": []}
    assert sorted(job.drop_tags or ["table:first.vote", "table:second.vote", "variable:first_seen"]) == [
        "table:first.vote",
        "table:second.vote",
        "variable:first_seen",
    ]
    assert await cache.get("page") is None
    assert await writers.variable("first_seen") == "1"
    async with writers.rt.db.acquire() as conn:
        row = await conn.fetchrow("SELECT id, note, stars FROM plugin_first.vote")
    assert (str(row["id"]), row["note"], row["stars"]) == (told[0], "a", 2)


async def test_a_page_that_writes_nothing_makes_no_job(writers):
    await view(writers, make_scripted(script(["count", "vote"])))
    assert await list_jobs(writers) == []


async def test_a_plugin_that_fails_has_asked_for_nothing(writers):
    dispatched = await view(
        writers, make_scripted(script(["insert", "vote", {"note": "a"}], ["fail"])), make_scripted("[]")
    )
    assert len(dispatched.failures) == 2
    assert await list_jobs(writers) == []


def wish(call, plugin, **change):
    return PluginWrite(call, plugin, change)


def insert(call, plugin, note, **row):
    row_id = f"0190a000-0000-7000-8000-00000000000{call}"
    return wish(call, plugin, kind="insert", table="vote", id=row_id, row={"note": note, **row})


async def test_the_writes_of_one_call_stand_together_and_those_of_others_for_themselves(writers):
    query = {"table": "vote", "values": {"stars": "no number any more"}, "conditions": []}
    wishes = [
        insert(1, "first", "a"),
        insert(2, "first", "lost"),
        wish(2, "first", kind="update", query=query),
        insert(3, "second", "b"),
        wish(4, "second", kind="delete", query={"table": "dropped", "conditions": []}),
        wish(5, "second", kind="raw", sql="DROP TABLE users"),
        wish(6, "second", kind="insert", table="vote", id="7", row={}),
        wish(7, "second", kind="variable", name="x" * 300, value=""),
    ]
    with capture_logs() as logs:
        job = await writers.run(APPLY_PLUGIN_WRITES, ApplyPluginWrites(wishes))
    assert (job.status, job.result["applied"]) == (JobStatus.DONE, 2)
    assert [refusal.split(": ")[0] for refusal in job.result["refused"]] == ["first"] + ["second"] * 4
    assert sum(line["event"] == "a write of a plugin was refused" for line in logs) == 5
    assert (await writers.notes("first"), await writers.notes("second")) == (["a"], ["b"])


async def test_writes_of_a_plugin_that_is_not_there_yet_wait_for_it_and_not_for_ever(writers):
    payload = ApplyPluginWrites([insert(1, "first", "a"), insert(2, "newcomer", "b")])
    job = await writers.run(APPLY_PLUGIN_WRITES, payload, tries=3)
    assert (job.status, job.failures, await writers.notes()) == (JobStatus.QUEUED, 3, [])
    await writers.attempt(job.id, APPLY_PLUGIN_WRITES)
    job = await get_job(writers.rt.ledger, job.id)
    assert job.result["refused"] == ["newcomer: The plugin is not enabled any more."]
    assert await writers.notes() == ["a"]


async def test_writes_that_nobody_does_are_lost_before_they_fill_the_disk(writers):
    async with writers.rt.db.acquire() as conn:
        await conn.execute(
            """
            INSERT INTO job (id, kind, actor_id, status)
            SELECT gen_random_uuid(), $1, gen_random_uuid(), 'queued' FROM generate_series(1, $2::int)
            """,
            APPLY_PLUGIN_WRITES.name,
            WAITING_MAX,
        )
    with capture_logs() as logs:
        dispatched = await view(writers, make_scripted(script(["insert", "vote", {}])))
    assert dispatched.failures == ()
    assert [line["event"] for line in logs] == ["writes of plugins are lost, too many wait already"]


@pytest.fixture
async def written_site(config, fixture_wasm, renderer, tmp_path):
    """A whole site with `ledgerling` installed."""
    source = ROOT / "tests" / "wasm" / "ledgerling"
    place = tmp_path / "plugins" / "ledgerling"
    place.mkdir(parents=True)
    shutil.copy(source / "ledgerling.info.toml", place)
    shutil.copy(fixture_wasm("ledgerling"), place)
    manifest = read_manifest(place / "ledgerling.info.toml", Budgets())
    ready = replace(config, plugins_dir=place.parent, var=ROOT / "var" / "test", lease_s=30.0)
    async with open_owner(ready) as owner:
        await apply_tables(owner, "ledgerling", manifest.may.tables)
    db = await Database.open(ready.url_for_role("worker"), role="worker", max_size=1)
    async with db.transaction() as tx:
        await enable_plugins(tx.conn, [manifest])
    await db.close()
    async with open_site(ready, renderer) as site:
        assert site.web.plugins.failures == ()
        yield site


@pytest.mark.story("3.10")
async def test_a_page_over_http_writes_through_a_worker(written_site):
    """The web tier's role could not have done it itself."""
    site = written_site
    async with site.worker.db.acquire() as conn:
        await conn.execute(
            "INSERT INTO variable (name, value) VALUES ('ledgerling_script', $1)",
            script(["insert", "vote", {"note": "seen"}], ["set", "ledgerling_last", "today"]),
        )
    async with site.client() as client:
        answer = await client.get("/ledgerling")
    assert answer.status_code == 200
    async with site.worker.db.acquire() as conn:
        job_id = await conn.fetchval("SELECT id FROM job WHERE kind = $1", APPLY_PLUGIN_WRITES.name)
    job = await wait_for_job(site.web.ledger, job_id, 10)
    assert job.result == {"outcome": "done", "applied": 2, "refused": []}
    async with site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT note FROM plugin_ledgerling.vote") == "seen"
        assert await conn.fetchval("SELECT value FROM variable WHERE name = 'ledgerling_last'") == "today"
