"""Tells the audit log of logins that did not succeed, by a job, and of a flood of them by one."""

from uuid import UUID

from kernel import clock
from kernel.context import Context
from kernel.errors import Unavailable
from kernel.ledger.run import JobRun
from kernel.ledger.submit import submit_job
from kernel.log import get_logger
from kernel.runtime import Runtime
from kernel.shared.rate_limit import RateLimits
from kernel.shared.refusals import KEEP_S, LOCKED, name_tally, write_refusal
from kernel.site_jobs import NOTE_LOGIN_FAILURE, NoteLoginFailure
from kernel.user.entry.lockout import LOCK_MS, Attempt, find_network

log = get_logger(__name__)


async def note_refused_login(rt: Runtime, ctx: Context, user_id: UUID | None) -> None:
    """Returns when the job is recorded; a worker writes the entry."""
    await submit_job(rt.ledger, ctx, NOTE_LOGIN_FAILURE, NoteLoginFailure("refused", user_id))


async def note_locked_login(
    rt: Runtime, ctx: Context, attempt: Attempt, address: str, user_id: UUID | None
) -> None:
    """The first of an account and of an address in the time of a lock has a job. All are counted in Redis, for whoever
    looks after the limits: what is refused in floods must not fill the ledger."""
    try:
        is_first = await RateLimits(rt.shared).note_refusal(
            write_refusal(LOCKED, "address", find_network(address)),
            attempt.places,
            once_in_s=LOCK_MS // 1000,
            tally=name_tally(clock.now()),
            keep_tally_s=KEEP_S,
        )
    except Unavailable as error:
        log.warning("a login that was locked out is not counted", error=error.detail)
        return
    if is_first:
        await submit_job(rt.ledger, ctx, NOTE_LOGIN_FAILURE, NoteLoginFailure("locked", user_id))


async def run_note_login_failure(_rt: Runtime, run: JobRun) -> None:
    """The work of a `note_login_failure` job: its end is what the log is told."""
    async with run.finish() as finish:
        finish.result = {"outcome": "done"}
