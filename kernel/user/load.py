"""Finds users, and actors with their permissions, which each process keeps until one changes."""

from typing import Final
from uuid import UUID

from kernel.context import Actor
from kernel.errors import NotFound
from kernel.names import ANONYMOUS_ID, OPERATOR_ID, OPERATOR_NAME
from kernel.runtime import Runtime
from kernel.user.model import User, user_tag
from kernel.user.store import find_user, select_actor

# The cache tag of everything that depends on what roles may do, and on who has which.
PERMISSIONS_TAG: Final = "permissions"
# Who may read the files of the site and its database may do everything.
OPERATOR: Final = Actor(id=OPERATOR_ID, name=OPERATOR_NAME, is_admin=True)


async def load_actor(rt: Runtime, user_id: UUID) -> Actor:
    """The anonymous actor for somebody whose account is gone or blocked."""
    return await _find_actor(rt, user_id) or await load_anonymous(rt)


async def load_again(rt: Runtime, actor: Actor) -> Actor:
    """The same with the rights of this moment, and no more than its scope allows, for what was asked for earlier. Only
    here a command is known by its id: no door lets anybody in as that."""
    if actor.id == OPERATOR_ID:
        return OPERATOR.within(actor.scope)
    return (await load_actor(rt, actor.id)).within(actor.scope)


async def load_anonymous(rt: Runtime) -> Actor:
    """Everybody who is not logged in, with what the role of that name may do."""
    return await _find_actor(rt, ANONYMOUS_ID) or Actor()


async def load_user(rt: Runtime, user_id: UUID) -> User:
    """Raises NotFound."""
    async with rt.db.acquire() as conn:
        user = await find_user(conn, user_id)
    if user is None:
        raise NotFound("There is no such account.")
    return user


async def _find_actor(rt: Runtime, user_id: UUID) -> Actor | None:
    async def load() -> Actor | None:
        async with rt.db.acquire() as conn:
            return await select_actor(conn, user_id)

    tags = [user_tag(user_id), PERMISSIONS_TAG]
    return await rt.cache.remember(f"actor:{user_id}", tags, rt.config.cache_ttl_s, load)
