"""Live pages: what a stream says, when, and that it ends; and the same over HTTP, between real processes."""

import asyncio
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager
from datetime import timedelta
from time import monotonic

import asyncpg
import httpx
import pytest

from kernel.clock import now
from kernel.context import Actor, Context
from kernel.errors import Forbidden, TooMany, Unavailable
from kernel.ids import uuid7
from kernel.jobs import SAVE_ITEM, SaveItem
from kernel.ledger.cancel import cancel_job
from kernel.ledger.ledger import JOB_FINISHED, JOB_PROGRESS
from kernel.ledger.run import JobRun
from kernel.ledger.store import find_job
from kernel.ledger.submit import submit_job
from kernel.shared.connection import Shared
from kernel.shared.session import Sessions
from kernel.user.account import create_user
from kernel.user.load import PERMISSIONS_TAG
from kernel.user.model import user_tag
from kernel.user.store import grant_permission, revoke_permission
from tests.fixtures.events import Event, read_events, read_lines
from tests.fixtures.ledger import EDITOR, claim, set_job, submit
from tests.web.people_site import AdminSite
from web.app import create_asgi
from web.job_view import describe_job
from web.live import STREAMS_PER_PERSON, STREAMS_PER_PROCESS, LiveStreams, follow_job
from web.visit import cookie_name


async def start(ledger, ctx=EDITOR):
    """A job that runs, in this test's hands."""
    job_id = await submit(ledger, kind=SAVE_ITEM, payload=SaveItem(uuid7(), "page", "x", {}), ctx=ctx)
    return JobRun(ledger, await claim(ledger, job_id), None)


def make_read(ledger, job_id):
    async def read():
        async with ledger.db.acquire() as conn:
            job = await find_job(conn, job_id)
        return None if job is None else describe_job(EDITOR, job)

    return read


@asynccontextmanager
async def following(ledger, job_id, live=None):
    """The events of one stream, as they come."""
    stream = follow_job(ledger, live or LiveStreams(), "person", job_id, make_read(ledger, job_id))
    async with aclosing(stream), aclosing(read_events(read_lines(stream))) as events:
        yield events


async def take(events):
    async with asyncio.timeout(5):
        return await anext(events)


async def test_the_state_is_said_at_once_on_each_change_and_at_the_end(ledger):
    run = await start(ledger)
    async with following(ledger, run.job.id) as events:
        first = await take(events)
        assert (first.name, first.data["status"], first.data["done"]) == ("state", "running", 0)
        await run.report(3, 8, "Asking the plugins")
        second = await take(events)
        assert (second.data["done"], second.data["total"], second.data["note"]) == (
            3,
            8,
            "Asking the plugins",
        )
        async with run.step() as step:
            step.done = 5
        assert (await take(events)).data["done"] == 5
        async with run.finish() as finish:
            finish.result = {"outcome": "saved", "title": "House style", "path": "/item/x"}
        last = await take(events)
        assert last.name == "end"
        assert (last.data["status"], last.data["succeeded"]) == ("done", True)
        assert [event async for event in events] == []


async def test_many_changes_are_sent_seldom_and_the_last_one_always(ledger):
    run = await start(ledger)
    async with following(ledger, run.job.id) as events:
        seen = [await take(events)]
        started = monotonic()

        async def work():
            for number in range(1, 61):
                await run.report(number, 60, "")
                await asyncio.sleep(0.01)

        working = asyncio.create_task(work())
        while seen[-1].data["done"] < 60:
            seen.append(await take(events))
        took = monotonic() - started
        await working
    assert len(seen) <= 2 + took / 0.25
    steps = [event.data["done"] for event in seen]
    assert steps == sorted(set(steps))


async def test_the_end_does_not_wait_for_its_turn(ledger):
    run = await start(ledger)
    async with following(ledger, run.job.id, LiveStreams(pause_s=60)) as events:
        await take(events)
        await run.report(1, 2, "")
        putting_off = asyncio.create_task(take(events))
        await asyncio.sleep(0)
        async with run.finish() as finish:
            finish.result = {"outcome": "saved"}
        assert (await putting_off).name == "end"


