"""The secret of a link that opens something: random, sent to one person, and kept as a digest alone."""

import hashlib
import re
import secrets
from typing import Final

LINK_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def make_link_token() -> str:
    """Of 256 random bits, for an address."""
    return secrets.token_urlsafe(32)


def digest_link_token(token: str) -> bytes | None:
    """What is kept, so that who reads it can open nothing. None for what cannot be a token."""
    return hashlib.sha256(token.encode()).digest() if LINK_TOKEN.fullmatch(token) else None
