"""The pages about jobs: who sees what at which door, what may be asked for, and what the buttons do."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.app.open import open_kernel
from kernel.clock import now
from kernel.context import Actor, Context
from kernel.errors import BadInput
from kernel.form.token import build_form_token
from kernel.ids import first_uuid7, uuid7
from kernel.jobs import JOB_KINDS, RETRY_JOB, RetryJob
from kernel.ledger.lists import WINDOW
from kernel.ledger.wait import submit_and_wait, wait_for_job
from kernel.names import ANONYMOUS_ID
from kernel.shared.session import Sessions
from kernel.user.load import PERMISSIONS_TAG
from kernel.user.store import assign_role, grant_permission, insert_role
from tests.fixtures.site import Site
from web.app import create_asgi
from web.job_lists import read_filter
from web.job_view import TITLES

PAYLOAD, TITLE, PROBLEM = "words of the payload", "words of the title", "words of a complaint"
ERROR = "The plugin did not answer."


async def add_job(site, actor_id, status="dead", **columns):
    row = {
        "id": uuid7(),
        "kind": "save_item",
        "status": status,
        "actor_id": actor_id,
        "payload": {"title": PAYLOAD, "pass_hash": "words of a hash"},
        "result": {"outcome": "saved", "title": TITLE, "path": "/item/of-the-result"},
        "error": {"code": "error", "message": ERROR},
        **columns,
    }
    names, places = ", ".join(row), ", ".join(f"${number}" for number in range(1, len(row) + 1))
    async with site.worker.db.acquire() as conn:
        await conn.execute(f"INSERT INTO job ({names}) VALUES ({places})", *row.values())
    return row["id"]


async def read_job(site, job_id):
    async with site.worker.db.acquire() as conn:
        return await conn.fetchrow("SELECT * FROM job WHERE id = $1", job_id)


async def make_overseer(site, name="otto"):
    """Somebody who looks after everybody's jobs, and may nothing else."""
    user = await site.make_user(name)
    async with site.worker.db.transaction() as tx:
        await insert_role(tx.conn, "overseer")
        await grant_permission(tx.conn, "overseer", "administer jobs")
        await assign_role(tx.conn, user.id, "overseer")
    await site.worker.cache.drop([PERMISSIONS_TAG])
    return user


async def log_in_everybody(site):
    """The session cookie of each kind of reader; a stranger has a session too, and "nobody" has none."""
    ada = await site.make_user("ada")
    cookies = {
        "actor": (await site.log_in(ada)).id,
        "somebody else": (await site.log_in(await site.make_user("bob"))).id,
        "overseer": (await site.log_in(await make_overseer(site))).id,
        "administrator": (await site.log_in(await site.make_user("root", is_admin=True))).id,
    }
    stranger = await Sessions(site.web.shared, 600).create(user_id=None)
    return ada, {**cookies, "stranger": stranger.id, "nobody": ""}


# Status and what of the job is in the answer, by door and reader. P: the payload, T: title and path of the result,
# S: that the job exists and its state, for example its error.
DOORS = {
    "/job/{id}?details=1": {"actor": "200 PTS", "administrator": "200 PTS", "overseer": "200 S"},
    "/job/{id}.json": {"actor": "200 TS", "administrator": "200 TS", "overseer": "200 S"},
    "/job/{id}/events": {"actor": "200 TS", "administrator": "200 TS", "overseer": "200 S"},
    "/jobs": {
        "actor": "200 TS",
        "administrator": "200",
        "overseer": "200",
        "somebody else": "200",
        "stranger": "200",
        "nobody": "200",
    },
    "/jobs.json": {
        "actor": "200 TS",
        "administrator": "200",
        "overseer": "200",
        "somebody else": "200",
        "stranger": "200",
        "nobody": "200",
    },
    "/jobs?part=rows": {
        "actor": "200 TS",
        "administrator": "200",
        "overseer": "200",
        "somebody else": "200",
        "stranger": "200",
        "nobody": "200",
    },
    "/admin": {
        "actor": "200 T",
        "administrator": "200",
        "overseer": "200",
        "somebody else": "200",
        "stranger": "303",
        "nobody": "303",
    },
    **{
        door: {
            "actor": "403",
            "somebody else": "403",
            "administrator": "200 TS",
            "overseer": "200 S",
            "stranger": "303",
            "nobody": "303",
        }
        for door in (
            "/admin/jobs",
            "/admin/jobs.json",
            "/admin/jobs?part=rows",
            "/admin/jobs?status=attention",
        )
    },
}

