"""What a plugin writes while a job runs stands with the job or not at all, and never twice."""

import json
from datetime import timedelta
from functools import partial

import pytest
from structlog.testing import capture_logs

from kernel.cron.run import run_cron
from kernel.cron.tap import list_tap_tasks
from kernel.errors import LeaseLost
from kernel.item.taps import run_item_taps
from kernel.jobs import INDEX_ITEM, RUN_CRON, RUN_ITEM_TAPS, WORK_PLUGIN_QUEUE, RunItemTaps, WorkPluginQueue
from kernel.ledger.attempt import Attempts
from kernel.ledger.model import JobStatus
from kernel.ledger.run import JobRun
from kernel.ledger.store import claim_job
from kernel.ledger.submit import submit_job
from tests.fixtures.cron import shift_runs, submit_cron, told
from tests.fixtures.ledger import get_job
from tests.kernel.plugin_data.conftest import CTX, make_scripted

FREE = [RUN_ITEM_TAPS.name, INDEX_ITEM.name]


def write(note):
    return ["insert", "vote", {"note": note}]


def find_told(logs):
    """What the plugin was answered, step by step, in each call."""
    return [json.loads(line["message"]) for line in logs if line["event"] == "plugin message"]


def script(*steps):
    return json.dumps(steps)


def piece(*steps, plugin="first"):
    return WorkPluginQueue(plugin, "work", {"script": steps})


async def start(writers, *items):
    """An attempt at telling plugins of inserted items, in the test's hands."""
    job_id = await submit_job(
        writers.rt.ledger, CTX, RUN_ITEM_TAPS, RunItemTaps("tap_item_insert", list(items))
    )
    async with writers.rt.db.acquire() as conn:
        job = await claim_job(conn, job_id, FREE, 30.0)
    return JobRun(writers.rt.ledger, job, RunItemTaps(**job.payload))


@pytest.mark.story("3.10")
async def test_what_a_queue_worker_wrote_stands_with_the_end_of_its_job(writers):
    cache = writers.rt.cache
    await cache.put("page", b"old", ["table:first.vote"], 60, cache.generation())
    await cache.put("other", b"old", ["table:second.vote"], 60, cache.generation())
    job = await writers.run(WORK_PLUGIN_QUEUE, piece(write("a"), ["update", "vote", {"note": "b"}, {}]))
    assert (job.status, job.drop_tags) == (JobStatus.DONE, ["table:first.vote"])
    assert await writers.notes() == ["b"]
    assert (await cache.get("page"), await cache.get("other")) == (None, b"old")


@pytest.mark.story("3.10", "3.13")
async def test_a_plugin_sees_what_it_wrote_in_the_same_job(writers):
    steps = [
        write("a"),
        ["count", "vote"],
        ["set", "first_n", "1"],
        ["get", "first_n"],
        ["select", "vote", [], {"fields": ["note"]}],
        ["update", "vote", {"note": "b"}, []],
        ["delete", "vote", [["note", "=", "a"]]],
    ]
    with capture_logs() as logs:
        await writers.run(WORK_PLUGIN_QUEUE, piece(*steps))
    assert find_told(logs)[0][1:] == [1, None, "1", [{"note": "a"}], 1, 0]
    assert await writers.notes() == ["b"]
    assert await writers.variable("first_n") == "1"


@pytest.mark.parametrize("end", ["fail", "spin"])
async def test_a_try_that_fails_leaves_nothing_and_the_next_writes_once(writers, end):
    job = await writers.run(WORK_PLUGIN_QUEUE, piece(write("a"), [end]), tries=2)
    assert (job.status, job.failures) == (JobStatus.QUEUED, 2)
    assert await writers.notes() == []
    async with writers.rt.db.acquire() as conn:
        await conn.execute(
            "UPDATE job SET payload = jsonb_set(payload, '{data,script}', $2) WHERE id = $1",
            job.id,
            [write("a")],
        )
    await writers.attempt(job.id, WORK_PLUGIN_QUEUE)
    assert await writers.notes() == ["a"]


async def test_the_writes_of_a_plugin_that_fails_vanish_and_those_of_the_others_stay(writers):
    """In one job: the first plugin fails over the second item, after it wrote."""
    items = [
        make_scripted(script(write("a"))),
        make_scripted(script(write("b"), ["fail"])),
        make_scripted("[]"),
    ]
    job = await writers.run(RUN_ITEM_TAPS, RunItemTaps("tap_item_insert", items))
    assert job.status is JobStatus.DONE
    assert len(job.result["failed"]) == 2
    assert await writers.notes("first") == await writers.notes("second") == ["a"]


async def test_a_refused_write_costs_nothing_but_itself(writers):
    taken = ["insert", "voter", {"name": None}]
    job = await writers.run(
        WORK_PLUGIN_QUEUE,
        piece(write("a"), taken, ["insert", "secret", {}], ["set", "other_x", "1"], write("b")),
    )
    assert job.status is JobStatus.DONE
    assert await writers.notes() == ["a", "b"]
    assert await writers.variable("other_x") is None


