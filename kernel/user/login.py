"""Logs somebody in: by name and password, by a one-time link, and after either by the code of a second factor."""

import hashlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kernel import clock
from kernel.context import Context
from kernel.errors import LoginRequired, NotFound
from kernel.jobs import RECORD_LOGIN, SET_PASSWORD, RecordLogin, SetPassword
from kernel.ledger.submit import submit_job
from kernel.log import get_logger
from kernel.names import ANONYMOUS_ID
from kernel.runtime import Runtime
from kernel.user.entry.device import find_device, remember_device
from kernel.user.entry.lockout import (
    Attempt,
    Locked,
    begin_attempt,
    build_attempt,
    build_own_attempt,
    fail_attempt,
    pass_attempt,
)
from kernel.user.entry.second_factor import has_second_factor, take_code
from kernel.user.entry.store import get_device_key
from kernel.user.load import load_actor
from kernel.user.login_failure import note_locked_login, note_refused_login
from kernel.user.login_link import consume_login_link
from kernel.user.model import Credentials, User
from kernel.user.name import check_name, normalise_name
from kernel.user.password import hash_password, needs_rehash, verify_password
from kernel.user.store import find_credentials, find_credentials_of, find_pass_hash

log = get_logger(__name__)

# One sentence for every reason, so that it tells nobody which names exist.
LOGIN_REFUSED: Final = "This username and password do not fit together. Check both and try again."
LINK_REFUSED: Final = "This link has been used or has expired. Ask for a new one."
CODE_REFUSED: Final = "This code is not right, or was used before. Type the one that is shown now."
LOGIN_OVER: Final = "This took too long, or the password was changed meanwhile. Log in again."


class LoginOver(LoginRequired):
    """What was shown before does not hold any more: the login begins anew."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where somebody comes from who logs in: the client's address, and the cookie of known devices."""

    address: str = "unknown"
    device: str = ""


@dataclass(frozen=True, slots=True)
class LoginStep:
    """Somebody showed who they are; with `needs_code` not yet well enough. `stamp` stands for the password of that
    moment (two, with a dot, where it is being hashed anew), `device` is the cookie by which the browser is known from
    now on."""

    user: User
    needs_code: bool
    stamp: str
    device: str = ""


async def log_in(rt: Runtime, ctx: Context, name: str, password: str, source: Source) -> LoginStep:
    """The caller makes the session. Raises LoginRequired, in the same time for every reason, and Locked."""
    found, key = await _find_credentials(rt, name)
    user_id, epoch = (found.user.id, found.device_epoch) if found is not None else (None, 0)
    attempt = build_attempt(
        user_id=user_id,
        name=normalise_name(name),
        address=source.address,
        device=find_device(key, source.device, user_id or ANONYMOUS_ID, epoch, clock.now()),
    )
    await _begin(rt, ctx, attempt, source.address, user_id)
    fits = await verify_password(found.pass_hash if found is not None else None, password)
    if found is None or not fits or not found.user.is_active:
        await fail_attempt(rt.shared, attempt)
        # Not the name as typed: people type their password there.
        log.info("login refused", user_id=str(user_id) if user_id is not None else None, password_fits=fits)
        await note_refused_login(rt, ctx, user_id)
        raise LoginRequired(LOGIN_REFUSED)
    stamp = _build_stamp(found.pass_hash)
    if found.pass_hash is not None and needs_rehash(found.pass_hash):
        # Only in place of the hash that was just checked: the password may be changed before the job runs.
        fresh = await hash_password(password)
        payload = SetPassword(found.user.id, fresh, replaces=found.pass_hash, is_rehash=True)
        await submit_job(rt.ledger, ctx.acting_as(await load_actor(rt, found.user.id)), SET_PASSWORD, payload)
        stamp = f"{stamp}.{_build_stamp(payload.pass_hash)}"
    if await has_second_factor(rt, found.user.id):
        await pass_attempt(rt.shared, attempt, is_whole=False)
        return LoginStep(found.user, needs_code=True, stamp=stamp)
    await pass_attempt(rt.shared, attempt)
    step = LoginStep(found.user, False, stamp, _remember(key, source, found))
    return await _complete(rt, ctx, step)


async def log_in_by_link(rt: Runtime, ctx: Context, token: str, source: Source) -> LoginStep:
    """Spends the link. Raises NotFound when it was spent before, has expired, or its account is blocked."""
    user_id = await consume_login_link(rt, token)
    found, key = await _find_account(rt, user_id) if user_id is not None else (None, "")
    if found is None or not found.user.is_active:
        raise NotFound(LINK_REFUSED)
    stamp = _build_stamp(found.pass_hash)
    if await has_second_factor(rt, found.user.id):
        return LoginStep(found.user, needs_code=True, stamp=stamp)
    step = LoginStep(found.user, False, stamp, _remember(key, source, found))
    return await _complete(rt, ctx, step, is_by_link=True)


