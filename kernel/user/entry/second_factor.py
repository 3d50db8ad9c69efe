"""Sets up the second factor of an account, takes its codes, each once, and takes it away again."""

from contextlib import suppress
from typing import Final
from uuid import UUID

import orjson

from kernel import clock
from kernel.context import Context
from kernel.ledger.run import JobRun
from kernel.ledger.submit import submit_job
from kernel.login_jobs import (
    SPEND_RECOVERY_CODE,
    DisableSecondFactor,
    EnableSecondFactor,
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
    find_step,
)
from kernel.user.entry.store import (
    SecondFactor,
    delete_second_factor,
    find_second_factor,
    insert_second_factor,
    remove_recovery_code,
)
from kernel.user.load import load_actor

SETUP_MS: Final = 900_000
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


async def begin_setup(rt: Runtime, user_id: UUID, session_key: str) -> str:
    """The secret to show: the same for a quarter of an hour, so that a page that is loaded again shows no other, and
    to nobody but this session. Raises Unavailable."""
    key = _setup_key(rt.shared, user_id, session_key)
    try:
        await rt.shared.client.set(key, orjson.dumps({"secret": build_secret()}), px=SETUP_MS, nx=True)
        stored = await rt.shared.client.get(key)
    except AWAY as error:
        raise unavailable(error) from error
    secret: str = orjson.loads(stored)["secret"]
    return secret


async def confirm_setup(rt: Runtime, user_id: UUID, session_key: str, code: str) -> list[str]:
    """The recovery codes to show this once, when the code fits the secret that was shown; none when it does not. The
    caller has an `enable_second_factor` job done. Raises Unavailable."""
    key = _setup_key(rt.shared, user_id, session_key)
    secret = await begin_setup(rt, user_id, session_key)
    step = find_step(secret, code, clock.now())
    if step is None or not await _take_step(rt.shared, user_id, step):
        return []
    codes = build_recovery_codes()
    digests = [digest.hex() for text in codes if (digest := digest_recovery_code(text)) is not None]
    try:
        await rt.shared.client.set(key, orjson.dumps({"secret": secret, "recovery": digests}), px=SETUP_MS)
    except AWAY as error:
        raise unavailable(error) from error
    return codes


async def has_second_factor(rt: Runtime, user_id: UUID) -> bool:
    return await count_recovery_codes(rt, user_id) is not None


async def count_recovery_codes(rt: Runtime, user_id: UUID) -> int | None:
    """How many are left; None for an account without a second factor."""
    async with rt.db.acquire() as conn:
        factor = await find_second_factor(conn, user_id)
    return None if factor is None else len(factor.recovery)


async def take_code(rt: Runtime, ctx: Context, user_id: UUID, code: str) -> bool:
    """Whether the code is good, of the moment or one of the recovery codes; no code is good twice, also when it comes
    twice at the same moment. Raises Unavailable."""
    async with rt.db.acquire() as conn:
        factor = await find_second_factor(conn, user_id)
    if factor is None:
        return False
    step = find_step(factor.secret, code, clock.now())
    if step is not None:
        return await _take_step(rt.shared, user_id, step)
    digest = digest_recovery_code(code)
    if digest is None or digest not in factor.recovery:
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


async def reset_second_factor(rt: Runtime, user_id: UUID) -> bool:
    """For operators; False when there was none."""
    async with rt.db.transaction() as tx:
        return await delete_second_factor(tx.conn, user_id)


async def run_enable_second_factor(rt: Runtime, run: JobRun) -> None:
    """The work of an `enable_second_factor` job."""
    payload: EnableSecondFactor = run.payload
    key = _setup_key(rt.shared, payload.user_id, payload.session_key)
    try:
        stored = await rt.shared.client.get(key)
    except AWAY as error:
        raise unavailable(error) from error
    setup = orjson.loads(stored) if stored is not None else {}
    is_own = run.ctx.actor.id == payload.user_id
    async with run.finish() as finish:
        saved = False
        if is_own and "recovery" in setup:
            recovery = tuple(bytes.fromhex(digest) for digest in setup["recovery"])
            saved = await insert_second_factor(
                finish.conn, SecondFactor(payload.user_id, setup["secret"], recovery)
            )
        message = "The set-up took too long, or was finished elsewhere. Begin again."
        finish.result = {"outcome": "saved"} if saved else {"outcome": "conflict", "message": message}
    # Else it goes by itself, and until then the account has a second factor already.
    with suppress(*AWAY):
        await rt.shared.client.delete(key)


async def run_disable_second_factor(_rt: Runtime, run: JobRun) -> None:
    """The work of a `disable_second_factor` job."""
    payload: DisableSecondFactor = run.payload
    is_own = run.ctx.actor.id == payload.user_id
    async with run.finish() as finish:
        if is_own:
            await delete_second_factor(finish.conn, payload.user_id)
        finish.result = {"outcome": "saved" if is_own else "forbidden"}


async def run_spend_recovery_code(_rt: Runtime, run: JobRun) -> None:
    """The work of a `spend_recovery_code` job."""
    payload: SpendRecoveryCode = run.payload
    async with run.finish() as finish:
        await remove_recovery_code(finish.conn, payload.user_id, bytes.fromhex(payload.digest))
        finish.result = {"outcome": "saved"}


async def _take_step(shared: Shared, user_id: UUID, step: int) -> bool:
    key = shared.key("second-factor", "step", str(user_id))
    return bool(await Script(shared, _TAKE_STEP).run([key], [step, STEP_MS]))


def _setup_key(shared: Shared, user_id: UUID, session_key: str) -> str:
    return shared.key("second-factor", "setup", str(user_id), session_key)
