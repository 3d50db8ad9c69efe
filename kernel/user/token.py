"""API tokens, with which a program acts as a user without a session."""

import hashlib
import re
import secrets
from typing import Final

from kernel import clock
from kernel.context import Actor, Context
from kernel.ledger.run import JobRun
from kernel.ledger.submit import submit_job
from kernel.person_jobs import NOTE_TOKEN_USE, NoteTokenUse
from kernel.runtime import Runtime
from kernel.user.load import load_actor
from kernel.user.store import find_api_token, update_token_use

# The prefix lets people, and programs that search for leaked secrets, see what it is.
PREFIX: Final = "trovato_"
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# 32 bytes need 43 digits of base 62.
DIGITS: Final = 43
USE_API_TOKENS: Final = "use api tokens"
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


async def find_token_actor(rt: Runtime, token: str, request_id: str = "") -> Actor | None:
    """With no more rights than the token's scope. None for a token that is unknown or has expired, or whose user is
    blocked or may not use tokens now. The caller has caught up with the drops of the cache."""
    if not TOKEN.fullmatch(token):
        return None
    now = clock.now()
    async with rt.db.acquire() as conn:
        found = await find_api_token(conn, digest_api_token(token), now)
    if found is None:
        return None
    actor = await load_actor(rt, found.user_id)
    if actor.is_anonymous or not actor.may(USE_API_TOKENS):
        return None
    hour = now.replace(minute=0, second=0, microsecond=0)
    if found.last_used is None or found.last_used < hour:
        # Of all requests in an hour one is told to the workers.
        await submit_job(
            rt.ledger,
            Context(actor=actor, request_id=request_id),
            NOTE_TOKEN_USE,
            NoteTokenUse(found.id, hour),
            dedupe_key=f"token-use:{found.id}:{hour:%Y%m%d%H}",
        )
    return actor.within(None if found.scope is None else frozenset(found.scope))


async def run_note_token_use(_rt: Runtime, run: JobRun) -> None:
    """The work of a `note_token_use` job."""
    payload: NoteTokenUse = run.payload
    async with run.finish() as finish:
        await update_token_use(finish.conn, payload.token_id, payload.at)
        finish.result = {"outcome": "saved"}
