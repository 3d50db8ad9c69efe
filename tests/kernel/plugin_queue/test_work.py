"""What a plugin pushes is worked by the plugin: once, in order, again when it failed, and never at others' cost."""

import asyncio
import json
import re

import pytest
from structlog.testing import capture_logs

from kernel.app.open import open_kernel
from kernel.context import Actor, Context
from kernel.jobs import WORK_PLUGIN_QUEUE, WorkPluginQueue
from kernel.ledger.cancel import retry_job
from kernel.ledger.model import JobStatus
from kernel.ledger.wait import wait_for_job
from kernel.names import ANONYMOUS_ID
from kernel.plugin.store import advance_generation
from kernel.plugin_queue.push import push_work
from kernel.plugin_queue.store import count_waiting
from kernel.tap.catalogue import CRON, QUEUE_WORKER
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope
from kernel.user.store import assign_role, grant_permission, insert_role
from tests.fixtures.ledger import get_job
from tests.kernel.plugin_queue.conftest import running_worker

CTX = Context(actor=Actor(), request_id="request-7")


def list_messages(logs):
    """What the plugins' workers wrote into the log."""
    return [line["message"] for line in logs if line["event"] == "plugin message"]


async def push(rt, do, *, plugin="errands", queue="errands", ctx=CTX, **data):
    return await push_work(rt.ledger, ctx, WorkPluginQueue(plugin, queue, {"do": do, **data}))


async def finish(rt, job_id, timeout_s=8):
    return await wait_for_job(rt.ledger, job_id, timeout_s)


@pytest.mark.story("13.4", "13.5")
async def test_what_a_page_pushes_is_worked_once_by_a_worker(site):
    with capture_logs() as logs:
        async with site.client() as browser:
            page = await browser.get("/errands/letters/note", headers={"X-Request-ID": "from-browser"})
        assert page.status_code == 200
        (job_id,) = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", page.text)
        job = await finish(site.web, job_id)
    assert (job.status, job.result, job.attempts) == (JobStatus.DONE, {"outcome": "done"}, 1)
    assert (job.kind, job.group_key, job.actor_id) == (WORK_PLUGIN_QUEUE.name, "errands", ANONYMOUS_ID)
    assert list_messages(logs) == [f"letters note  try 1 of {job_id}"]


@pytest.mark.story("13.5")
async def test_work_is_begun_in_the_order_in_which_it_was_pushed(idle_site):
    web, start = idle_site
    pushed = [await push(web, "note", number=number) for number in range(20)]
    with capture_logs() as logs:
        await start()
        jobs = [await finish(web, job_id) for job_id in pushed]
    assert {job.status for job in jobs} == {JobStatus.DONE}
    assert sorted(int(message.split()[2]) for message in list_messages(logs)) == list(range(20))
    # Two are worked at the same time, so neighbours change places, and on a busy machine one is overtaken by a few
    # while it is claimed. Any other order, or none, is far from this.
    begun = sorted(range(20), key=lambda number: jobs[number].started)
    assert all(abs(number - place) <= 3 * WORK_PLUGIN_QUEUE.at_once for place, number in enumerate(begun)), (
        begun
    )


@pytest.mark.story("13.5")
async def test_what_fails_is_tried_again_later_then_dead_then_by_hand(site):
    with capture_logs() as logs:
        job_id = await push(site.web, "knock")
        job = await finish(site.web, job_id)
        assert (job.status, job.failures, job.attempts) == (JobStatus.DEAD, 2, 2)
        assert job.error["code"] == "work-failed"
        assert job.error["message"] == "Plugin 'errands', tap_queue_worker: ValueError: nobody opens"
        # The second try came after a pause, which is spread from half a second to one and a half.
        assert (job.finished - job.started).total_seconds() >= 0.5
        assert job.payload["data"] == {"do": "knock"}
        async with site.worker.db.acquire() as conn:
            await conn.execute("INSERT INTO variable (name, value) VALUES ('errands_door', '\"open\"')")
        assert await retry_job(site.worker.ledger, job_id)
        job = await finish(site.web, job_id)
    assert (job.status, job.error) == (JobStatus.DONE, None)
    assert list_messages(logs) == [f"errands knock  try {number} of {job_id}" for number in (1, 2, 1)]
    reasons = {line["reason"] for line in logs if line["event"] == "a plugin failed"}
    assert reasons == {"tap-error"}
    assert len([line for line in logs if line["event"] == "job failed for good"]) == 1


@pytest.mark.timeout(60)  # each try uses up its CPU, on a machine that may be busy
@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ("spin", "used more than 1000 ms of processor time"),
        ("eat", "MemoryError"),
        ("exit", "SystemExit"),
        ("nonsense", "KeyError"),
    ],
)
async def test_work_that_is_hostile_is_contained_and_ends_dead(site, do, reason):
    hostile = await push(site.web, do)
    kind = await push(site.web, "note", plugin="rivals")
    assert (await finish(site.web, kind)).status is JobStatus.DONE
    job = await finish(site.web, hostile, 50)
    assert (job.status, job.failures) == (JobStatus.DEAD, 2)
    assert reason in job.error["message"]
    # The plugin's next piece of work finds it in order.
    assert (await finish(site.web, await push(site.web, "note"))).status is JobStatus.DONE


