"""One-time login links: kept in Redis as a digest, for a while, until the button on their page is pressed."""

import hashlib
import re
import secrets
from typing import Final
from uuid import UUID

from kernel.ids import parse_uuid
from kernel.runtime import Runtime
from kernel.shared.connection import AWAY, Shared, unavailable

LINK_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


async def create_login_link(shared: Shared, user_id: UUID, ttl_s: float) -> str:
    """The token of a new link; `/user/login-link/{token}` is its path. Raises Unavailable."""
    token = secrets.token_urlsafe(32)
    try:
        await shared.client.set(_key(shared, token), str(user_id), px=int(ttl_s * 1000))
    except AWAY as error:
        raise unavailable(error) from error
    return token


async def find_login_link(rt: Runtime, token: str) -> UUID | None:
    """Whom the link would log in; looking does not spend it. Raises Unavailable."""
    if not LINK_TOKEN.fullmatch(token):
        return None
    try:
        return _read(await rt.shared.client.get(_key(rt.shared, token)))
    except AWAY as error:
        raise unavailable(error) from error


async def consume_login_link(rt: Runtime, token: str) -> UUID | None:
    """As `find_login_link`, and spends it: of several at the same moment one gets an answer."""
    if not LINK_TOKEN.fullmatch(token):
        return None
    try:
        return _read(await rt.shared.client.getdel(_key(rt.shared, token)))
    except AWAY as error:
        raise unavailable(error) from error


def _key(shared: Shared, token: str) -> str:
    """Who reads Redis cannot log in with what is found there."""
    return shared.key("login-link", hashlib.sha256(token.encode()).hexdigest())


def _read(stored: bytes | None) -> UUID | None:
    return None if stored is None else parse_uuid(stored.decode())