# What a plugin put off until later, while it served the actor: to the actor it is somebody else's. Its title is that
# of its queue.
DOORS_OF_PLUGINS = {
    door: {
        reader: answer.replace("T", "")
        for reader, answer in {**told, "actor": told.get("somebody else", "404")}.items()
    }
    for door, told in DOORS.items()
}


def describe_answer(answer):
    """As in the table above."""
    text = answer.text
    parts = [("P", PAYLOAD), ("T", TITLE), ("S", ERROR)]
    found = "".join(letter for letter, words in parts if words in text)
    assert "words of a hash" not in text
    return f"{answer.status_code} {found}".strip()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("status", ["dead", "failed"])
@pytest.mark.parametrize(("kind", "doors"), [("save_item", DOORS), ("work_plugin_queue", DOORS_OF_PLUGINS)])
async def test_each_door_tells_each_reader_what_they_may_know(site, status, kind, doors):
    ada, cookies = await log_in_everybody(site)
    job_id = await add_job(site, ada.id, status, kind=kind, finished=now())
    for door, told in doors.items():
        for reader, cookie in cookies.items():
            async with site.client(cookie=cookie) as browser:
                answer = await browser.get(door.format(id=job_id))
            assert describe_answer(answer) == told.get(reader, "404"), (door, reader)
            if " " not in told.get(reader, ""):
                assert str(job_id) not in answer.text or answer.status_code == 404, (door, reader)


@pytest.mark.parametrize(("kind", "is_theirs"), [("save_item", True), ("work_plugin_queue", False)])
async def test_a_visitor_without_an_account_sees_the_jobs_of_the_session(site, kind, is_theirs):
    _, cookies = await log_in_everybody(site)
    session, _ = await Sessions(site.web.shared, 600).load(cookies["stranger"])
    job_id = await add_job(site, ANONYMOUS_ID, kind=kind, session_key=session.key, finished=now())
    expected = {"administrator": "200 PS", "overseer": "200 S"}
    if is_theirs:
        expected |= {"administrator": "200 PTS", "stranger": "200 PTS"}
    for reader, cookie in cookies.items():
        async with site.client(cookie=cookie) as browser:
            answer = await browser.get(f"/job/{job_id}?details=1")
            assert describe_answer(answer) == expected.get(reader, "404"), reader
            listed = str(job_id) in (await browser.get("/jobs")).text
            assert listed == (is_theirs and reader == "stranger"), reader


async def test_what_plugins_put_off_is_not_among_an_administrators_own_either(site):
    root = await site.make_user("root", is_admin=True)
    job_id = await add_job(site, root.id, kind="work_plugin_queue", finished=now())
    async with site.client(cookie=(await site.log_in(root)).id) as browser:
        for path, is_listed in (
            ("/jobs", False),
            ("/jobs.json?kind=work_plugin_queue&status=attention", False),
            ("/admin/jobs", True),
        ):
            assert (str(job_id) in (await browser.get(path)).text) == is_listed, path


async def test_what_is_noted_at_the_doors_is_nobodys_to_read_or_cancel(site):
    ada = await site.make_user("ada")
    stranger = await Sessions(site.web.shared, 600).create(user_id=None)
    waiting = {"status": "queued", "run_at": now() + timedelta(hours=1)}
    notes = [
        (kind, owner, session.id, await add_job(site, owner, kind=kind, session_key=session.key, **waiting))
        for owner, session in ((ANONYMOUS_ID, stranger), (ada.id, await site.log_in(ada)))
        for kind in ("note_login_failure", "record_login", "spend_recovery_code", "note_token_use")
    ]
    for kind, owner, cookie, job_id in notes:
        async with site.client(cookie=cookie) as browser:
            listed = await browser.get("/jobs.json", params={"kind": kind})
            assert listed.status_code == 200, listed.text
            assert str(job_id) not in listed.text, (kind, owner)
        answer = await press(site, cookie, f"/job/{job_id}/cancel", "job_cancel")
        assert answer.status_code == 404, (kind, owner)
        assert (await read_job(site, job_id))["cancel_requested"] is False, (kind, owner)


