"""API tokens, with which a program acts as a user without a session."""

import hashlib
import re
import secrets
from typing import Final

from kernel import clock
from kernel.context import Actor
from kernel.runtime import Runtime
from kernel.user.load import load_actor
from kernel.user.store import find_token_user_id

# The prefix lets people, and programs that search for leaked secrets, see what it is.
PREFIX: Final = "trovato_"
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# 32 bytes need 43 digits of base 62.
DIGITS: Final = 43
TOKEN: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{DIGITS}}}")


def build_api_token() -> str:
    number = int.from_bytes(secrets.token_bytes(32))
    digits = []
    for _ in range(DIGITS):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return PREFIX + "".join(reversed(digits))


def digest_api_token(token: str) -> bytes:
    """What is stored. A plain hash suffices, since there is nothing to guess in 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


async def find_token_actor(rt: Runtime, token: str) -> Actor | None:
    """None for a token that is unknown or has expired, or whose user is blocked."""
    if not TOKEN.fullmatch(token):
        return None
    async with rt.db.acquire() as conn:
        user_id = await find_token_user_id(conn, digest_api_token(token), clock.now())
    if user_id is None:
        return None
    actor = await load_actor(rt, user_id)
    return None if actor.is_anonymous else actor
