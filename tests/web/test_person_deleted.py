"""An account is deleted, and its content gets the fate that was chosen for it."""

import asyncpg
import pytest

from kernel.context import Context
from kernel.ids import uuid7
from kernel.item.store import select_item
from kernel.jobs import SAVE_ITEM, SaveItem
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.names import ANONYMOUS_ID
from kernel.user.load import load_actor
from tests.web.people_site import AdminSite, read_text


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


async def test_who_may_not_change_content_may_only_keep_it(office):
    ann = await office.find("ann")
    item_id = await write_item(office, ann, "Kept")
    async with office.browser("mia") as browser:
        sent = await browser.submit(f"{ann.path}/delete", "person_delete", fate="delete")
        assert sent.status_code == 422
        sent = await browser.submit(f"{ann.path}/delete", "person_delete", fate="keep")
        assert sent.status_code == 303, sent.text
    assert (await read_item(office, item_id)).author_id == ANONYMOUS_ID
