"""What pages say about cron: its tasks, its runs, and the alarm when it does not run."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from kernel.cron.model import CronRun, CronState, RunStatus, TaskPast
from kernel.cron.task import Task

POLICIES: Final = {
    "once": "What was missed is made good by one run.",
    "skip": "What was missed is not made good.",
}
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def describe_alarm(state: CronState, late_s: float) -> str:
    """A sentence for whoever can mend it; "" when all is well."""
    if not state.is_late(late_s):
        return ""
    if state.last_run is None:
        return f"Cron has never run, and the site was prepared {_describe_ago(state, state.since)}."
    return f"Cron last came to an end {_describe_ago(state, state.last_run)}."


def describe_tasks(
    tasks: Iterable[Task], pasts: Mapping[str, TaskPast], latest: Mapping[str, CronRun], now: datetime
) -> list[dict[str, Any]]:
    rows = []
    for task in tasks:
        current = pasts[task.name].current
        slot = task.schedule.slot_at(now)
        is_due = (current is None and not task.is_too_late(slot, now)) or (
            current is not None and current.status is RunStatus.RUNNING
        )
        following = slot if is_due else task.schedule.next_after(now)
        run = latest.get(task.name)
        rows.append(
            {
                "name": task.name,
                "label": task.label,
                "schedule": task.schedule.describe(),
                "policy": POLICIES[task.missed],
                "next": following,
                "next_in": "now" if is_due else f"in {_describe_time((following - now).total_seconds())}",
                "run": describe_run(run, task) if run is not None else None,
                "last_done": pasts[task.name].last_done,
            }
        )
    return rows


def describe_run(run: CronRun, task: Task | None) -> dict[str, Any]:
    """`is_by_hand`: it stands beside the slots of the task's schedule. Of a task that is gone nobody knows."""
    return {
        "status": run.status.value,
        "slot": run.slot,
        "started": run.started,
        "seconds": None if run.seconds is None else round(run.seconds, 1),
        "missed": run.missed,
        "attempt": run.attempt,
        "text": run.error or run.note,
        "is_by_hand": task is not None and task.schedule.slot_at(run.slot) != run.slot,
    }


def _describe_ago(state: CronState, moment: datetime | None) -> str:
    return f"{_describe_time((state.now - moment).total_seconds())} ago" if moment else "some time ago"


def _describe_time(seconds: float) -> str:
    for size, unit in _UNITS:
        count = int(seconds // size)
        if count >= 1:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"