async def test_complaints_about_values_are_for_those_who_typed_them(site):
    ada, cookies = await log_in_everybody(site)
    refused = {"outcome": "invalid", "problems": {"title": PROBLEM}}
    job_id = await add_job(site, ada.id, "done", result=refused, error=None, finished=now())
    for reader, is_told in (("actor", True), ("administrator", True), ("overseer", False)):
        async with site.client(cookie=cookies[reader]) as browser:
            for path in (f"/job/{job_id}", f"/job/{job_id}.json"):
                answer = await browser.get(path)
                assert answer.status_code == 200
                assert (PROBLEM in answer.text) == is_told, (reader, path)


async def test_a_plugins_own_words_are_for_those_who_may_read_the_content(site):
    """They may repeat what the plugin was given. Overseers learn which plugin failed, in what and how."""
    ada, cookies = await log_in_everybody(site)
    place = "Plugin 'moody', tap_item_presave: "
    failure = {"plugin": "moody", "tap": "tap_item_presave", "reason": "tap-error"}
    error = {"code": "plugin", "message": f"{place}ValueError: {PROBLEM}", "failure": failure}
    job_id = await add_job(site, ada.id, result=None, error=error, finished=now())
    for reader, path, is_told in (
        ("actor", "/jobs", True),
        ("administrator", "/admin/jobs", True),
        ("overseer", "/admin/jobs", False),
        ("overseer", "/admin/jobs?part=rows", False),
        ("overseer", "/admin/jobs.json", False),
        ("overseer", f"/job/{job_id}", False),
        ("overseer", f"/job/{job_id}.json", False),
        ("overseer", f"/job/{job_id}/events", False),
    ):
        async with site.client(cookie=cookies[reader]) as browser:
            answer = await browser.get(path)
        text = unescape(answer.text)
        assert (f"{place}ValueError: {PROBLEM}" if is_told else f"{place}tap-error.") in text, (reader, path)
        assert (PROBLEM in text) == is_told, (reader, path)


def test_every_kind_of_job_has_a_title():
    assert sorted(TITLES) == sorted(JOB_KINDS)


async def test_the_work_of_one_plugin_is_told_from_that_of_another(site):
    ada, cookies = await log_in_everybody(site)
    columns = {"kind": "work_plugin_queue", "result": None, "finished": now()}
    titles = {}
    for plugin, queue in (("errands", "letters"), ("rivals", "letters"), ("rivals", "parcels")):
        payload = {"plugin": plugin, "queue": queue, "data": PAYLOAD}
        job_id = await add_job(site, ada.id, group_key=plugin, payload=payload, **columns)
        titles[job_id] = f"Work for later: {plugin}, queue {queue}"
    over = await add_job(site, ada.id, "done", group_key="errands", payload={}, **{**columns, "error": None})
    titles[over] = "Work for later: errands"
    async with site.client(cookie=cookies["overseer"]) as browser:
        listed = (await browser.get("/admin/jobs.json")).json()["jobs"]
        assert {UUID(row["id"]): row["title"] for row in listed} == titles
        for job_id, title in titles.items():
            page = await browser.get(f"/job/{job_id}")
            assert f'<h1 class="panel__title">{title}</h1>' in page.text
            assert PAYLOAD not in page.text
        page = (await browser.get("/admin/jobs")).text
        assert '<option value="work_plugin_queue">Work for later</option>' in page


async def test_a_job_that_ended_well_leads_to_its_result_and_its_page_can_be_read_all_the_same(site):
    ada, cookies = await log_in_everybody(site)
    job_id = await add_job(site, ada.id, "done", payload={}, error=None, finished=now())
    async with site.client(cookie=cookies["actor"]) as browser:
        assert (await browser.get(f"/job/{job_id}")).headers["Location"] == "/item/of-the-result"
        page = await browser.get(f"/job/{job_id}?details=1")
        assert page.status_code == 200
        assert 'href="/item/of-the-result"' in page.text
    async with site.client(cookie=cookies["overseer"]) as browser:
        page = await browser.get(f"/job/{job_id}")
        assert page.status_code == 200
        assert "of-the-result" not in page.text


