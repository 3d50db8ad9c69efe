"""The address of cron and its pages: who may, what they see, and that a key opens nothing else."""

import asyncio
import re
from datetime import timedelta

import pytest

from kernel.config import Config, CronConfig, read_config
from kernel.cron.key import make_key
from kernel.cron.lock import LOCK
from kernel.cron.store import find_key, mark_completed, mark_prepared
from kernel.errors import ConfigError
from kernel.form.token import build_form_token
from kernel.shared.lock import Locks
from kernel.user.store import assign_role, grant_permission, insert_role
from tests.fixtures.cron import get_runs

OWN_TASKS = {
    *("prune_jobs", "prune_cron_runs", "delete_expired_tokens", "delete_unused_artefacts"),
    *("collect_refusals", "note_last_seen", "prune_audit"),
}


@pytest.fixture
async def key(site):
    """The site's own, made when it is prepared."""
    made = make_key()
    async with site.worker.db.acquire() as conn:
        await mark_prepared(conn, made)
    return made


async def count_jobs(site):
    async with site.worker.db.acquire() as conn:
        return await conn.fetchval("SELECT count(*) FROM job WHERE kind = 'run_cron'")


@pytest.mark.story("13.1")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_right_key_runs_what_is_due(site, key, method):
    async with site.client() as scheduler:
        answer = await scheduler.request(method, f"/cron/{key}")
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers
        told = answer.json()
        assert told["outcome"] == "ran"
        assert {task["task"] for task in told["tasks"]} == OWN_TASKS
        assert {task["status"] for task in told["tasks"]} == {"done"}


@pytest.mark.story("13.1")
async def test_asked_again_and_again_every_slot_is_done_once(site, key):
    async with site.client() as scheduler:
        answers = []
        for _ in range(4):
            answers += await asyncio.gather(*(scheduler.post(f"/cron/{key}") for _ in range(50)))
    outcomes = [answer.json()["outcome"] for answer in answers]
    assert {answer.status_code for answer in answers} <= {200, 202}
    # One job for each minute that this took.
    assert await count_jobs(site) == len({answer.json()["slot"] for answer in answers})
    assert set(outcomes) <= {"ran", "already", "under-way"}
    for task in OWN_TASKS:
        (run,) = await get_runs(site.worker, task)
        assert (run.status, run.attempt) == ("done", 1)


HOSTILE = [
    "x",
    "%00",
    "%ff%fe",
    "%ED%A0%80",
    "a/b/c",
    "..%2f..%2fadmin",
    "ключ",
    "%F0%9F%94%91",
    "k" * 5_000,
    "' OR 1=1 --",
    "{{7*7}}",
    "key?key=1",
    "",
]


@pytest.mark.story("13.1")
@pytest.mark.parametrize("sent", HOSTILE)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_wrong_key_is_refused_and_starts_nothing(site, key, sent, method):
    async with site.client() as stranger:
        answer = await stranger.request(method, f"/cron/{sent}")
        assert answer.status_code == 403
        assert answer.json()["error"] == {"code": "forbidden", "message": "This is not the key."}
        assert key not in answer.text
    assert await count_jobs(site) == 0


async def test_part_of_the_key_and_more_than_the_key_are_wrong(site, key):
    async with site.client() as stranger:
        for sent in (key[:-1], f"{key}x", f"{key}/x", key.swapcase(), f"x{key[1:]}", f"%20{key}"):
            assert (await stranger.post(f"/cron/{sent}")).status_code == 403
        assert (await stranger.put(f"/cron/{key}")).status_code == 405
        assert (await stranger.delete(f"/cron/{key}")).status_code == 405
    assert await count_jobs(site) == 0


async def test_before_the_site_was_prepared_no_key_is_right(site):
    async with site.client() as stranger:
        for sent in ("", "None", "null"):
            assert (await stranger.post(f"/cron/{sent}")).status_code == 403


