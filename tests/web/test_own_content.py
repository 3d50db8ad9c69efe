"""Who may edit and delete what they wrote and nothing else, with the types and permissions of the shipped plugins."""

import pytest

from kernel.form.token import build_form_token
from kernel.item.store import insert_item, select_item
from kernel.user.load import PERMISSIONS_TAG
from kernel.user.store import assign_role, grant_permission, insert_role
from tests.fixtures.access import make_item

SENT = {"title": "Changed", "field_body": "<p>x</p>", "field_body__format": "filtered_html", "status": "1"}


FORMS = {"edit": "item_form", "delete": "item_delete"}


async def add_writer(site, name, item_type, others):
    """Who may change their own content of this type alone; an item of theirs and one of somebody else."""
    user = await site.make_user(name)
    items = [make_item(title, item_type=item_type, author_id=user.id) for title in ("Edited", "Deleted")]
    foreign = make_item("Somebody else's", item_type=item_type, author_id=others)
    async with site.worker.db.transaction() as tx:
        await insert_role(tx.conn, name)
        for verb in ("edit", "delete"):
            await grant_permission(tx.conn, name, f"{verb} own {item_type} content")
        await assign_role(tx.conn, user.id, name)
        for item in (*items, foreign):
            assert await insert_item(tx.conn, item, item.author_id, "")
    return user, *items, foreign


@pytest.mark.story("5.3")
async def test_who_may_edit_their_own_changes_that_and_nothing_of_others_nor_of_another_type(site):
    others = (await site.make_user("others")).id
    writers = [
        (other_type, *await add_writer(site, f"{item_type} writer", item_type, others))
        for item_type, other_type in (("blog", "page"), ("page", "blog"))
    ]
    await site.worker.cache.drop([PERMISSIONS_TAG])
    for other_type, user, edited, deleted, foreign in writers:
        another = make_item("Of another type", item_type=other_type, author_id=user.id)
        async with site.worker.db.transaction() as tx:
            assert await insert_item(tx.conn, another, user.id, "")
        session = await site.log_in(user)
        async with site.client(cookie=session.id) as browser:
            assert await press(browser, session, edited, "edit") == (200, 303)
            assert await press(browser, session, deleted, "delete") == (200, 303)
            for item in (foreign, another):
                assert (await browser.get(item.path)).status_code == 200
                for verb in FORMS:
                    assert await press(browser, session, item, verb) == (403, 403), (item, verb)
        async with site.worker.db.acquire() as conn:
            stored = [await select_item(conn, item.id) for item in (edited, deleted, foreign, another)]
        assert [item and item.title for item in stored] == ["Changed", None, foreign.title, another.title]


async def press(browser, session, item, verb):
    """What the page with the form answers, and then its button."""
    sent = {"form_token": build_form_token(session, FORMS[verb]), "revision": str(item.revision_id)}
    shown = await browser.get(f"{item.path}/{verb}")
    return shown.status_code, (await browser.post(f"{item.path}/{verb}", data={**SENT, **sent})).status_code
