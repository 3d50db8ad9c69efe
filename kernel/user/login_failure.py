"""Tells the audit log of logins that did not succeed, by a job."""

from typing import Literal
from uuid import UUID

from kernel.context import Context
from kernel.ledger.run import JobRun
from kernel.ledger.submit import submit_job
from kernel.runtime import Runtime
from kernel.site_jobs import NOTE_LOGIN_FAILURE, NoteLoginFailure


async def note_login_failure(
    rt: Runtime, ctx: Context, reason: Literal["refused", "locked"], user_id: UUID | None
) -> None:
    """Returns when the job is recorded; a worker writes the entry."""
    await submit_job(rt.ledger, ctx, NOTE_LOGIN_FAILURE, NoteLoginFailure(reason, user_id))


async def run_note_login_failure(_rt: Runtime, run: JobRun) -> None:
    """The work of a `note_login_failure` job: its end is what the log is told."""
    async with run.finish() as finish:
        finish.result = {"outcome": "done"}
