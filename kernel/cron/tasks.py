"""The list of what cron does: the site's own tasks, then the plugins'."""

from typing import Final

from kernel.cron.prune import (
    run_delete_expired_tokens,
    run_delete_unused_artefacts,
    run_prune_cron_runs,
    run_prune_jobs,
)
from kernel.cron.schedule import DAY_S, HOUR_S, MINUTE_S, Schedule
from kernel.cron.tap import list_tap_tasks
from kernel.cron.task import Task
from kernel.cron.watch import run_collect_refusals, run_note_last_seen, run_prune_audit
from kernel.runtime import Runtime

TASKS: Final = (
    Task(
        "prune_jobs",
        "Remove old finished jobs",
        Schedule(HOUR_S, 10 * MINUTE_S),
        "once",
        300.0,
        run_prune_jobs,
    ),
    Task(
        "prune_cron_runs",
        "Remove old records of cron",
        Schedule(DAY_S, 3 * HOUR_S + 10 * MINUTE_S),
        "once",
        120.0,
        run_prune_cron_runs,
    ),
    Task(
        "delete_expired_tokens",
        "Delete expired API tokens and links",
        Schedule(DAY_S, 3 * HOUR_S + 20 * MINUTE_S),
        "once",
        120.0,
        run_delete_expired_tokens,
    ),
    Task(
        "delete_unused_artefacts",
        "Delete artefacts of plugins that nobody uses",
        Schedule(DAY_S, 3 * HOUR_S + 30 * MINUTE_S),
        "once",
        120.0,
        run_delete_unused_artefacts,
    ),
    Task(
        "collect_refusals",
        "Take up whom the limits refused",
        Schedule(10 * MINUTE_S, 2 * MINUTE_S),
        "once",
        120.0,
        run_collect_refusals,
    ),
    Task(
        "note_last_seen",
        "Note when people were last seen",
        Schedule(10 * MINUTE_S, 4 * MINUTE_S),
        "once",
        120.0,
        run_note_last_seen,
    ),
    Task(
        "prune_audit",
        "Forget addresses, and shorten the audit log",
        Schedule(DAY_S, 3 * HOUR_S + 40 * MINUTE_S),
        "once",
        300.0,
        run_prune_audit,
    ),
)


async def list_tasks(rt: Runtime) -> list[Task]:
    """In the order in which they have their turn."""
    return [*TASKS, *await list_tap_tasks(rt)]