# What may be asked for ----------------------------------------------------------------------------------------------

GARBAGE = (
    ("status", "nonsense", "There is no such state of a job."),
    ("status", "DONE", "There is no such state of a job."),
    ("status", "done'--", "There is no such state of a job."),
    ("kind", "nonsense", "There is no such kind of job."),
    ("actor", "x" * 61, "A name has 60 characters at most."),
    ("actor", "a\x00b", "A name has 60 characters at most."),
    ("since", "yesterday", "The day must look like 2026-03-31"),
    ("since", "2026-02-30", "The day must look like 2026-03-31"),
    ("since", "1969-12-31", "The day must look like 2026-03-31"),
    ("since", "20260331", "The day must look like 2026-03-31"),
    ("before", "1", "The list cannot go on there."),
    ("before", "01936E3B-4F5A-7000-8000-000000000001", "The list cannot go on there."),
)


@pytest.mark.parametrize(("name", "value", "words"), GARBAGE, ids=[f"{n}-{v[:12]!r}" for n, v, _ in GARBAGE])
async def test_a_filter_that_cannot_be_is_answered_with_what_could(site, name, value, words):
    session = await site.log_in(await site.make_user("root", is_admin=True))
    async with site.client(cookie=session.id) as browser:
        for path in ("/jobs", "/admin/jobs.json"):
            answer = await browser.get(path, params={name: value})
            assert answer.status_code == 400
            assert words in answer.text


@given(
    st.dictionaries(
        st.sampled_from(["status", "kind", "actor", "since", "before", "part", "other"]),
        st.text(max_size=80) | st.sampled_from(["unfinished", "save_item", "2026-03-31", str(uuid7())]),
    )
)
def test_whatever_is_asked_for_is_understood_or_refused_by_name(query):
    try:
        chosen = read_filter(query, "UTC")
    except BadInput:
        return
    assert chosen.is_filtered == any(
        query.get(name, "").strip() for name in ("status", "kind", "actor", "since")
    )


async def test_the_list_of_everybody_is_filtered_and_goes_on(site):
    ada = await site.make_user("Ada")
    old = [
        await add_job(
            site,
            ada.id,
            "done",
            id=UUID(int=first_uuid7(now() - timedelta(hours=number + 1)).int | number),
            result={"outcome": "done"},
            error=None,
        )
        for number in range(30)
    ]
    dead = await add_job(site, (await site.make_user("Bob")).id)
    session = await site.log_in(await site.make_user("root", is_admin=True))
    async with site.client(cookie=session.id) as program:

        async def find(**query):
            answer = (await program.get("/admin/jobs.json", params=query)).json()
            return [UUID(job["id"]) for job in answer["jobs"]], answer["next_before"]

        assert (await program.get("/admin/jobs.json")).json()["is_cut"] is False
        first, before = await find()
        second, nothing = await find(before=before)
        assert (first + second, nothing) == ([dead, *old], None)
        assert await find(status="attention") == ([dead], None)
        assert await find(actor="bob") == ([dead], None)
        assert await find(actor="nobody of that name") == ([], None)
        assert await find(status="attention", actor="Ada") == ([], None)
        counts = (await program.get("/admin/jobs.json")).json()["counts"]
        assert counts == {"queued": 0, "running": 0, "failed": 0, "dead": 1}
        page = (await program.get("/admin/jobs?status=done")).text
        async with site.worker.db.acquire() as conn:
            await conn.execute(
                """
                INSERT INTO job (id, kind, status, actor_id)
                SELECT gen_random_uuid(), 'save_item', 'done', $1 FROM generate_series(1, $2::int)
                """,
                ada.id,
                WINDOW,
            )
        cut = (await program.get("/admin/jobs.json?status=cancelled")).json()
        assert (cut["jobs"], cut["is_cut"]) == ([], True)
        assert cut["next_before"]
    assert page.count('<tr id="job-') == 25
    assert f"before={old[24]}" in page
    assert "Older" in page


