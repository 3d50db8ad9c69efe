"""An account is deleted, and its content gets the fate that was chosen for it."""

import asyncio

import asyncpg
import pytest

from kernel.batch.delete_person import DELETE_PERSON, DeletePerson
from kernel.batch.start import start_batch
from kernel.context import Context
from kernel.errors import NotFound
from kernel.ids import uuid7
from kernel.item.store import select_item
from kernel.jobs import SAVE_ITEM, SaveItem
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.names import ANONYMOUS_ID
from kernel.shared.session import Sessions
from kernel.user.load import load_actor
from kernel.user.login import LoginOver, Source, log_in_by_link, require_login_holds
from kernel.user.login_link import create_login_link
from tests.web.people_site import AdminSite, read_text

HOME = Source("192.0.2.7")


@pytest.fixture
async def office(site):
    return await AdminSite.open(site)


async def write_item(office, author, title):
    """A published page of theirs, as administrators of the site write it down for the test."""
    root = await load_actor(office.site.web, office.users["root"].id)
    item_id = uuid7()
    payload = SaveItem(item_id, "page", title, {})
    job_id = await submit_job(office.site.web.ledger, Context(actor=root), SAVE_ITEM, payload)
    job = await wait_for_job(office.site.web.ledger, job_id, 5)
    assert job.result["outcome"] == "saved", job.result
    async with office.site.worker.db.acquire() as conn:
        await conn.execute("UPDATE item SET author_id = $2 WHERE id = $1", item_id, author.id)
        await conn.execute("UPDATE item_revision SET author_id = $2 WHERE item_id = $1", item_id, author.id)
    return item_id


async def read_item(office, item_id):
    async with office.site.worker.db.acquire() as conn:
        return await select_item(conn, item_id)


async def test_each_fate_of_what_a_person_wrote(office):
    fates = {
        "keep": lambda item: (item.author_id, item.status) == (ANONYMOUS_ID, 1),
        "assign": lambda item: (item.author_id, item.status) == (office.users["ed"].id, 1),
        "unpublish": lambda item: (item.author_id, item.status) == (ANONYMOUS_ID, 0),
        "delete": lambda item: item is None,
    }
    async with office.browser("root") as browser:
        for fate, is_right in fates.items():
            await office.site.make_user(f"author {fate}")
            person = await office.find(f"author {fate}")
            token = await office.site.make_token(person.user)
            item_id = await write_item(office, person, f"About {fate}")
            assert "wrote 1 item on this site" in read_text((await browser.get(f"{person.path}/delete")).text)
            sent = await browser.submit(f"{person.path}/delete", "person_delete", fate=fate, heir="ED")
            assert sent.headers.get("Location") == "/admin/people", (fate, sent.text)
            assert await office.find(f"author {fate}") is None
            assert is_right(await read_item(office, item_id)), fate
            async with office.site.client(token=token) as program:
                assert (await program.get("/jobs.json")).status_code == 401
        await write_item(office, await office.find("ann"), "About nobody")
        missing = await browser.submit(
            f"{(await office.find('ann')).path}/delete", "person_delete", fate="assign", heir="nobody here"
        )
        assert missing.status_code == 422
        assert "Name somebody else who has an account here." in missing.text


async def test_an_account_that_is_unblocked_meanwhile_stays(office):
    ann = await office.find("ann")
    await write_item(office, ann, "Moved")
    conn = await asyncpg.connect(office.site.config.database_url)
    try:
        # Somebody does so at the moment at which the content is settled.
        await conn.execute(
            """
            CREATE FUNCTION let_in() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN UPDATE users SET status = 1 WHERE id = OLD.author_id; RETURN NULL; END';
            CREATE TRIGGER let_in AFTER UPDATE OF author_id ON item FOR EACH ROW EXECUTE FUNCTION let_in()
            """
        )
        async with office.browser("root") as browser:
            sent = await browser.submit(f"{ann.path}/delete", "person_delete", fate="keep")
    finally:
        await conn.execute("DROP FUNCTION IF EXISTS let_in CASCADE")
        await conn.close()
    assert (sent.status_code, "ann was unblocked meanwhile" in sent.text) == (409, True), sent.text
    assert (await office.find("ann")).user.is_active


async def test_who_may_not_change_content_may_only_keep_it_and_is_not_told_how_much_it_is(office):
    ann = await office.find("ann")
    item_id = await write_item(office, ann, "Kept")
    async with office.browser("mia") as browser:
        sent = await browser.submit(f"{ann.path}/delete", "person_delete", fate="delete")
        assert sent.status_code == 422
        pages = [read_text((await browser.get(f"{ann.path}{place}")).text) for place in ("", "/delete")]
        assert "How much ann wrote is not told" in pages[1]
        assert not [page for page in pages if "1 item" in page]
        sent = await browser.submit(f"{ann.path}/delete", "person_delete", fate="keep")
        assert sent.status_code == 303, sent.text
    assert (await read_item(office, item_id)).author_id == ANONYMOUS_ID
    async with office.site.worker.db.acquire() as conn:
        told = await conn.fetchrow("SELECT progress_done, progress_total FROM job WHERE kind = 'run_batch'")
    assert tuple(told) == (0, 0)


COMMITS = 7


async def let_commits_wait(conn):
    """Of whatever changes or deletes an account, until this connection has let go of the lock. Answers how to wait for
    one that waits."""
    await conn.execute(
        f"""
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock({COMMITS}); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER wait AFTER UPDATE OF status OR DELETE ON users
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()
        """
    )

    async def wait_for_one():
        async with asyncio.timeout(20):
            while not await conn.fetchval(
                "SELECT true FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted",
                COMMITS,
            ):
                await asyncio.sleep(0.01)

    return wait_for_one


async def test_what_opens_while_an_account_is_deleted_is_ended_when_it_is(office):
    """A session from a login that began before, and a link, both later than what the deletion ends before its commit:
    once at that of the block, and once at that of the deletion itself."""
    site, ann = office.site, office.users["ann"]
    sessions = Sessions(site.web.shared, 600)
    root = Context(actor=await load_actor(site.web, office.users["root"].id))
    step = await log_in_by_link(site.web, Context(), await create_login_link(site.web, ann.id, 60), HOME)
    late = []
    conn = await asyncpg.connect(site.config.database_url)
    try:
        wait_for_one = await let_commits_wait(conn)
        await conn.execute("SELECT pg_advisory_lock($1)", COMMITS)
        job_id = await start_batch(
            site.web, root, DELETE_PERSON, DeletePerson(ann.id, "ann", "keep"), dedupe_key=None
        )
        for is_first in (True, False):
            await wait_for_one()
            late.append(
                (await sessions.create(user_id=ann.id), await create_login_link(site.web, ann.id, 60))
            )
            if is_first:
                # The account is as it was for everybody else, so that the login goes on.
                await require_login_holds(site.web, step)
            await conn.execute("SELECT pg_advisory_unlock($1)", COMMITS)
            if is_first:
                await conn.execute("SELECT pg_advisory_lock($1)", COMMITS)
        job = await wait_for_job(site.web.ledger, job_id, 20)
    finally:
        await conn.close()
    assert job.result["outcome"] == "done", job.result
    assert await office.find("ann") is None
    for session, token in late:
        assert (await sessions.load(session.id))[0] is None
        assert await site.web.shared.client.keys(site.web.shared.key("login-link", "*")) == []
        with pytest.raises(NotFound):
            await log_in_by_link(site.web, Context(), token, HOME)
    with pytest.raises(LoginOver):
        await require_login_holds(site.web, step)