async def test_a_session_does_not_replace_the_key(site, key):
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    async with site.client(cookie=session.id) as admin:
        assert (await admin.post("/cron/wrong")).status_code == 403
        assert (await admin.get("/cron")).status_code == 403


async def test_while_another_run_holds_the_lock_the_address_says_so(site, key):
    locks = Locks(site.worker.shared)
    held = await locks.acquire(LOCK, 60)
    async with site.client() as scheduler:
        answer = await scheduler.get(f"/cron/{key}")
        assert (answer.status_code, answer.json()["outcome"], answer.json()["tasks"]) == (200, "skipped", [])
    await locks.release(held)


def test_a_key_of_the_environment_is_checked_at_the_start():
    assert read_config({"CRON_KEY": "a" * 16}).cron.key == "a" * 16
    for bad in ("short", "with/slash/and/more", "with spaces in between", "ä" * 20):
        with pytest.raises(ConfigError, match="CRON_KEY") as caught:
            read_config({"CRON_KEY": bad})
        assert bad not in str(caught.value)
    assert "a" * 16 not in repr(Config(cron=CronConfig(key="a" * 16)))


async def test_a_site_that_is_prepared_twice_keeps_its_key(site, key):
    async with site.worker.db.acquire() as conn:
        await mark_prepared(conn, make_key())
        assert await find_key(conn) == key


# The pages ----------------------------------------------------------------------------------------------------


async def log_in_with(site, *permissions):
    user = await site.make_user("caretaker")
    async with site.worker.db.transaction() as tx:
        await insert_role(tx.conn, "caretakers")
        for permission in permissions:
            await grant_permission(tx.conn, "caretakers", permission)
        await assign_role(tx.conn, user.id, "caretakers")
    return await site.log_in(user)


PAGES = ["/admin/cron", "/admin/cron/prune_jobs"]


@pytest.mark.parametrize("path", PAGES)
async def test_who_may_not_administer_the_site_sees_nothing_of_cron(site, key, path):
    session = await log_in_with(site, "access content overview", "administer jobs")
    async with site.client(cookie=session.id) as editor:
        refused = await editor.get(path)
        assert refused.status_code == 403
        assert key not in refused.text
        assert 'href="/admin/cron"' not in (await editor.get("/admin")).text
        for door in ("run", "key"):
            token = build_form_token(session, f"cron_{door}")
            posted = await editor.post(
                f"/admin/cron/{door}", data={"form_token": token, "task": "prune_jobs"}
            )
            assert posted.status_code == 403
    async with site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job") == 0
        assert await find_key(conn) == key


@pytest.mark.parametrize("path", PAGES)
async def test_who_may_administer_the_site_sees_cron(site, key, path):
    session = await log_in_with(site, "administer site")
    async with site.client(cookie=session.id) as caretaker:
        assert (await caretaker.get(path)).status_code == 200
        assert 'href="/admin/cron"' in (await caretaker.get("/admin")).text


async def test_the_page_shows_tasks_with_their_next_run_and_last_result(site, key):
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    async with site.client(cookie=session.id) as admin:
        fresh = (await admin.get("/admin/cron")).text
        assert fresh.count("Has not run yet") == 7
        await admin.post(f"/cron/{key}")
        page = (await admin.get("/admin/cron")).text
        assert page.count("Nothing to remove") == 5
        assert "Daily at 03:10 UTC" in page
        assert "Hourly at :10" in page
        assert f"/cron/{key}</code>" in page
        history = (await admin.get("/admin/cron/prune_jobs")).text
        assert history.count("Nothing to remove") == 1
        assert (await admin.get("/admin/cron/nothing")).status_code == 404


