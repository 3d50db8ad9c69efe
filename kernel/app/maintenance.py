"""The command that closes the site to visitors and opens it again, also where no worker runs."""

from functools import partial
from typing import Final

import click

from kernel.app.command import with_kernel
from kernel.app.prepare import build_administrator_context
from kernel.errors import Invalid, Unavailable
from kernel.ledger.attempt import Attempts
from kernel.ledger.model import JobStatus
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.maintenance.change import run_set_maintenance
from kernel.maintenance.load import load_maintenance
from kernel.runtime import Runtime
from kernel.site_jobs import SET_MAINTENANCE, SetMaintenance

# How long a worker may take who was faster than this command.
WAIT_S: Final = 10.0


@click.group()
def maintenance() -> None:
    """Close the site to visitors while somebody works on it. Who administers it goes on."""


@maintenance.command("on")
@click.option("--message", default="", help="What visitors are told.")
def maintenance_on(message: str) -> None:
    """Tell visitors to come back later (503)."""
    with_kernel(lambda rt: _set(rt, SetMaintenance(True, message)), with_plugins=False)
    click.echo("The site is closed to visitors. Open it again: trovato maintenance off")


@maintenance.command("off")
def maintenance_off() -> None:
    """Let visitors in again."""
    with_kernel(lambda rt: _set(rt, SetMaintenance(False)), with_plugins=False)
    click.echo("The site is open.")


@maintenance.command("status")
def maintenance_status() -> None:
    """Say whether the site is closed."""
    state = with_kernel(load_maintenance, with_plugins=False)
    click.echo(f"Closed: {state.message}" if state.is_on else "Open")


async def _set(rt: Runtime, wanted: SetMaintenance) -> None:
    """Raises Invalid, Unavailable."""
    ctx = await build_administrator_context(rt)
    job_id = await submit_job(rt.ledger, ctx, SET_MAINTENANCE, wanted)
    work = {SET_MAINTENANCE.name: (SET_MAINTENANCE, partial(run_set_maintenance, rt))}
    await Attempts(rt.ledger, work).make(job_id)
    job = await wait_for_job(rt.ledger, job_id, WAIT_S)
    if job.status is not JobStatus.DONE or job.result is None:
        raise Unavailable(f"Nothing was changed; the reason is kept with job {job_id}.")
    if job.result["outcome"] != "done":
        raise Invalid(job.result.get("problems", {}))
