"""The command that runs what is due in its own process, also where no worker runs."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import click

from kernel.app.command import with_kernel
from kernel.context import Context
from kernel.cron.request import build_cron_request
from kernel.cron.run import run_cron
from kernel.errors import Unavailable
from kernel.ids import uuid7
from kernel.jobs import RUN_CRON
from kernel.ledger.attempt import Attempts
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.submit import submit_job
from kernel.ledger.sweep import sweep
from kernel.ledger.wait import wait_for_job
from kernel.runtime import Runtime
from kernel.sandbox.selftest import self_test

HEADINGS: Final = ("task", "slot", "result", "took")
# How long to watch a run that another process is making.
WATCH_S: Final = 30.0


@click.command()
def cron() -> None:
    """Run what is due now, in this process; exit status 1 when a task failed.

    Safe to call at any time and any number of times: what was done in its slot is not done again.
    """
    job, was_there = with_kernel(_run_cron)
    if job.status is not JobStatus.DONE or job.result is None:
        if job.error:
            raise Unavailable(f"Cron could not run: {job.error['message']}")
        click.echo(f"Another run is not over yet; this one follows as job {job.id}.")
        return
    tasks: list[dict[str, Any]] = job.result["tasks"]
    if job.result["outcome"] in {"skipped", "lock-lost"}:
        click.echo("Another run holds the lock of cron; this one did not go on.")
    elif was_there:
        click.echo("This minute's run was made already.")
    elif not tasks:
        click.echo("Nothing is due.")
    if tasks:
        click.echo(_render_table(tasks))
    if any(task["status"] == "failed" for task in tasks):
        raise SystemExit(1)


async def _run_cron(rt: Runtime) -> tuple[Job, bool]:
    """The job of this minute as it ended, and whether it was there before."""
    await self_test()
    # Where no worker runs, nobody else notices that an earlier call of this command was killed.
    await sweep(rt.ledger)
    request = await build_cron_request(rt)
    ctx = Context(request_id=str(uuid7()))
    job_id = await submit_job(rt.ledger, ctx, RUN_CRON, request.payload, dedupe_key=request.dedupe_key)
    attempts = Attempts(rt.ledger, {RUN_CRON.name: (RUN_CRON, partial(run_cron, rt))})
    await attempts.make(job_id)
    job = await wait_for_job(rt.ledger, job_id, WATCH_S)
    return job, job.created < request.now


def _render_table(tasks: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            task["task"],
            task["slot"][:16].replace("T", " "),
            ": ".join(part for part in (task["status"], task["error"] or task["note"]) if part),
            f"{task['ms']} ms",
        )
        for task in tasks
    ]
    widths = [max(len(row[place]) for row in [HEADINGS, *rows]) for place in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [HEADINGS, *rows]
    )