# The buttons --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def spent(site):
    """A job that was given up, would succeed now, and belongs to the account whose id is given."""

    async def make(actor_id, **columns):
        payload = {"user_id": str(actor_id), "timezone": "UTC"}
        return await add_job(
            site,
            actor_id,
            kind="save_account",
            payload=payload,
            result=None,
            attempts=5,
            failures=5,
            **columns,
        )

    return make


async def press(site, cookie, path, form_id, **fields):
    session, _ = await Sessions(site.web.shared, 600).load(cookie)
    async with site.client(cookie=cookie) as browser:
        return await browser.post(path, data={"form_token": build_form_token(session, form_id), **fields})


@pytest.mark.timeout(30)
async def test_who_may_try_a_job_again(site, spent):
    ada, cookies = await log_in_everybody(site)
    expected = {
        "actor": True,
        "administrator": True,
        "overseer": True,
        "somebody else": False,
        "stranger": False,
    }
    for reader, is_allowed in expected.items():
        job_id = await spent(ada.id)
        answer = await press(site, cookies[reader], f"/job/{job_id}/retry", "job_retry")
        if is_allowed:
            assert answer.headers["Location"] == f"/job/{job_id}?details=1"
            job = await wait_for_job(site.web.ledger, job_id, 5)
            assert (job.status, job.attempts, job.failures) == ("done", 6, 0), reader
        else:
            assert answer.status_code == 404
            assert (await read_job(site, job_id))["status"] == "dead", reader


async def test_the_worker_looks_at_the_right_again(site, spent):
    """Asked for while it was allowed, done when it is not any more."""
    job_id = await spent((await site.make_user("ada")).id)
    bob = Context(actor=Actor((await site.make_user("bob")).id, permissions=frozenset({"administer jobs"})))
    asked = await submit_and_wait(site.web.ledger, bob, RETRY_JOB, RetryJob(job_id), timeout_s=5)
    assert asked.result == {"outcome": "forbidden", "message": "There is no such job."}
    row = await read_job(site, job_id)
    assert (row["status"], row["attempts"]) == ("dead", 5)


async def test_a_job_that_did_not_fail_is_not_tried_again(site):
    ada, cookies = await log_in_everybody(site)
    job_id = await add_job(site, ada.id, "cancelled", payload={}, error=None, finished=now())
    back = "/jobs?status=done"
    answer = await press(
        site, cookies["actor"], f"/job/{job_id}/retry?destination={quote(back)}", "job_retry"
    )
    assert answer.headers["Location"] == back
    async with site.client(cookie=cookies["actor"]) as browser:
        assert "This job is cancelled and cannot be tried again." in (await browser.get(back)).text
    assert (await read_job(site, job_id))["status"] == "cancelled"


@pytest.mark.timeout(30)
async def test_who_may_cancel_a_job(site):
    ada, cookies = await log_in_everybody(site)
    expected = {
        "actor": True,
        "administrator": True,
        "overseer": True,
        "somebody else": False,
        "stranger": False,
    }
    for reader, is_allowed in expected.items():
        # It waits for tomorrow, so that no worker takes it before.
        job_id = await add_job(
            site, ada.id, "queued", run_at=now() + timedelta(days=1), result=None, error=None
        )
        answer = await press(site, cookies[reader], f"/job/{job_id}/cancel", "job_cancel")
        assert answer.status_code == (303 if is_allowed else 404), reader
        row = await read_job(site, job_id)
        assert row["status"] == ("cancelled" if is_allowed else "queued"), reader
        assert (row["payload"] == {}) == is_allowed


