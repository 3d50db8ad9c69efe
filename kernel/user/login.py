"""Logs somebody in: by name and password, or by a one-time link."""

from typing import Final

from kernel import clock
from kernel.context import Context
from kernel.errors import LoginRequired, NotFound
from kernel.jobs import RECORD_LOGIN, SET_PASSWORD, RecordLogin, SetPassword
from kernel.ledger.submit import submit_job
from kernel.log import get_logger
from kernel.runtime import Runtime
from kernel.user.load import load_actor
from kernel.user.login_link import consume_login_link
from kernel.user.model import Credentials, User
from kernel.user.name import check_name, normalise_name
from kernel.user.password import hash_password, needs_rehash, verify_password
from kernel.user.store import find_credentials, find_pass_hash, find_user

log = get_logger(__name__)

# One sentence for every reason, so that it tells nobody which names exist.
LOGIN_REFUSED: Final = "This username and password do not fit together. Check both and try again."
LINK_REFUSED: Final = "This link has been used or has expired. Ask for a new one."


async def log_in(rt: Runtime, ctx: Context, name: str, password: str) -> User:
    """Who it is; the caller makes the session. Raises LoginRequired, in the same time for every reason."""
    found = await _find_credentials(rt, name)
    fits = await verify_password(found.pass_hash if found is not None else None, password)
    if found is None or not fits or not found.user.is_active:
        # Not the name as typed: people type their password there.
        log.info(
            "login refused", user_id=str(found.user.id) if found is not None else None, password_fits=fits
        )
        raise LoginRequired(LOGIN_REFUSED)
    await _record_login(rt, ctx, found.user)
    if found.pass_hash is not None and needs_rehash(found.pass_hash):
        # Only in place of the hash that was just checked: the password may be changed before the job runs.
        payload = SetPassword(found.user.id, await hash_password(password), replaces=found.pass_hash)
        await submit_job(rt.ledger, ctx.acting_as(await load_actor(rt, found.user.id)), SET_PASSWORD, payload)
    return found.user


async def log_in_by_link(rt: Runtime, ctx: Context, token: str) -> User:
    """Spends the link. Raises NotFound when it was spent before, has expired, or its account is blocked."""
    user_id = await consume_login_link(rt, token)
    user = None
    if user_id is not None:
        async with rt.db.acquire() as conn:
            user = await find_user(conn, user_id)
    if user is None or not user.is_active:
        raise NotFound(LINK_REFUSED)
    await _record_login(rt, ctx, user)
    return user


async def verify_own_password(rt: Runtime, user: User, password: str) -> bool:
    """Whether somebody who is logged in knows the password, as is asked before it is changed."""
    async with rt.db.acquire() as conn:
        pass_hash = await find_pass_hash(conn, user.id)
    return await verify_password(pass_hash, password)


async def _find_credentials(rt: Runtime, name: str) -> Credentials | None:
    wanted = normalise_name(name)
    if check_name(wanted):
        return None
    async with rt.db.acquire() as conn:
        return await find_credentials(conn, wanted)


async def _record_login(rt: Runtime, ctx: Context, user: User) -> None:
    actor = await load_actor(rt, user.id)
    await submit_job(rt.ledger, ctx.acting_as(actor), RECORD_LOGIN, RecordLogin(user.id, clock.now()))
