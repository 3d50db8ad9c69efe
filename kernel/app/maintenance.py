"""The command that closes the site to visitors and opens it again, also where no worker runs."""

import click

from kernel.app.command import with_kernel
from kernel.app.own_job import do_own_job
from kernel.maintenance.change import run_set_maintenance
from kernel.maintenance.load import load_maintenance
from kernel.runtime import Runtime
from kernel.site_jobs import SET_MAINTENANCE, SetMaintenance


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
    await do_own_job(rt, SET_MAINTENANCE, wanted, run_set_maintenance)
