"""A site with an administrator, somebody who administers users, and an editor; and browsers for each of them."""

import re
from contextlib import asynccontextmanager
from html import unescape

from kernel.form.token import build_form_token
from kernel.people.store import find_person
from kernel.user.load import PERMISSIONS_TAG
from kernel.user.store import (
    assign_role,
    find_user_by_name,
    grant_permission,
    insert_role,
    list_roles,
)

ROLES = {
    "manager": ("administer users", "use api tokens"),
    "keeper": ("administer permissions",),
    "editor": ("access content overview", "use api tokens"),
}
PEOPLE = {"root": None, "mia": "manager", "kit": "keeper", "ed": "editor", "ann": None}


class Browser:
    """Sends the forms of the session that it carries."""

    def __init__(self, client, session):
        self._client = client
        self.session = session
        self.get, self.post = client.get, client.post

    async def submit(self, path, form_id, **values):
        return await self._client.post(
            path, data={"form_token": build_form_token(self.session, form_id), **values}
        )


class AdminSite:
    def __init__(self, site, users, roles):
        self.site = site
        self.users = users
        self.roles = roles

    @classmethod
    async def open(cls, site):
        users = {name: await site.make_user(name, is_admin=name == "root") for name in PEOPLE}
        async with site.worker.db.transaction() as tx:
            for role, permissions in ROLES.items():
                await insert_role(tx.conn, role)
                for permission in permissions:
                    await grant_permission(tx.conn, role, permission)
            for name, role in PEOPLE.items():
                if role:
                    await assign_role(tx.conn, users[name].id, role)
            roles = {role.name: str(role.id) for role in await list_roles(tx.conn)}
        await site.worker.cache.drop([PERMISSIONS_TAG])
        return cls(site, users, roles)

    @asynccontextmanager
    async def browser(self, name):
        session = await self.site.log_in(self.users[name])
        async with self.site.client(cookie=session.id) as client:
            yield Browser(client, session)

    async def find(self, name):
        """The person as they are now, or None."""
        async with self.site.worker.db.acquire() as conn:
            user = await find_user_by_name(conn, name)
            return None if user is None else await find_person(conn, user.id)


def read_text(page):
    """The words of a page."""
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))
