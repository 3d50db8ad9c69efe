"""Sets up the second factor of an account, takes its codes, each once, and takes it away again."""

from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import orjson

from kernel import clock
from kernel.context import Context
from kernel.errors import Conflict
from kernel.ledger.run import JobRun
from kernel.ledger.submit import submit_job
from kernel.login_jobs import (
    NOTE_CODE_USE,
    SPEND_RECOVERY_CODE,
    DisableSecondFactor,
    EnableSecondFactor,
    NoteCodeUse,
    ReplaceRecoveryCodes,
    ResetSecondFactor,
    SpendRecoveryCode,
)
from kernel.runtime import Runtime
from kernel.shared.connection import AWAY, Script, Shared, unavailable
from kernel.user.entry.code import (
    STEP_S,
    WINDOW,
    build_recovery_codes,
    build_secret,
    digest_recovery_code,
    digest_recovery_codes,
    find_step,
)
from kernel.user.entry.notices import (
    FACTOR_OFF,
    FACTOR_ON,
    FACTOR_RESET,
    RECOVERY_NEW,
    RECOVERY_USED,
    tell_person,
)
from kernel.user.entry.store import (
    SecondFactor,
    delete_second_factor,
    find_second_factor,
    insert_second_factor,
    remove_recovery_code,
    replace_recovery_codes,
    update_last_step,
)
from kernel.user.load import load_actor, load_again

# How long the password that was shown holds, and with it the secret.
SETUP_MS: Final = 600_000
# A code is good for so long at most; for longer nobody has to remember that it was used.
STEP_MS: Final = (2 * WINDOW + 2) * STEP_S * 1000
# Until the job that takes it out of the database has long been done.
SPENT_MS: Final = 7 * 86_400_000

# KEYS: the last step whose code was taken. ARGV: a step, ms to remember it. Whether it is a later one.
_TAKE_STEP: Final = """
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# KEYS: a set-up. ARGV: as it was read, as it is to be, ms to keep it. Whether nobody else changed it in between.
_CONFIRM: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


async def begin_setup(rt: Runtime, user_id: UUID, session_key: str) -> None:
    """To be called once the person has shown the password: for a while, and to this session alone, there is a secret to
    show. Raises Unavailable."""
    key = _setup_key(rt.shared, user_id, session_key)
    try:
        await rt.shared.client.set(key, orjson.dumps({"secret": build_secret()}), px=SETUP_MS, nx=True)
    except AWAY as error:
        raise unavailable(error) from error


async def find_setup(rt: Runtime, user_id: UUID, session_key: str) -> str | None:
    """The secret to show; None where the password was not asked for lately. Raises Unavailable."""
    setup = await _load_setup(rt.shared, user_id, session_key)
    return setup.get("secret")


async def confirm_setup(rt: Runtime, user_id: UUID, session_key: str, code: str) -> list[str]:
    """The recovery codes to show this once, when the code fits the secret that was shown; none when it does not. The
    caller has an `enable_second_factor` job done. Raises Unavailable, and Conflict when it was confirmed already, since
    recovery codes were shown then."""
    setup = await _load_setup(rt.shared, user_id, session_key)
    step = find_step(setup["secret"], code, clock.now()) if setup else None
    if step is None or not await _take_step(rt.shared, user_id, step):
        return []
    codes = build_recovery_codes()
    unconfirmed = {"secret": setup["secret"]}
    confirmed = {**unconfirmed, "recovery": digest_recovery_codes(codes), "step": step}
    is_first = await Script(rt.shared, _CONFIRM).run(
        [_setup_key(rt.shared, user_id, session_key)],
        [orjson.dumps(unconfirmed), orjson.dumps(confirmed), SETUP_MS],
    )
    if not is_first:
        raise Conflict("The second factor is being turned on already, with the codes that were shown first.")
    return codes


async def has_second_factor(rt: Runtime, user_id: UUID) -> bool:
    return await count_recovery_codes(rt, user_id) is not None


async def count_recovery_codes(rt: Runtime, user_id: UUID) -> int | None:
    """How many are left; None for an account without a second factor."""
    async with rt.db.acquire() as conn:
        factor = await find_second_factor(conn, user_id)
    return None if factor is None else len(factor.recovery)


async def take_code(
    rt: Runtime, ctx: Context, user_id: UUID, code: str, *, with_recovery: bool = True
) -> bool:
    """Whether the code is good, of the moment or, `with_recovery`, one of the recovery codes. No code is good twice,
    also when it comes twice at the same moment. Raises Unavailable."""
    async with rt.db.acquire() as conn:
        factor = await find_second_factor(conn, user_id)
    if factor is None:
        return False
    step = find_step(factor.secret, code, clock.now())
    if step is not None:
        return await _use_step(rt, ctx, factor, step)
    digest = digest_recovery_code(code)
    if not with_recovery or digest is None or digest not in factor.recovery:
        return False
    try:
        is_first = await rt.shared.client.set(
            rt.shared.key("second-factor", "spent", digest.hex()), b"1", px=SPENT_MS, nx=True
        )
    except AWAY as error:
        raise unavailable(error) from error
    if is_first:
        actor = await load_actor(rt, user_id)
        payload = SpendRecoveryCode(user_id, digest.hex())
        await submit_job(rt.ledger, ctx.acting_as(actor), SPEND_RECOVERY_CODE, payload)
    return bool(is_first)


async def run_enable_second_factor(rt: Runtime, run: JobRun) -> None:
    """The work of an `enable_second_factor` job. What waits is taken away only when it was this person's to use."""
    payload: EnableSecondFactor = run.payload
    setup = await _load_setup(rt.shared, payload.user_id, payload.session_key)

    async def forget() -> None:
        # Else it goes by itself, and until then the account has a second factor already.
        with suppress(*AWAY):
            await rt.shared.client.delete(_setup_key(rt.shared, payload.user_id, payload.session_key))

    async with run.finish() as finish:
        saved = False
        if run.ctx.actor.id == payload.user_id and "recovery" in setup:
            recovery = tuple(bytes.fromhex(digest) for digest in setup["recovery"])
            factor = SecondFactor(payload.user_id, setup["secret"], recovery, setup["step"])
            saved = await insert_second_factor(finish.conn, factor)
            finish.after_commit(forget)
        if saved:
            await tell_person(finish, rt.config, payload.user_id, FACTOR_ON)
        message = "The set-up took too long, or was finished elsewhere. Begin again."
        finish.result = {"outcome": "saved"} if saved else {"outcome": "conflict", "message": message}