async def test_workers_that_died_over_it_count_as_tries(idle_site, database):
    web, start = idle_site
    job_id = await push(web, "note")
    async with database.acquire() as conn:
        await conn.execute("UPDATE job SET failures = 2 WHERE id = $1", job_id)
    with capture_logs() as logs:
        await start()
        job = await finish(web, job_id)
    assert (job.status, job.error["message"]) == (JobStatus.DEAD, "It was tried 2 times.")
    assert list_messages(logs) == []


@pytest.mark.parametrize(("plugin", "queue"), [("gone", "errands"), ("errands", "renamed")])
async def test_work_of_a_plugin_that_is_not_there_is_kept_until_it_is_back(site, plugin, queue):
    job_id = await push(site.web, "note", plugin=plugin, queue=queue)
    async with site.worker.db.acquire() as conn:
        # As after an hour in vain.
        await conn.execute("UPDATE job SET failures = 9 WHERE id = $1", job_id)
    job = await finish(site.web, job_id, 5)
    assert job.status is JobStatus.DEAD
    assert job.error["message"] == (
        f"No plugin '{plugin}' with a queue '{queue}' is loaded. Enable it, then try this job again."
    )
    async with site.worker.db.acquire() as conn:
        payload = {"plugin": "errands", "queue": "errands", "data": {"do": "note"}}
        await conn.execute("UPDATE job SET payload = $2 WHERE id = $1", job_id, payload)
    assert await retry_job(site.worker.ledger, job_id)
    assert (await finish(site.web, job_id)).status is JobStatus.DONE


async def test_a_plugin_that_is_disabled_finds_its_work_when_it_is_enabled_again(
    queue_config, renderer, idle_site, database
):
    web, start = idle_site
    job_id = await push(web, "knock")
    async with database.acquire() as conn:
        await conn.execute("UPDATE system SET status = 0 WHERE name = 'errands'")
        async with open_kernel(queue_config, role="worker", renderer=renderer) as rt, running_worker(rt):
            job = await get_job(web.ledger, job_id)
            async with asyncio.timeout(8):
                while job.failures == 0:
                    await asyncio.sleep(0.02)
                    job = await get_job(web.ledger, job_id)
        assert job.status is JobStatus.QUEUED
        assert job.error["message"].startswith("No plugin 'errands' with a queue 'errands' is loaded.")
        assert job.payload["data"] == {"do": "knock"}
        await conn.execute("UPDATE system SET status = 1 WHERE name = 'errands'")
        # As after half an hour, and more often than the plugin wants it tried.
        await conn.execute("UPDATE job SET failures = 8, run_at = now(), lease_until = now()")
    with capture_logs() as logs:
        await start()
        job = await finish(web, job_id)
    # None of its own tries was used up meanwhile.
    assert list_messages(logs) == [f"errands knock  try {number} of {job_id}" for number in (1, 2)]
    assert (job.status, job.failures) == (JobStatus.DEAD, 2)


async def test_a_try_that_is_repeated_pushes_nothing_twice(site):
    with capture_logs() as logs:
        job_id = await push(site.web, "more", **{"from": "here", "fail": True})
        assert (await finish(site.web, job_id)).status is JobStatus.DEAD
        other = await push(site.web, "more", **{"from": "here", "fail": False})
        assert (await finish(site.web, other)).status is JobStatus.DONE
        async with site.web.db.acquire() as conn:
            pushed = await conn.fetch(
                "SELECT id, request_id FROM job WHERE payload->>'queue' = 'letters' OR dedupe_key LIKE 'push %'"
            )
        for row in pushed:
            assert (await finish(site.web, row["id"])).status is JobStatus.DONE
    # Two alike and one other of each of the two jobs, though the first of them was tried twice.
    told = [message.split()[1] for message in list_messages(logs) if message.startswith("letters")]
    assert sorted(told) == ["ask", "ask", "note", "note", "note", "note"]
    assert len(pushed) == 6
    assert {row["request_id"] for row in pushed} == {"request-7"}


async def test_the_worker_has_the_actor_and_the_permissions_of_now(site):
    person = await site.make_user("ed")
    async with site.worker.db.transaction() as tx:
        await insert_role(tx.conn, "runner")
        await grant_permission(tx.conn, "runner", "run errands")
        await assign_role(tx.conn, person.id, "runner")
    with capture_logs() as logs:
        for actor in (Actor(id=person.id), Actor()):
            assert (await finish(site.web, await push(site.web, "ask", ctx=Context(actor=actor)))).is_finished
    asked = [message for message in list_messages(logs) if message.startswith("asks")]
    assert asked == [f"asks as {person.id} who may True", f"asks as {ANONYMOUS_ID} who may False"]


