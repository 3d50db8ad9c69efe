"""Hashes and checks passwords with Argon2id, on threads beside the event loop so that nobody else waits."""

import asyncio
import unicodedata
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

# In characters; the upper bound only keeps a request from hashing a novel.
PASSWORD_MIN: Final = 10
PASSWORD_MAX: Final = 500

# The first choice of the OWASP cheat sheet that stays near 20 ms on one core; 19 MiB each.
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)

# A hash of random bytes that nobody kept. A login under an unknown name is checked against it, so that it
# takes as long as one under a known name.
DUMMY_HASH: Final = (
    "$argon2id$v=19$m=19456,t=2,p=1$hQfo6omzzTmfvddvVbNtYQ$/HWz7ehbpkHRpDIagEZQKoOfuYF8r5X0sHVz+is05MY"
)


def check_password(password: str) -> str:
    """What is wrong with a new password, as a sentence; "" when nothing is."""
    if len(password) < PASSWORD_MIN:
        return f"Use {PASSWORD_MIN} characters or more; this password has {len(password)}."
    if len(password) > PASSWORD_MAX:
        return f"Use {PASSWORD_MAX} characters at most; this password has {len(password)}."
    return ""


async def hash_password(password: str) -> str:
    """In PHC form, with the parameters and a salt in it."""
    return await asyncio.to_thread(HASHER.hash, _encode(password))


async def verify_password(stored_hash: str | None, password: str) -> bool:
    """Whether the password fits. Without a hash the answer is no, after the same work."""
    # So long a password cannot have been set, and hashing it would take longer than any other.
    is_possible = stored_hash is not None and len(password) <= PASSWORD_MAX
    against = stored_hash if stored_hash is not None and is_possible else DUMMY_HASH
    fits = await asyncio.to_thread(_verify, against, _encode(password[:PASSWORD_MAX]))
    return fits and is_possible


def needs_rehash(stored_hash: str) -> bool:
    """Whether the hash was made with other parameters than those of today."""
    try:
        return HASHER.check_needs_rehash(stored_hash)
    except InvalidHashError:
        return True


def _verify(stored_hash: str, password: bytes) -> bool:
    try:
        return HASHER.verify(stored_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _encode(password: str) -> bytes:
    """One encoding for one password, whether a keyboard sends an accent composed or apart."""
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")