async def log_in_by_code(
    rt: Runtime, ctx: Context, user_id: UUID, *, stamp: str, code: str, source: Source
) -> LoginStep:
    """The second step of somebody whose first one answered `stamp`. Raises LoginRequired when the code is not good,
    LoginOver when the first step does not hold any more, and Locked: codes are counted as passwords are."""
    found, key = await _find_account(rt, user_id)
    if found is None or not _holds(found, stamp):
        raise LoginOver(LOGIN_OVER)
    if not await has_second_factor(rt, user_id):
        raise LoginOver(LOGIN_OVER)
    attempt = build_attempt(
        user_id=user_id,
        name=found.user.name,
        address=source.address,
        device=find_device(key, source.device, user_id, found.device_epoch, clock.now()),
    )
    await _begin(rt, ctx, attempt, source.address, user_id)
    if not await take_code(rt, ctx, user_id, code):
        await fail_attempt(rt.shared, attempt)
        log.info("login refused", user_id=str(user_id), code_fits=False)
        await note_refused_login(rt, ctx, user_id)
        raise LoginRequired(CODE_REFUSED)
    await pass_attempt(rt.shared, attempt)
    step = LoginStep(found.user, False, stamp, _remember(key, source, found))
    return await _complete(rt, ctx, step)


async def require_login_holds(rt: Runtime, step: LoginStep) -> None:
    """To be asked once the session is there: whatever ends an account's sessions does so after its commit, so that one
    of the two sees the other. Raises LoginOver when the password is another by now, or the account is blocked."""
    found, _ = await _find_account(rt, step.user.id)
    if found is None or not _holds(found, step.stamp):
        raise LoginOver(LOGIN_OVER)


async def remember_browser(rt: Runtime, source: Source, user_id: UUID) -> str:
    """The cookie for the browser that has set a new password, which made all of them unknown; "" for an account that is
    gone meanwhile."""
    found, key = await _find_account(rt, user_id)
    return _remember(key, source, found) if found is not None else ""


async def _begin(rt: Runtime, ctx: Context, attempt: Attempt, address: str, user_id: UUID | None) -> None:
    """Raises Locked."""
    try:
        await begin_attempt(rt.shared, attempt)
    except Locked:
        await note_locked_login(rt, ctx, attempt, address, user_id)
        raise


async def verify_own_password(rt: Runtime, ctx: Context, user: User, password: str) -> bool:
    """Whether somebody who is logged in knows the password, as is asked before it is changed. Raises Locked: a session
    that was left open is no place to guess."""
    attempt = build_own_attempt(user.id, "password")
    await _begin(rt, ctx, attempt, ctx.client_address, user.id)
    async with rt.db.acquire() as conn:
        pass_hash = await find_pass_hash(conn, user.id)
    fits = await verify_password(pass_hash, password)
    await (pass_attempt if fits else fail_attempt)(rt.shared, attempt)
    return fits


async def take_own_code(
    rt: Runtime, ctx: Context, user_id: UUID, code: str, *, with_recovery: bool = True
) -> bool:
    """The same for the code of a second factor. Raises Locked."""
    attempt = build_own_attempt(user_id, "code")
    await _begin(rt, ctx, attempt, ctx.client_address, user_id)
    fits = await take_code(rt, ctx, user_id, code, with_recovery=with_recovery)
    await (pass_attempt if fits else fail_attempt)(rt.shared, attempt)
    return fits


async def _find_credentials(rt: Runtime, name: str) -> tuple[Credentials | None, str]:
    """And the key of known devices, which is read for every name alike."""
    wanted = normalise_name(name)
    is_name = not check_name(wanted)
    async with rt.db.acquire() as conn:
        return await find_credentials(conn, wanted) if is_name else None, await get_device_key(conn)


async def _find_account(rt: Runtime, user_id: UUID) -> tuple[Credentials | None, str]:
    async with rt.db.acquire() as conn:
        return await find_credentials_of(conn, user_id), await get_device_key(conn)


async def _complete(rt: Runtime, ctx: Context, step: LoginStep, *, is_by_link: bool = False) -> LoginStep:
    actor = await load_actor(rt, step.user.id)
    login = RecordLogin(step.user.id, clock.now(), is_by_link)
    await submit_job(rt.ledger, ctx.acting_as(actor), RECORD_LOGIN, login)
    return step


def _remember(key: str, source: Source, found: Credentials) -> str:
    return remember_device(key, source.device, found.user.id, found.device_epoch, clock.now())


def _holds(found: Credentials, stamp: str) -> bool:
    return found.user.is_active and _build_stamp(found.pass_hash) in stamp.split(".")


def _build_stamp(pass_hash: str | None) -> str:
    """Changes with the password."""
    return hashlib.sha256((pass_hash or "").encode()).hexdigest()[:16]
