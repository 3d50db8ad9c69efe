"""The site's own tasks: what is old enough is removed, in batches that hold no lock for long."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from kernel.cron.store import prune_runs
from kernel.cron.turn import Turn
from kernel.db.pool import Connection
from kernel.ledger.model import JobStatus
from kernel.ledger.prune import prune_jobs
from kernel.plugin.store import delete_unused_artefacts
from kernel.runtime import Runtime
from kernel.user.proof.store import delete_expired_links
from kernel.user.store import delete_expired_tokens

Remove: TypeAlias = Callable[[Connection], Awaitable[int]]

# Rows in one transaction: some tens of milliseconds.
BATCH: Final = 2_000
# Long enough to see last week's, short enough that a task of every minute does not fill the table.
KEEP_RUNS: Final = timedelta(days=7)

_SUCCEEDED: Final = (JobStatus.DONE, JobStatus.CANCELLED)
_GAVE_UP: Final = (JobStatus.FAILED, JobStatus.DEAD)


async def run_prune_jobs(rt: Runtime, turn: Turn) -> None:
    """Finished jobs, those that failed later than the others."""
    cron = rt.config.cron
    done_before = turn.now - timedelta(days=cron.keep_done_jobs_days)
    failed_before = turn.now - timedelta(days=cron.keep_failed_jobs_days)

    await remove_all(
        turn,
        lambda conn: prune_jobs(conn, _SUCCEEDED, done_before, BATCH),
        lambda conn: prune_jobs(conn, _GAVE_UP, failed_before, BATCH),
    )


async def run_prune_cron_runs(_rt: Runtime, turn: Turn) -> None:
    before = turn.now - KEEP_RUNS
    await remove_all(turn, lambda conn: prune_runs(conn, before, BATCH))


async def run_delete_expired_tokens(_rt: Runtime, turn: Turn) -> None:
    now: datetime = turn.now
    await remove_all(
        turn,
        lambda conn: delete_expired_tokens(conn, now, BATCH),
        lambda conn: delete_expired_links(conn, now, BATCH),
    )


async def run_delete_unused_artefacts(_rt: Runtime, turn: Turn) -> None:
    """All at once: there are few, and none has more than a file behind it."""
    async with turn.step() as step:
        number = await delete_unused_artefacts(step.conn)
        step.finish(f"{number:,} removed" if number else "Nothing to remove")


async def remove_all(turn: Turn, *removals: Remove) -> None:
    """Step after step, until no removal finds a whole batch any more."""
    removed = 0
    left = list(removals)
    while left:
        async with turn.step() as step:
            number = await left[0](step.conn)
            removed += number
            if number < BATCH:
                del left[0]
            if not left:
                step.finish(f"{removed:,} removed" if removed else "Nothing to remove")