async def test_run_now_runs_one_task_and_says_how_it_went(site, key):
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    async with site.client(cookie=session.id) as admin:
        token = build_form_token(session, "cron_run")
        done = await admin.post("/admin/cron/run", data={"form_token": token, "task": "prune_jobs"})
        assert (done.status_code, done.headers["Location"]) == (303, "/admin/cron")
        page = (await admin.get("/admin/cron")).text
        assert "“Remove old finished jobs” was run: Nothing to remove." in page
        assert ", by hand" in page
        wrong = await admin.post("/admin/cron/run", data={"form_token": token, "task": "nothing"})
        assert wrong.status_code == 400
    (run,) = await get_runs(site.worker, "prune_jobs")
    assert run.status == "done"
    assert await get_runs(site.worker, "prune_cron_runs") == []


async def test_a_program_may_run_a_task_with_a_token(site, key):
    token = await site.make_token(await site.make_user("ada", is_admin=True))
    async with site.client(token=token) as program:
        done = await program.post("/admin/cron/run", json={"task": "delete_expired_tokens"})
        assert done.status_code == 200
        assert [task["status"] for task in done.json()["tasks"]] == ["done"]


async def test_a_new_key_ends_the_old_one(site, key):
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    async with site.client(cookie=session.id) as admin:
        token = build_form_token(session, "cron_key")
        assert (await admin.post("/admin/cron/key", data={"form_token": token})).status_code == 303
        shown = re.search(r"/cron/([\w-]{43})</code>", (await admin.get("/admin/cron")).text)[1]
        assert shown != key
        assert (await admin.post(f"/cron/{key}")).status_code == 403
        assert (await admin.post(f"/cron/{shown}")).status_code == 200
    async with site.worker.db.acquire() as conn:
        rows = await conn.fetch("SELECT to_jsonb(j)::text FROM job j")
    assert not [row for (row,) in rows if shown in row or key in row]


# The alarm ----------------------------------------------------------------------------------------------------


async def set_state(site, column, ago_s):
    async with site.worker.db.acquire() as conn:
        await conn.execute(f"UPDATE cron_state SET {column} = now() - $1::interval", timedelta(seconds=ago_s))


@pytest.mark.parametrize(
    ("prepared_ago_s", "run_ago_s", "alarm"),
    [
        pytest.param(None, None, None, id="never-prepared"),
        pytest.param(880, None, None, id="just-prepared"),
        pytest.param(
            920, None, "Cron has never run, and the site was prepared 15 minutes ago.", id="never-ran"
        ),
        pytest.param(90_000, 880, None, id="on-time"),
        pytest.param(90_000, 7_300, "Cron last came to an end 2 hours ago.", id="late"),
    ],
)
async def test_a_cron_that_does_not_run_is_told_of(site, prepared_ago_s, run_ago_s, alarm):
    if prepared_ago_s is not None:
        await set_state(site, "prepared", prepared_ago_s)
    if run_ago_s is not None:
        await set_state(site, "last_run", run_ago_s)
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    other = await log_in_with(site, "access content overview")
    async with site.client(cookie=session.id) as admin, site.client(cookie=other.id) as editor:
        health = await admin.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "healthy")
        assert health.json()["cron"]["late"] is (alarm is not None)
        assert (health.json()["cron"]["last_run"] is None) is (run_ago_s is None)
        for path in ("/admin", "/admin/cron"):
            page = (await admin.get(path)).text
            assert (alarm in page) if alarm else ("Cron last came" not in page and "never run" not in page)
        assert not alarm or alarm not in (await editor.get("/admin")).text


async def test_the_alarm_ends_with_the_next_run(site, key):
    await set_state(site, "prepared", 90_000)
    async with site.client() as client:
        assert (await client.get("/health")).json()["cron"]["late"] is True
        assert (await client.post(f"/cron/{key}")).status_code == 200
        assert (await client.get("/health")).json()["cron"]["late"] is False


async def test_health_stays_quick(site):
    async with site.worker.db.acquire() as conn:
        await mark_completed(conn)
    async with site.client() as probe:
        times = [(await probe.get("/health")).elapsed.total_seconds() for _ in range(5)]
    assert min(times) < 0.1


def test_shipped_cron_is_late_after_a_quarter_of_an_hour():
    assert Config().cron.late_s == read_config({}).cron.late_s == 900.0