async def test_a_lost_message_costs_no_more_than_one_look(ledger):
    job_id = (await start(ledger)).job.id
    async with following(ledger, job_id, LiveStreams(pause_s=0, look_s=0.05)) as events:
        await take(events)
        await set_job(ledger, job_id, "progress_done = 4, progress_total = 9")
        assert (await take(events)).data["done"] == 4
        await set_job(
            ledger, job_id, "status = 'dead', error = '{\"message\": \"Too late.\"}', finished = now()"
        )
        last = await take(events)
        assert (last.name, last.data["status"], last.data["error"]) == ("end", "dead", "Too late.")


async def test_a_cancelled_job_and_one_that_is_gone_end_the_stream(ledger):
    waiting = await submit(ledger)
    async with following(ledger, waiting) as events:
        assert (await take(events)).data["status"] == "queued"
        await cancel_job(ledger, waiting)
        await claim(ledger, waiting)
        await ledger.bus.publish(JOB_FINISHED, {"id": str(waiting)})
        while (event := await take(events)).name == "state":
            assert event.data["is_cancelling"] is True
        assert (event.name, event.data["status"]) == ("end", "cancelled")
    other = (await start(ledger)).job.id
    async with following(ledger, other, LiveStreams(look_s=0.05)) as events:
        await take(events)
        async with ledger.db.acquire() as conn:
            await conn.execute("DELETE FROM job WHERE id = $1", other)
        assert await take(events) == Event("gone", None)
        assert [event async for event in events] == []


async def test_a_silent_stream_says_that_it_lives_and_asks_for_a_new_one_in_the_end(ledger):
    job_id = (await start(ledger)).job.id
    async with following(
        ledger, job_id, LiveStreams(look_s=0.02, keep_alive_s=0.04, longest_s=1.0)
    ) as events:
        told = [event async for event in events]
    assert [event.name for event in told if event.name] == ["state"]
    assert Event("", "still here") in told


