"""An actor has the permissions of its roles, in every process as soon as they change."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from kernel.context import Actor
from kernel.errors import NotFound
from kernel.names import ANONYMOUS_ID, ANONYMOUS_ROLE, AUTHENTICATED_ROLE
from kernel.user.load import PERMISSIONS_TAG, load_actor, load_anonymous, load_user
from kernel.user.model import user_tag
from kernel.user.store import (
    assign_role,
    grant_permission,
    insert_role,
    list_roles,
    revoke_permission,
    unassign_role,
)


async def grant(database, role, *permissions):
    async with database.transaction() as tx:
        await insert_role(tx.conn, role)
        for permission in permissions:
            await grant_permission(tx.conn, role, permission)


async def assign(database, user_id, *roles):
    async with database.transaction() as tx:
        for role in roles:
            await assign_role(tx.conn, user_id, role)


@pytest.mark.story("2.6")
async def test_the_two_roles_that_every_site_has_are_there(conn):
    roles = {role.name: role.permissions for role in await list_roles(conn)}
    assert roles == {
        "anonymous user": frozenset({"access content"}),
        "authenticated user": frozenset({"access content"}),
    }
    columns = await conn.fetch(
        """
        SELECT table_name || '.' || column_name AS name FROM information_schema.columns
        WHERE table_name IN ('role', 'role_permission', 'users_roles') ORDER BY 1
        """
    )
    assert [row["name"] for row in columns] == [
        "role.id",
        "role.name",
        "role_permission.permission",
        "role_permission.role_id",
        "users_roles.role_id",
        "users_roles.user_id",
    ]
    assert not await insert_role(conn, "anonymous user")


@pytest.mark.story("2.6")
async def test_a_user_has_the_permissions_of_all_roles_together(rt, ada, database):
    await grant(database, "writer", "create blog content", "edit own blog content")
    await grant(database, "editor", "edit any blog content", "edit own blog content")
    await grant(database, "other", "delete any blog content")
    await assign(database, ada.id, "writer", "editor")
    actor = await load_actor(rt, ada.id)
    assert (actor.id, actor.name, actor.is_admin) == (ada.id, "Ada", False)
    assert actor.permissions == {
        "access content",
        "create blog content",
        "edit own blog content",
        "edit any blog content",
    }
    assert actor.may("access content")
    assert actor.may("edit any blog content")
    assert not actor.may("delete any blog content")


@pytest.mark.story("2.6")
async def test_an_administrator_has_every_permission(rt, ada, database):
    async with database.acquire() as conn:
        await conn.execute("UPDATE users SET is_admin = true WHERE id = $1", ada.id)
    actor = await load_actor(rt, ada.id)
    assert actor.may("a permission that nobody was ever granted")
    assert not replace(actor, is_admin=False).may("a permission that nobody was ever granted")


@pytest.mark.story("2.6")
async def test_strangers_have_the_anonymous_role_and_no_other(rt, ada, database):
    await grant(database, ANONYMOUS_ROLE, "post comments")
    await grant(database, AUTHENTICATED_ROLE, "change own password")
    await grant(database, "editor", "edit any blog content")
    # Rows that no verb writes, and that must not matter if they are there.
    await assign(database, ANONYMOUS_ID, "editor", AUTHENTICATED_ROLE)
    async with database.acquire() as conn:
        await conn.execute("UPDATE users SET is_admin = true WHERE id = $1", ANONYMOUS_ID)
    stranger = await load_anonymous(rt)
    assert stranger == Actor(permissions=frozenset({"access content", "post comments"}))
    assert stranger.is_anonymous
    assert not stranger.may("edit any blog content")
    # And somebody with an account does not have theirs.
    assert (await load_actor(rt, ada.id)).permissions == {"access content", "change own password"}


@pytest.mark.story("2.6")
async def test_permissions_are_answered_from_the_process_until_a_role_changes(rt, ada, database):
    await grant(database, "editor", "edit any blog content")
    first = await load_actor(rt, ada.id)
    await assign(database, ada.id, "editor")
    # Not asked again: it is the same object.
    assert await load_actor(rt, ada.id) is first
    await rt.cache.drop([PERMISSIONS_TAG])
    assert (await load_actor(rt, ada.id)).may("edit any blog content")
    async with database.transaction() as tx:
        await revoke_permission(tx.conn, "editor", "edit any blog content")
        await unassign_role(tx.conn, ada.id, "editor")
    await rt.cache.drop([PERMISSIONS_TAG])
    assert (await load_actor(rt, ada.id)).permissions == {"access content"}


async def test_a_blocked_or_unknown_account_is_a_stranger(rt, ada, database):
    assert (await load_actor(rt, ada.id)).id == ada.id
    async with database.acquire() as conn:
        await conn.execute("UPDATE users SET status = 0 WHERE id = $1", ada.id)
    await rt.cache.drop([user_tag(ada.id)])
    assert (await load_actor(rt, ada.id)).is_anonymous
    assert (await load_actor(rt, uuid4())).is_anonymous


async def test_a_role_that_does_not_exist_is_named(conn, ada):
    with pytest.raises(NotFound) as raised:
        await grant_permission(conn, "editr", "access content")
    assert raised.value.message == (
        "There is no role 'editr'. This site has: anonymous user, authenticated user."
    )


async def test_the_anonymous_user_is_no_account(rt):
    with pytest.raises(NotFound):
        await load_user(rt, UUID(int=0))
