"""One-time login links: kept in Redis as a digest, for a while, until the button on their page is pressed.

A link is good for the account as it was when the link was made: a new password, a block, or another say over the site
ends it. What a person has of them is listed, so that a block ends them for good.
"""

import hashlib
from uuid import UUID

from kernel.ids import parse_uuid
from kernel.runtime import Runtime
from kernel.shared.connection import AWAY, Shared, unavailable
from kernel.user.link_token import digest_link_token, make_link_token
from kernel.user.store import find_pass_hash, find_user


async def create_login_link(rt: Runtime, user_id: UUID, ttl_s: float) -> str:
    """The token of a new link; `/user/login-link/{token}` is its path. Raises Unavailable."""
    token = make_link_token()
    shared, key, ttl_ms = rt.shared, _key(rt.shared, token), int(ttl_s * 1000)
    stamp = await _find_stamp(rt, user_id)
    try:
        async with shared.client.pipeline(transaction=True) as steps:
            steps.set(key, f"{user_id} {stamp}", px=ttl_ms)
            steps.sadd(_list_key(shared, user_id), key)
            steps.pexpire(_list_key(shared, user_id), ttl_ms, nx=True)
            steps.pexpire(_list_key(shared, user_id), ttl_ms, gt=True)
            await steps.execute()
    except AWAY as error:
        raise unavailable(error) from error
    return token


async def find_login_link(rt: Runtime, token: str) -> UUID | None:
    """Whom the link would log in; looking does not spend it. Raises Unavailable."""
    key = _key(rt.shared, token)
    try:
        return await _read(rt, await rt.shared.client.get(key)) if key else None
    except AWAY as error:
        raise unavailable(error) from error


async def consume_login_link(rt: Runtime, token: str) -> UUID | None:
    """As `find_login_link`, and spends it: of several at the same moment one gets an answer."""
    key = _key(rt.shared, token)
    try:
        return await _read(rt, await rt.shared.client.getdel(key)) if key else None
    except AWAY as error:
        raise unavailable(error) from error


async def delete_login_links(shared: Shared, user_id: UUID) -> None:
    """Every one of this person. Raises Unavailable."""
    listed = _list_key(shared, user_id)
    try:
        keys = await shared.client.smembers(listed)  # type: ignore[misc]  # the client's types name both its kinds
        await shared.client.delete(listed, *keys)
    except AWAY as error:
        raise unavailable(error) from error


def _key(shared: Shared, token: str) -> str:
    """Empty for what cannot be a token."""
    digest = digest_link_token(token)
    return shared.key("login-link", digest.hex()) if digest is not None else ""


def _list_key(shared: Shared, user_id: UUID) -> str:
    return shared.key("login-links", str(user_id))


async def _read(rt: Runtime, stored: bytes | None) -> UUID | None:
    if stored is None:
        return None
    text, _, stamp = stored.decode().partition(" ")
    user_id = parse_uuid(text)
    if user_id is None:
        return None
    return user_id if await _find_stamp(rt, user_id) == stamp else None


async def _find_stamp(rt: Runtime, user_id: UUID) -> str:
    """Changes with the password and with what the account is; of one that is gone it is that of nobody."""
    async with rt.db.acquire() as conn:
        user, pass_hash = await find_user(conn, user_id), await find_pass_hash(conn, user_id)
    standing = (user.is_admin, user.is_active) if user is not None else None
    return hashlib.sha256(f"{standing} {pass_hash}".encode()).hexdigest()