async def test_who_was_served_neither_stops_nor_repeats_what_a_plugin_put_off(site):
    ada, cookies = await log_in_everybody(site)
    tomorrow = now() + timedelta(days=1)
    for button, status in (("cancel", "queued"), ("retry", "dead")):
        job_id = await add_job(site, ada.id, status, kind="work_plugin_queue", run_at=tomorrow)
        answer = await press(site, cookies["actor"], f"/job/{job_id}/{button}", f"job_{button}")
        assert answer.status_code == 404, button
        assert (await read_job(site, job_id))["status"] == status
    # What the page refuses, the worker refuses too.
    asked = await submit_and_wait(
        site.web.ledger, Context(actor=Actor(ada.id)), RETRY_JOB, RetryJob(job_id), timeout_s=5
    )
    assert asked.result == {"outcome": "forbidden", "message": "There is no such job."}
    waiting = await add_job(site, ada.id, "queued", kind="work_plugin_queue", run_at=tomorrow)
    answer = await press(site, cookies["overseer"], f"/job/{waiting}/cancel", "job_cancel")
    assert answer.status_code == 303
    assert (await read_job(site, waiting))["status"] == "cancelled"


async def test_it_may_be_too_late_to_cancel(site):
    token = await site.make_token(await site.make_user("root", is_admin=True))
    job_id = await add_job(site, ANONYMOUS_ID, "done", payload={}, error=None, finished=now())
    async with site.client(token=token) as program:
        answer = (await program.post(f"/job/{job_id}/cancel", json={})).json()
    assert answer["message"] == "It was too late to cancel: the job was over already."
    assert answer["job"]["status"] == "done"


async def test_those_of_one_page_are_tried_again_together(site, spent):
    ada, cookies = await log_in_everybody(site)
    ids = [await spent(ada.id) for _ in range(3)]
    listed = [str(job_id) for job_id in ids]
    refused = await press(site, cookies["actor"], "/admin/jobs/retry", "jobs_retry", job=listed)
    assert refused.status_code == 403
    for wrong in ([], ["x"], [*listed, "x"], listed * 9):
        bad = await press(site, cookies["overseer"], "/admin/jobs/retry", "jobs_retry", job=wrong)
        assert bad.status_code == 400
        assert "Name the jobs by their ids, 25 at most." in bad.text
    async with site.client(cookie=cookies["overseer"]) as browser:
        page = (await browser.get("/admin/jobs?status=attention")).text
    assert sorted(re.findall(r'name="job" value="([^"]+)"', page)) == sorted(listed)
    answer = await press(site, cookies["overseer"], "/admin/jobs/retry", "jobs_retry", job=listed)
    assert answer.headers["Location"] == "/admin/jobs"
    async with site.client(cookie=cookies["overseer"]) as browser:
        assert "3 jobs are tried again." in (await browser.get("/admin/jobs")).text
    for job_id in ids:
        assert (await wait_for_job(site.web.ledger, job_id, 5)).status == "done"


async def test_only_what_is_tried_again_is_said_to_be(site, spent):
    root = await site.make_user("root", is_admin=True)
    left = "left alone: not there any more, or neither failed nor given up by now."
    over = await add_job(site, root.id, "done", payload={}, error=None, finished=now())
    async with site.client(token=await site.make_token(root)) as program:

        async def retry(*ids):
            answer = await program.post("/admin/jobs/retry", json={"jobs": [str(job_id) for job_id in ids]})
            return answer.status_code, answer.json()

        assert await retry(await spent(root.id), over, uuid7()) == (
            200,
            {
                "message": f"1 job is tried again. 2 jobs are {left}",
                "retried": 1,
                "refused": 2,
                "waiting": 0,
            },
        )
        assert (await retry(uuid7()))[1]["message"] == f"1 job is {left}"


async def test_what_no_worker_has_looked_at_is_not_said_to_be_tried_again(site_config, renderer):
    hasty = replace(site_config, save_wait_s=0.1)
    async with (
        open_kernel(hasty, role="worker", renderer=renderer) as idle,
        open_kernel(hasty, role="web", renderer=renderer) as web,
    ):
        site = Site(hasty, web, idle, create_asgi(web))
        token = await site.make_token(await site.make_user("root", is_admin=True))
        async with site.client(token=token) as program:
            answer = await program.post("/admin/jobs/retry", json={"jobs": [str(uuid7()), str(uuid7())]})
    assert (answer.status_code, answer.json()["waiting"]) == (202, 2)
    assert answer.json()["message"] == "2 jobs are looked at as soon as a worker is free."
