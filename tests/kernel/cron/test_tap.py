"""Plugins have their turn in cron: each alone, with its own errors and its own last run."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from kernel.cron.model import RunStatus
from kernel.cron.run import run_cron
from kernel.cron.schedule import EVERY_MINUTE
from kernel.cron.store import select_now
from kernel.cron.tap import list_tap_tasks
from kernel.cron.tasks import TASKS
from kernel.jobs import RUN_CRON
from kernel.ledger.attempt import Attempts
from kernel.plugin.live import LivePlugins
from kernel.plugin.model import PluginSet
from kernel.tap.registry import TapOptions, TapRegistry
from tests.fixtures.cron import get_runs, shift_runs, submit_cron, told
from tests.fixtures.ledger import get_job

MOODS = ("loops", "raises", "babbles")


@pytest.fixture
async def moody_rt(rt, workshop):
    """Three plugins that fail in their own ways, before and after two that work."""
    async with rt.db.acquire() as conn:
        for mood in MOODS:
            await conn.execute("INSERT INTO variable (name, value) VALUES ($1, '\"yes\"')", mood)
    plugins = []
    for weight, name in enumerate(("early", *MOODS, "late")):
        options = TapOptions(weight=weight)
        plugins.append(await workshop.load(name, "moody", may={"variables": frozenset({name})}, cron=options))
    plugins.append(await workshop.load("uninterested", "moody"))
    return replace(rt, live_plugins=LivePlugins(PluginSet(registry=TapRegistry(tuple(plugins)))))


async def run_taps(rt, *, only=""):
    """A run of the plugins alone; the job as it ended."""
    job_id = await submit_cron(rt, only=only)
    work = partial(run_cron, rt, list_all=list_tap_tasks)
    await Attempts(rt.ledger, {RUN_CRON.name: (RUN_CRON, work)}).make(job_id)
    return await get_job(rt.ledger, job_id)


@pytest.mark.story("13.6")
async def test_a_plugin_that_fails_or_loops_does_not_keep_the_others_from_their_turn(moody_rt):
    job = await run_taps(moody_rt)
    assert told(job) == [
        ("tap_cron:early", "done"),
        ("tap_cron:loops", "failed"),
        ("tap_cron:raises", "failed"),
        ("tap_cron:babbles", "failed"),
        ("tap_cron:late", "done"),
    ]
    errors = {entry["task"]: entry["error"] for entry in job.result["tasks"] if entry["error"]}
    assert errors["tap_cron:loops"].startswith("Plugin 'loops', tap_cron: ")
    assert "ms of processor time" in errors["tap_cron:loops"]
    assert errors["tap_cron:raises"].startswith("Plugin 'raises', tap_cron: ")
    assert "at most 255 characters" in errors["tap_cron:babbles"]
    assert await get_runs(moody_rt, "tap_cron:uninterested") == []


@pytest.mark.story("13.6")
async def test_plugins_have_their_turn_after_the_sites_own_tasks(moody_rt):
    job_id = await submit_cron(moody_rt)
    attempts = Attempts(moody_rt.ledger, {RUN_CRON.name: (RUN_CRON, partial(run_cron, moody_rt))})
    await attempts.make(job_id)
    names = [task for task, _ in told(await get_job(moody_rt.ledger, job_id))]
    plugins = [f"tap_cron:{name}" for name in ("early", *MOODS, "late")]
    assert names == [*(task.name for task in TASKS), *plugins]


@pytest.mark.story("13.6")
async def test_a_plugin_hears_the_slot_and_when_it_last_did_something(moody_rt):
    await run_taps(moody_rt, only="tap_cron:early")
    (first,) = await get_runs(moody_rt, "tap_cron:early")
    assert first.note == f"Worked for the slot {first.slot.isoformat()}"
    # It has done its work, so it skips until an hour has passed.
    assert told(await run_taps(moody_rt, only="tap_cron:early")) == [("tap_cron:early", "idle")]
    await shift_runs(moody_rt, "tap_cron:early", timedelta(hours=1))
    assert told(await run_taps(moody_rt, only="tap_cron:early")) == [("tap_cron:early", "done")]


@pytest.mark.story("13.6")
async def test_a_failed_run_is_not_the_last_run(moody_rt):
    await run_taps(moody_rt, only="tap_cron:raises")
    (failed,) = await get_runs(moody_rt, "tap_cron:raises")
    assert failed.status is RunStatus.FAILED
    async with moody_rt.db.acquire() as conn:
        await conn.execute("DELETE FROM variable WHERE name = 'raises'")
    # As at the first time: "done", and not "nothing to do for an hour".
    assert told(await run_taps(moody_rt, only="tap_cron:raises")) == [("tap_cron:raises", "done")]


async def test_minutes_that_were_missed_are_not_made_good(moody_rt):
    await run_taps(moody_rt)
    await shift_runs(moody_rt, "tap_cron:early", timedelta(hours=3))
    await run_taps(moody_rt)
    latest, _ = await get_runs(moody_rt, "tap_cron:early")
    async with moody_rt.db.acquire() as conn:
        now = await select_now(conn)
    assert now - latest.slot < timedelta(minutes=2)
    assert latest.slot == EVERY_MINUTE.slot_at(latest.slot)
    assert latest.missed in {178, 179, 180}