async def test_a_stream_outlives_its_connection_to_the_database(ledger, config):
    run = await start(ledger)
    async with following(ledger, run.job.id, LiveStreams(look_s=0.05)) as events:
        await take(events)
        server = await asyncpg.connect(config.database_url)
        await server.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'trovato worker'
            """
        )
        await server.execute("UPDATE job SET progress_done = 7 WHERE id = $1", run.job.id)
        await server.close()
        assert (await take(events)).data["done"] == 7


async def test_waiting_streams_hold_no_connection_and_leave_nothing_behind(ledger):
    """Twice as many streams as the pool has connections."""
    job_id = (await start(ledger)).job.id
    live = LiveStreams()
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(following(ledger, job_id, live)) for _ in range(12)]
        for events in streams:
            await take(events)
        waiting = [asyncio.create_task(anext(events)) for events in streams]
        await asyncio.sleep(0)
        assert live.count == 12
        async with asyncio.timeout(1), AsyncExitStack() as connections:
            for _ in range(6):
                conn = await connections.enter_async_context(ledger.db.acquire())
                assert await conn.fetchval("SELECT 1") == 1
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert live.count == 0
    assert not {JOB_PROGRESS, JOB_FINISHED} & ledger.bus._handlers.keys()


async def test_a_stop_ends_every_stream_and_lets_none_begin(ledger):
    job_id = (await start(ledger)).job.id
    live = LiveStreams()
    async with following(ledger, job_id, live) as first, following(ledger, job_id, live) as second:
        await take(first)
        await take(second)
        ends = [asyncio.create_task(anext(events, None)) for events in (first, second)]
        await asyncio.sleep(0)
        live.close()
        async with asyncio.timeout(1):
            assert await asyncio.gather(*ends) == [None, None]
    with pytest.raises(TooMany):
        live.require_room("person")


def test_streams_are_bounded_for_a_person_and_for_the_process():
    live = LiveStreams()
    with ExitStack() as stack:
        for _ in range(STREAMS_PER_PERSON):
            stack.enter_context(live.opened("ada"))
        with pytest.raises(TooMany):
            live.require_room("ada")
        live.require_room("bob")
        for number in range(STREAMS_PER_PROCESS - live.count):
            stack.enter_context(live.opened(f"somebody {number}"))
        with pytest.raises(TooMany):
            live.require_room("bob")
    live.require_room("ada")


# Who follows ----------------------------------------------------------------------------------------------------


async def test_nothing_is_said_while_rights_cannot_be_looked_at_and_the_stream_ends_without_them(ledger):
    run = await start(ledger)
    read, refusals = make_read(ledger, run.job.id), []

    async def read_if_allowed():
        if refusals:
            raise refusals[0]
        return await read()

    live = LiveStreams(look_s=0.02, keep_alive_s=0.04)
    stream = follow_job(ledger, live, "person", run.job.id, read_if_allowed)
    async with aclosing(stream), aclosing(read_events(read_lines(stream))) as events:
        assert (await take(events)).name == "state"
        refusals.append(Unavailable("Redis is away."))
        await run.report(3, 8, "Not for everybody")
        assert await take(events) == Event("", "still here")
        refusals.clear()
        while (event := await take(events)).name != "state":
            pass
        assert event.data["done"] == 3
        refusals.append(Forbidden("Blocked."))
        await run.report(4, 8, "Not for everybody")
        assert [event.name for event in [event async for event in events] if event.name] == []
    assert live.count == 0


async def test_a_stream_ends_with_the_session_the_account_the_right_and_the_token(site):
    """Each of them by itself, and those of others go on."""
    office = await AdminSite.open(site)
    worker, live = site.worker, LiveStreams(look_s=0.2)
    app = create_asgi(site.web, live)
    async with worker.db.transaction() as tx:
        await grant_permission(tx.conn, "keeper", "administer jobs")
    await worker.cache.drop([PERMISSIONS_TAG])
    token = await site.make_token(office.users["ed"])
    jobs, cookies = {}, {}
    for name in ("ann", "mia", "ed", "root"):
        ctx = Context(actor=Actor(office.users[name].id))
        payload = SaveItem(uuid7(), "page", f"Draft of {name}", {})
        later = now() + timedelta(hours=1)
        jobs[name] = await submit_job(worker.ledger, ctx, SAVE_ITEM, payload, run_at=later)
        cookies[name] = (await site.log_in(office.users[name])).id
    cookies["kit"] = (await site.log_in(office.users["kit"])).id

    async def follow(job_id, **headers):
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://localhost", headers=headers, timeout=60
        ) as client:
            return (await client.get(f"/job/{job_id}/events")).text

    followers = {
        name: asyncio.create_task(follow(jobs[name], Cookie=f"{cookie_name(site.config)}={cookies[name]}"))
        for name in ("ann", "mia", "root")
    }
    followers["kit"] = asyncio.create_task(
        follow(jobs["ann"], Cookie=f"{cookie_name(site.config)}={cookies['kit']}")
    )
    followers["ed"] = asyncio.create_task(follow(jobs["ed"], Authorization=f"Bearer {token}"))
    async with asyncio.timeout(30):
        while live.count < len(followers):
            await asyncio.sleep(0.01)

    sessions = Sessions(worker.shared, 600)
    await sessions.delete_all(office.users["ann"].id)
    async with worker.db.transaction() as tx:
        await tx.conn.execute("UPDATE users SET status = 0 WHERE name = 'mia'")
        await revoke_permission(tx.conn, "keeper", "administer jobs")
        await revoke_permission(tx.conn, "editor", "use api tokens")
    await worker.cache.drop([PERMISSIONS_TAG, user_tag(office.users["mia"].id)])
    for name in ("ann", "mia", "kit", "ed"):
        async with asyncio.timeout(30):
            told = await followers[name]
        # It says what was so while they might follow, and ends without a word.
        assert told.count("event:") == told.count("event: state") == 1, (name, told)
    assert (live.count, followers["root"].done()) == (1, False)
    # Who follows does not use the session by it, nor end it.
    assert (await sessions.load(cookies["root"]))[0] is not None
    live.close()
    await followers["root"]


# Over HTTP ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def people(ledger, site_config):
    """By name: the context of each, and the cookie of a session."""
    shared = await Shared.open(site_config.redis_url, site_config.redis_prefix)
    found = {}
    for name in ("Ada", "Bob"):
        user = await create_user(ledger.db, name=name, password=None, is_admin=False)
        session = await Sessions(shared, 600).create(user_id=user.id)
        found[name] = (Context(actor=Actor(id=user.id, name=name)), session.id)
    await shared.close()
    return found


@asynccontextmanager
async def reading(client, job_id):
    """The answer, and its events as they come."""
    async with client.stream("GET", f"/job/{job_id}/events") as answer:
        yield answer, read_events(answer.aiter_lines())


@pytest.mark.timeout(60)
async def test_two_readers_in_two_processes_see_the_same_and_others_nothing(run_site, ledger, people):
    (ctx, cookie), (_, others) = people["Ada"], people["Bob"]
    run = await start(ledger, ctx)
    async with (
        run_site(web=2, workers=0) as site,
        site.client(0, cookie=cookie) as near,
        site.client(1, cookie=cookie) as far,
        site.client(0, cookie=others) as bob,
        site.client(1) as stranger,
    ):
        for refused in (bob, stranger):
            assert (await refused.get(f"/job/{run.job.id}/events")).status_code == 404
        async with reading(near, run.job.id) as (answer, first), reading(far, run.job.id) as (_, second):
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert answer.headers["Cache-Control"] == "no-store"
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            for events in (first, second):
                assert (await take(events)).data["done"] == 0
            for number in (1, 2, 3):
                await run.report(number, 3, f"Step {number}")
                for events in (first, second):
                    assert (await take(events)).data["note"] == f"Step {number}"
            async with run.finish() as finish:
                finish.result = {"outcome": "saved", "title": "House style", "path": "/item/x"}
            for events in (first, second):
                last = await take(events)
                assert (last.name, last.data["path"]) == ("end", "/item/x")
                assert [event async for event in events] == []


@pytest.mark.timeout(60)
async def test_too_many_streams_of_one_person_are_refused_and_one_that_left_makes_room(
    run_site, ledger, people
):
    ctx, cookie = people["Ada"]
    run = await start(ledger, ctx)
    path = f"/job/{run.job.id}/events"
    async with run_site(web=1, workers=0) as site, site.client(cookie=cookie) as browser:
        async with AsyncExitStack() as stack:
            # Kept, since a stream that nobody refers to is closed.
            opened = [
                await stack.enter_async_context(reading(browser, run.job.id))
                for _ in range(STREAMS_PER_PERSON)
            ]
            for _, events in opened:
                await take(events)
            refused = await browser.get(path, headers={"Accept": "application/json"})
            assert refused.status_code == 429
            assert "still shows how far it is" in refused.json()["error"]["message"]
            # What the page does then.
            assert (await browser.get(f"/job/{run.job.id}.json")).json()["status"] == "running"
        async with asyncio.timeout(10):
            while True:
                async with reading(browser, run.job.id) as (answer, _):
                    if answer.status_code == 200:
                        break
                await asyncio.sleep(0.02)


@pytest.mark.timeout(60)
async def test_a_server_that_stops_does_not_wait_for_its_streams(run_site, ledger, people):
    ctx, cookie = people["Ada"]
    run = await start(ledger, ctx)
    async with AsyncExitStack() as running:
        site = await running.enter_async_context(run_site(web=1, workers=0))
        async with site.client(cookie=cookie) as browser, reading(browser, run.job.id) as (_, events):
            await take(events)
            stopping = asyncio.create_task(running.aclose())
            started = monotonic()
            # A clean end: neither broken off nor taken for the job's.
            assert [event async for event in events] == []
            assert monotonic() - started < 2
            await stopping
            assert monotonic() - started < 5