@pytest.mark.story("13.6")
async def test_cron_pushes_too(site):
    times = {"now": "2026-03-01T10:00:02+00:00", "last_run": None, "slot": "2026-03-01T10:00:00+00:00"}
    async with TapScope(site.worker.plugins, CTX) as scope:
        dispatched = await dispatch(scope, CRON, extra=times, plugin="rivals")
    assert dispatched.answers == (("rivals", "one letter"),)
    async with site.web.db.acquire() as conn:
        (job_id,) = await conn.fetchrow("SELECT id FROM job WHERE group_key = 'rivals'")
    assert (await finish(site.web, job_id)).status is JobStatus.DONE


async def test_garbage_is_refused_with_a_code_each(site):
    cases = {
        "not JSON": ("errands", "{", "bad-payload"),
        "NUL": ("errands", '"\\u0000"', "bad-payload"),
        "half a character": ("errands", '"\\ud800"', "bad-payload"),
        "not a number": ("errands", "NaN", "bad-payload"),
        "deep": ("errands", "[" * 65 + "]" * 65, "bad-payload"),
        "empty": ("errands", "", "bad-payload"),
        "long": ("errands", json.dumps("x" * 100_000), "too-large"),
        "long in bytes": ("errands", json.dumps("ü" * 60_000, ensure_ascii=False), "too-large"),
        "unknown": ("nothing", "1", "no-such-queue"),
        "of another": ("rivals", "1", "no-such-queue"),
        "no name": ("", "1", "no-such-queue"),
        "long name": ("x" * 10_000, "1", "no-such-queue"),
        "NUL in the name": ("errands%00", "1", "no-such-queue"),
    }
    pushes = [(queue, payload) for queue, payload, _ in cases.values()]
    with capture_logs() as logs:
        job = await finish(site.web, await push(site.web, "raw", pushes=pushes))
    assert job.status is JobStatus.DONE
    (told,) = (message for message in list_messages(logs) if message.startswith("raw "))
    assert dict(zip(cases, json.loads(told[4:]), strict=True)) == {
        name: code for name, (_, _, code) in cases.items()
    }


@pytest.mark.parametrize(
    "data", ["1e400", "-1e400", str(10**400), "1" * 30, "0.1", '"\\\\u0000"', "null", "[]"]
)
async def test_unusual_json_arrives_or_is_refused_but_breaks_nothing(site, data):
    with capture_logs() as logs:
        job = await finish(site.web, await push(site.web, "raw", pushes=[("letters", data)]))
    assert job.status is JobStatus.DONE
    (told,) = (message for message in list_messages(logs) if message.startswith("raw "))
    assert not [line for line in logs if line["event"] == "a host function failed"]
    (answer,) = json.loads(told[4:])
    assert answer == "bad-payload" or (await get_job(site.web.ledger, answer)).kind == WORK_PLUGIN_QUEUE.name


async def test_a_call_may_push_as_often_as_it_may_ask_the_kernel(idle_site):
    web, _ = idle_site
    # The line that the worker writes into the log is a host call too.
    pushes = [("letters", '{"do":"note"}')] * 100
    given = {"queue": "errands", "data": {"do": "raw", "pushes": pushes}, "attempt": 1, "job_id": ""}
    async with TapScope(web.plugins, CTX) as scope:
        (failure,) = (await dispatch(scope, QUEUE_WORKER, extra=given, plugin="errands")).failures
    assert "made more host calls than one tap may make" in failure.message
    async with web.db.acquire() as conn:
        assert await count_waiting(conn, "errands", 1_000) == 99
        assert await count_waiting(conn, "errands", 7) == 7
        assert await count_waiting(conn, "rivals", 1_000) == 0


async def test_work_waits_while_the_tap_is_stopped_and_is_done_when_it_is_tried_again(idle_site, database):
    web, start = idle_site
    async with database.acquire() as conn:
        await conn.execute(
            "INSERT INTO plugin_stop (plugin, tap, message) VALUES ('errands', 'tap_queue_worker', 'x')"
        )
        await advance_generation(conn)
    await start()
    await web.live_plugins.follower.refresh()
    job_id = await push(web, "note")
    async with asyncio.timeout(8):
        while (job := await get_job(web.ledger, job_id)).failures == 0:
            await asyncio.sleep(0.02)
    assert job.status is JobStatus.QUEUED
    assert job.error["message"] == "The plugin 'errands' is stopped."
    async with database.acquire() as conn:
        await conn.execute("DELETE FROM plugin_stop")
        await advance_generation(conn)
        await conn.execute("UPDATE job SET run_at = now()")
    assert (await finish(web, job_id, 15)).status is JobStatus.DONE
