"""What is permitted in one process is permitted in every other from the next request on, and so is what is not; how
often somebody does something is counted in all of them together."""

import asyncio
from collections import Counter

import pytest

from kernel.db.pool import Database
from kernel.form.token import build_form_token
from kernel.people.grants import PERMISSIONS_PATH, read_grants
from kernel.people.store import list_counted_roles
from kernel.shared.connection import Shared
from kernel.shared.session import Sessions
from kernel.user.account import create_user
from kernel.user.store import assign_role, grant_permission, insert_role
from web.permission_matrix import write_seen

NAME = "access content overview"


@pytest.mark.story("2.6")
@pytest.mark.story("14.1")
@pytest.mark.timeout(60)
async def test_two_processes_know_the_same_permissions_and_count_together(site_config, run_site):
    db = await Database.open(site_config.url_for_role("worker"), role="worker", max_size=1)
    root = await create_user(db, name="root", password=None, is_admin=True)
    ed = await create_user(db, name="ed", password=None)
    async with db.transaction() as tx:
        await insert_role(tx.conn, "editor")
        await grant_permission(tx.conn, "editor", NAME)
        await assign_role(tx.conn, ed.id, "editor")
        roles = await list_counted_roles(tx.conn)
    await db.close()
    shared = await Shared.open(site_config.redis_url, site_config.redis_prefix)
    sessions = Sessions(shared, 600)
    roots, eds = await sessions.create(user_id=root.id), await sessions.create(user_id=ed.id)
    stranger = await sessions.create(user_id=None)
    await shared.close()
    editor = str(next(role.id for role in roles if role.name == "editor"))
    seen = write_seen(read_grants(roles))
    form = {"form_token": build_form_token(roots, "permissions"), "sure": "1", "shown": NAME}
    async with (
        # As where the variable is not there: a site counts unless somebody says that it does not.
        run_site(web=2, environment={"RATE_LIMITS": ""}) as site,
        site.client(0, cookie=roots.id) as office,
        site.client(1, cookie=eds.id) as far,
    ):
        assert (await far.get("/admin/content")).status_code == 200
        taken = await office.post(PERMISSIONS_PATH, data={**form, "seen": seen})
        assert taken.status_code == 303, taken.text
        assert (await far.get("/admin/content")).status_code == 403
        without = {role.id: role.permissions - {NAME} for role in roles}
        given = await office.post(PERMISSIONS_PATH, data={**form, "seen": write_seen(without), editor: NAME})
        assert given.status_code == 303, given.text
        assert (await far.get("/admin/content")).status_code == 200
        assert await count_at_once(site, eds, "/admin/stage/switch", "stage_switch", stage_id="live") == {
            303: 30,
            429: 10,
        }
        # From the same address; looking at pages goes on.
        wrong = {"name": "ed", "password": "wrong-wrong"}
        assert await count_at_once(site, stranger, "/user/login", "user_login", **wrong) == {401: 5, 429: 35}
        assert (await far.get("/")).status_code == 200


async def count_at_once(site, session, path, form_id, **values):
    """Of 40 forms of one session at the same moment, every second one to the other process: how often which answer."""
    form = {"form_token": build_form_token(session, form_id), **values}
    async with site.client(0, cookie=session.id) as near, site.client(1, cookie=session.id) as far:
        answers = await asyncio.gather(*(browser.post(path, data=form) for browser in (near, far) * 20))
    return Counter(answer.status_code for answer in answers)