async def run_disable_second_factor(rt: Runtime, run: JobRun) -> None:
    """The work of a `disable_second_factor` job."""
    payload: DisableSecondFactor = run.payload
    is_own = run.ctx.actor.id == payload.user_id
    async with run.finish() as finish:
        if is_own and await delete_second_factor(finish.conn, payload.user_id):
            await tell_person(finish, rt.config, payload.user_id, FACTOR_OFF)
        finish.result = {"outcome": "saved" if is_own else "forbidden"}


async def run_reset_second_factor(rt: Runtime, run: JobRun) -> None:
    """The work of a `reset_second_factor` job, which administrators alone may ask for."""
    payload: ResetSecondFactor = run.payload
    actor = await load_again(rt, run.ctx.actor)
    async with run.finish() as finish:
        if not actor.is_admin:
            finish.result = {"outcome": "forbidden"}
            return
        was_on = await delete_second_factor(finish.conn, payload.user_id)
        if was_on:
            await tell_person(finish, rt.config, payload.user_id, FACTOR_RESET)
        finish.result = {"outcome": "saved", "was_on": was_on}


async def run_replace_recovery_codes(rt: Runtime, run: JobRun) -> None:
    """The work of a `replace_recovery_codes` job."""
    payload: ReplaceRecoveryCodes = run.payload
    async with run.finish() as finish:
        if run.ctx.actor.id != payload.user_id:
            finish.result = {"outcome": "forbidden"}
            return
        digests = [bytes.fromhex(digest) for digest in payload.digests]
        if not await replace_recovery_codes(finish.conn, payload.user_id, digests):
            message = "The second factor was turned off meanwhile, so it has no recovery codes."
            finish.result = {"outcome": "conflict", "message": message}
            return
        await tell_person(finish, rt.config, payload.user_id, RECOVERY_NEW)
        finish.result = {"outcome": "saved"}


async def run_spend_recovery_code(rt: Runtime, run: JobRun) -> None:
    """The work of a `spend_recovery_code` job."""
    payload: SpendRecoveryCode = run.payload
    async with run.finish() as finish:
        left = await remove_recovery_code(finish.conn, payload.user_id, bytes.fromhex(payload.digest))
        if left is not None:
            detail = f"You have {left} left." if left else "It was the last one."
            await tell_person(finish, rt.config, payload.user_id, RECOVERY_USED, detail=detail)
        finish.result = {"outcome": "saved"}


async def run_note_code_use(_rt: Runtime, run: JobRun) -> None:
    """The work of a `note_code_use` job."""
    payload: NoteCodeUse = run.payload
    async with run.finish() as finish:
        await update_last_step(finish.conn, payload.user_id, payload.step)
        finish.result = {"outcome": "saved"}


async def _use_step(rt: Runtime, ctx: Context, factor: SecondFactor, step: int) -> bool:
    """Redis decides between two at the same moment; the row, which is behind by a job, should Redis have forgotten."""
    if step <= factor.last_step or not await _take_step(rt.shared, factor.user_id, step):
        return False
    actor = await load_actor(rt, factor.user_id)
    await submit_job(rt.ledger, ctx.acting_as(actor), NOTE_CODE_USE, NoteCodeUse(factor.user_id, step))
    return True


async def _take_step(shared: Shared, user_id: UUID, step: int) -> bool:
    key = shared.key("second-factor", "step", str(user_id))
    return bool(await Script(shared, _TAKE_STEP).run([key], [step, STEP_MS]))


async def _load_setup(shared: Shared, user_id: UUID, session_key: str) -> dict[str, Any]:
    """Empty when there is none. Raises Unavailable."""
    try:
        stored = await shared.client.get(_setup_key(shared, user_id, session_key))
    except AWAY as error:
        raise unavailable(error) from error
    return orjson.loads(stored) if stored is not None else {}


def _setup_key(shared: Shared, user_id: UUID, session_key: str) -> str:
    return shared.key("second-factor", "setup", str(user_id), session_key)