@pytest.mark.story("3.13")
async def test_a_variable_is_set_with_the_end_of_the_job(writers):
    cache = writers.rt.cache
    await cache.put("page", b"old", ["variable:first_posts"], 60, cache.generation())
    job = await writers.run(WORK_PLUGIN_QUEUE, piece(["set", "first_posts", "25"], write("a")))
    assert job.drop_tags == ["variable:first_posts", "table:first.vote"]
    assert await writers.variable("first_posts") == "25"
    assert await cache.get("page") is None


async def test_a_variable_that_was_undone_is_read_as_it_is(writers):
    await writers.set_variable("first_x", "old")
    items = [
        make_scripted(script(["set", "first_x", "new"], ["fail"])),
        make_scripted(script(["get", "first_x"])),
    ]
    with capture_logs() as logs:
        await writers.run(RUN_ITEM_TAPS, RunItemTaps("tap_item_insert", items))
    # It is the other plugin's, and is not told to the second.
    assert find_told(logs) == [["old"], [""]]
    assert await writers.variable("first_x") == "old"


async def test_an_attempt_that_was_taken_over_writes_nothing(writers):
    run = await start(writers, make_scripted(script(write("a"))))
    async with writers.rt.db.acquire() as conn:
        await conn.execute("UPDATE job SET attempts = attempts + 1 WHERE id = $1", run.job.id)
    with pytest.raises(LeaseLost):
        await run_item_taps(writers.rt, run)
    assert await writers.notes() == []
    assert not run.writes.is_open


async def test_the_lease_is_renewed_while_plugins_hold_their_transaction(writers):
    """On another connection, and it waits for nothing that plugins have locked."""
    run = await start(writers, make_scripted("[]"))
    conn = await run.writes.open()
    await conn.execute("INSERT INTO plugin_first.vote (id, stars, note) VALUES (gen_random_uuid(), 1, 'a')")
    await run.keep_lease()
    await run.report(1, 2, "under way")
    assert await writers.notes() == []
    async with run.finish():
        pass
    assert await writers.notes() == ["a"]


async def test_a_lost_connection_leaves_nothing_and_the_next_try_writes_once(writers):
    """As when the worker is killed: PostgreSQL ends what it had open."""
    item = make_scripted(script(write("a")))
    killed = []

    async def work(run):
        conn = await run.writes.open()
        if not killed:
            killed.append(await conn.fetchval("SELECT pg_backend_pid()"))
            await conn.execute("INSERT INTO plugin_first.voter VALUES (gen_random_uuid(), 'Ann')")
            async with writers.rt.db.acquire() as other:
                await other.execute("SET ROLE NONE")
                await other.execute("SELECT pg_terminate_backend($1)", killed[0])
                await other.execute("RESET ROLE")
        await run_item_taps(writers.rt, run)

    payload = RunItemTaps("tap_item_insert", [item])
    job = await writers.run(RUN_ITEM_TAPS, payload, work=work, tries=2)
    assert (job.status, job.attempts) == (JobStatus.DONE, 2)
    assert await writers.notes("first") == await writers.notes("second") == ["a"]
    async with writers.rt.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM plugin_first.voter") == 0


async def test_rows_that_others_write_too_make_the_job_be_tried_again(writers, monkeypatch):
    """Two that wait for each other: one of them gives way, and its job is tried again."""
    async with writers.rt.db.transaction() as other:
        await other.conn.execute(
            "INSERT INTO plugin_first.vote (id, stars, item_id) VALUES (gen_random_uuid(), 1, gen_random_uuid())"
        )
        row = await other.conn.fetchval("SELECT item_id FROM plugin_first.vote")

        async def work(run):
            conn = await run.writes.open()
            await conn.execute("SET LOCAL lock_timeout = '50ms'")
            await run_item_taps(writers.rt, run)

        payload = RunItemTaps(
            "tap_item_insert", [make_scripted(script(["insert", "vote", {"item_id": str(row)}]))]
        )
        job = await writers.run(RUN_ITEM_TAPS, payload, work=work)
    assert (job.status, job.failures) == (JobStatus.QUEUED, 1)


async def test_what_cron_wrote_stands_with_its_row_and_not_when_it_fails(writers):
    await writers.set_variable("ledgerling_cron", script(write("a")))
    work = partial(run_cron, writers.rt, list_all=list_tap_tasks)
    for _ in range(2):
        job_id = await submit_cron(writers.rt)
        await Attempts(writers.rt.ledger, {RUN_CRON.name: (RUN_CRON, work)}).make(job_id)
        await writers.set_variable("ledgerling_cron", script(write("b"), ["fail"]))
        for plugin in ("first", "second"):
            await shift_runs(writers.rt, f"tap_cron:{plugin}", timedelta(hours=1))
    job = await get_job(writers.rt.ledger, job_id)
    assert told(job) == [("tap_cron:first", "failed"), ("tap_cron:second", "failed")]
    assert await writers.notes("first") == await writers.notes("second") == ["a"]
