"""The work of a `run_cron` job: under the lock, each task that is due has its turn alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from structlog.contextvars import bound_contextvars

from kernel.cron.lock import LockOutcome, run_locked
from kernel.cron.model import RunStatus, TaskPast
from kernel.cron.store import list_pasts, mark_completed, select_now
from kernel.cron.task import Task
from kernel.cron.tasks import list_tasks
from kernel.cron.turn import MAX_ATTEMPTS, Turn
from kernel.db.connect import DISCONNECTED
from kernel.errors import LeaseLost
from kernel.jobs import RunCron
from kernel.ledger.fail import describe_error, describe_for_log
from kernel.ledger.run import JobRun
from kernel.log import get_logger
from kernel.runtime import Runtime
from kernel.shared.lock import Locks

log = get_logger(__name__)

ListTasks: TypeAlias = Callable[[Runtime], Awaitable[Sequence[Task]]]

# What the job's result says, by what became of the lock.
OUTCOMES: Final[dict[LockOutcome, str]] = {
    "held": "done",
    "away": "done",
    "elsewhere": "skipped",
    "lost": "lock-lost",
}


@dataclass(frozen=True, slots=True)
class _Due:
    task: Task
    slot: datetime
    past: TaskPast


async def run_cron(rt: Runtime, run: JobRun, *, list_all: ListTasks = list_tasks) -> None:
    """Who does not get the lock does nothing, and says so in the result. What was left in the middle is taken up by
    the next run."""
    payload: RunCron = run.payload
    tasks = [task for task in await list_all(rt) if payload.only in {"", task.name}]
    cron = rt.config.cron
    lock = await run_locked(
        Locks(rt.shared),
        lambda: _give_turns(rt, run, tasks),
        ttl_s=cron.lock_ttl_s,
        heartbeat_s=cron.heartbeat_s,
    )
    if lock == "elsewhere":
        log.info("cron skipped, another run holds the lock")
    async with run.finish() as finish:
        if OUTCOMES[lock] == "done" and not payload.only:
            await mark_completed(finish.conn)
        finish.result = {
            "outcome": OUTCOMES[lock] if tasks or not payload.only else "unknown-task",
            "lock": lock,
            "slot": payload.slot.isoformat(),
            "tasks": run.cursor or [],
            "path": "/admin/cron",
        }


async def _give_turns(rt: Runtime, run: JobRun, tasks: Sequence[Task]) -> None:
    """One clock for the whole run, that of the database, read when it begins: a job that waited for long does what
    is due now, and not what was due when it was submitted."""
    payload: RunCron = run.payload
    async with rt.db.acquire() as conn:
        now = await select_now(conn)
        slots = [(task.name, payload.slot if payload.only else task.schedule.slot_at(now)) for task in tasks]
        pasts = await list_pasts(conn, slots)
    due = [_Due(task, slot, pasts[task.name]) for task, (_, slot) in zip(tasks, slots, strict=True)]
    due = [one for one in due if one.past.current is None or one.past.current.status is RunStatus.RUNNING]
    if not due:
        return
    done = len(run.cursor or [])
    await run.report(done, done + len(due), "")
    for one in due:
        with bound_contextvars(task=one.task.name):
            await _give_turn(rt, run, one, now)


async def _give_turn(rt: Runtime, run: JobRun, due: _Due, now: datetime) -> None:
    """Raises LeaseLost when this attempt at the job is over, and what says that PostgreSQL is away; whatever else
    the task does stays its own affair."""
    task = due.task
    missed = task.find_missed(due.slot, due.past)
    turn = Turn(run, task.name, due.slot, missed=missed, now=now, last_run=due.past.last_done)
    if task.is_too_late(due.slot, now):
        await turn.skip()
        log.warning("a task of cron came too late and was skipped", slot=due.slot.isoformat())
        return
    if not await turn.begin():
        return
    try:
        async with asyncio.timeout(task.limit_s) as limit:
            await task.work(rt, turn)
        if not turn.is_over:
            raise RuntimeError("The task returned without its last step.")
    except LeaseLost:
        raise
    except Exception as error:  # one task's mistake must not keep the others from their turn
        # A database that is away fails every task alike: the job is tried again, and the task with it.
        may_pass = isinstance(error, DISCONNECTED) and not limit.expired()
        if may_pass and turn.attempt < MAX_ATTEMPTS:
            raise
        reason = str(describe_error(error, run.job)["message"])
        if limit.expired():
            reason = f"Took longer than {task.limit_s:g} s and was stopped."
        await _record_failure(turn, error, reason)
    else:
        log.info("a task of cron is done", slot=due.slot.isoformat(), attempt=turn.attempt, missed=missed)


async def _record_failure(turn: Turn, error: Exception, reason: str) -> None:
    if await turn.fail(reason):
        log.error("a task of cron failed", reason=reason, **describe_for_log(error))
    else:
        log.warning("a task of cron failed after its slot was ended", **describe_for_log(error))
