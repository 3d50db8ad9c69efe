"""The commands about jobs: what waits, what went wrong, once more, never mind."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import click
import orjson

from kernel import clock
from kernel.app.command import with_kernel
from kernel.errors import NotFound
from kernel.jobs import JOB_KINDS
from kernel.ledger.cancel import cancel_job, retry_job
from kernel.ledger.ledger import Ledger
from kernel.ledger.lists import ATTENTION, WINDOW, JobFilter, JobLine, JobPage, list_jobs
from kernel.ledger.model import UNFINISHED, Job, JobStatus
from kernel.ledger.store import find_job
from kernel.ledger.wait import wait_for_job
from kernel.runtime import Runtime

STATUSES: Final = {
    "unfinished": UNFINISHED,
    "attention": ATTENTION,
    **{status.value: frozenset({status}) for status in JobStatus},
}
HEADINGS: Final = ("id", "kind", "status", "turns", "asked for", "took", "by")
# What a person reads; a payload may hold content, and stays in the row.
SHOWN: Final = (
    "id",
    "kind",
    "status",
    "actor_id",
    "stage_id",
    "request_id",
    "parent_id",
    "group_key",
    "created",
    "run_at",
    "started",
    "finished",
    "attempts",
    "failures",
    "cancel_requested",
    "progress_done",
    "progress_total",
    "progress_note",
    "result",
    "error",
)
# How long a command watches a running job that it has cancelled.
WATCH_S: Final = 5.0

IDS: Final = click.argument("ids", metavar="ID...", nargs=-1, required=True, type=click.UUID)
AS_JSON: Final = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group()
def jobs() -> None:
    """Jobs of the ledger: look at them, try them again, cancel them."""


@jobs.command("list")
@click.option("--status", type=click.Choice(list(STATUSES)), help="Only these; `attention`: failed and dead.")
@click.option("--kind", type=click.Choice(sorted(JOB_KINDS)), help="Only of this kind.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The newest so many."
)
@AS_JSON
def jobs_list(status: str | None, kind: str | None, limit: int, as_json: bool) -> None:
    """Show jobs, the newest first."""
    wanted = JobFilter(statuses=STATUSES[status] if status else (), kind=kind or "")

    async def work(rt: Runtime) -> JobPage:
        async with rt.db.acquire() as conn:
            return await list_jobs(conn, wanted, limit)

    page = with_kernel(work, with_plugins=False)
    lines = page.lines
    if as_json:
        for line in lines:
            click.echo(orjson.dumps(line))
    elif lines:
        _show_table(
            [HEADINGS, *(_describe_line(line) for line in lines)], [None, *(line.error for line in lines)]
        )
    elif not page.is_cut:
        click.echo("There are no such jobs." if status or kind else "There are no jobs.")
    if page.is_cut:
        found = "no more" if lines else "none"
        click.echo(
            f"There are {found} among the newest {WINDOW:,} jobs; older ones were not looked at.", err=True
        )


@jobs.command("show")
@click.argument("job_id", metavar="ID", type=click.UUID)
@AS_JSON
def jobs_show(job_id: UUID, as_json: bool) -> None:
    """Show everything about one job but its payload."""

    async def work(rt: Runtime) -> Job:
        return await _get_job(rt.ledger, job_id)

    job = with_kernel(work, with_plugins=False)
    shown = {name: getattr(job, name) for name in SHOWN}
    if as_json:
        click.echo(orjson.dumps(shown))
        return
    for name, value in shown.items():
        if value not in (None, ""):
            click.echo(f"{name.replace('_', ' '):<16}{_show_value(value)}")


@jobs.command("retry")
@IDS
def jobs_retry(ids: tuple[UUID, ...]) -> None:
    """Give jobs that failed or were given up all their tries again."""

    async def retry(ledger: Ledger, job: Job) -> str:
        if await retry_job(ledger, job.id):
            return "is tried again"
        now = await _get_job(ledger, job.id)
        return f"is {now.status} and was left alone: only failed and dead jobs are tried again"

    _do_with_each(ids, retry)


@jobs.command("cancel")
@IDS
def jobs_cancel(ids: tuple[UUID, ...]) -> None:
    """Cancel jobs that wait or run."""

    async def cancel(ledger: Ledger, job: Job) -> str:
        if not await cancel_job(ledger, job.id):
            now = await _get_job(ledger, job.id)
            return f"is {now.status} already and was left alone"
        now = await wait_for_job(ledger, job.id, WATCH_S)
        if now.status is JobStatus.CANCELLED:
            return "is cancelled"
        return f"is {now.status}" if now.is_finished else "will be cancelled as soon as a worker meets it"

    _do_with_each(ids, cancel)


def _do_with_each(ids: Sequence[UUID], act: Callable[[Ledger, Job], Awaitable[str]]) -> None:
    """A line about each; the exit status is 1 when one of them does not exist."""

    async def work(rt: Runtime) -> bool:
        is_complete = True
        for job_id in ids:
            try:
                happened = await act(rt.ledger, await _get_job(rt.ledger, job_id))
            except NotFound as error:
                click.echo(error.message, err=True)
                is_complete = False
            else:
                click.echo(f"{job_id} {happened}.")
        return is_complete

    if not with_kernel(work, with_plugins=False):
        raise SystemExit(1)


async def _get_job(ledger: Ledger, job_id: UUID) -> Job:
    """Raises NotFound."""
    async with ledger.db.acquire() as conn:
        job = await find_job(conn, job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job


def _describe_line(line: JobLine) -> tuple[str, ...]:
    return (
        str(line.id),
        line.kind,
        line.status.value,
        str(line.attempts),
        f"{line.created:%Y-%m-%d %H:%M:%S}",
        _took(line.started, line.finished),
        line.actor_name or "a visitor",
    )


def _took(started: datetime | None, finished: datetime | None) -> str:
    return f"{((finished or clock.now()) - started).total_seconds():.1f} s" if started else "-"


def _show_table(rows: Sequence[tuple[str, ...]], notes: Sequence[str | None]) -> None:
    """Columns as wide as they need to be; a note stands in a line of its own below its row."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row, note in zip(rows, notes, strict=True):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if note:
            click.echo(f"{'':<{widths[0]}}  {note}")


def _show_value(value: Any) -> str:
    match value:
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case dict():
            return orjson.dumps(value).decode()
        case _:
            return str(value)
