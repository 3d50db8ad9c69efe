"""One-time login links: kept in Redis as a digest, for a while, until the button on their page is pressed."""

from uuid import UUID

from kernel.ids import parse_uuid
from kernel.runtime import Runtime
from kernel.shared.connection import AWAY, Shared, unavailable
from kernel.user.link_token import digest_link_token, make_link_token


async def create_login_link(shared: Shared, user_id: UUID, ttl_s: float) -> str:
    """The token of a new link; `/user/login-link/{token}` is its path. Raises Unavailable."""
    token = make_link_token()
    try:
        await shared.client.set(_key(shared, token), str(user_id), px=int(ttl_s * 1000))
    except AWAY as error:
        raise unavailable(error) from error
    return token


async def find_login_link(rt: Runtime, token: str) -> UUID | None:
    """Whom the link would log in; looking does not spend it. Raises Unavailable."""
    key = _key(rt.shared, token)
    try:
        return _read(await rt.shared.client.get(key)) if key else None
    except AWAY as error:
        raise unavailable(error) from error


async def consume_login_link(rt: Runtime, token: str) -> UUID | None:
    """As `find_login_link`, and spends it: of several at the same moment one gets an answer."""
    key = _key(rt.shared, token)
    try:
        return _read(await rt.shared.client.getdel(key)) if key else None
    except AWAY as error:
        raise unavailable(error) from error


def _key(shared: Shared, token: str) -> str:
    """Empty for what cannot be a token."""
    digest = digest_link_token(token)
    return shared.key("login-link", digest.hex()) if digest is not None else ""


def _read(stored: bytes | None) -> UUID | None:
    return None if stored is None else parse_uuid(stored.decode())
