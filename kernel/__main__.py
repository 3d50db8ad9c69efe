"""The `trovato` command."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Any, Final

import click

from kernel.app.batches import export, import_, refresh_pages, reindex
from kernel.app.command import CommandGroup, open_config, read_server_config, with_kernel
from kernel.app.cron import cron
from kernel.app.jobs import jobs
from kernel.app.maintenance import maintenance
from kernel.app.open import open_kernel
from kernel.app.people import user
from kernel.app.plugin_commands import check, dev, new, run_tests
from kernel.app.plugin_replay import replay
from kernel.app.plugins import (
    disable,
    discard,
    enable,
    install,
    list_command,
    retry,
    set_command,
    uninstall,
    upgrade,
)
from kernel.app.prepare import build_administrator_context, build_plugins, prepare_site
from kernel.app.processes import Processes, open_listener
from kernel.app.roles import role
from kernel.config import Config, read_config
from kernel.db.migrate import pending
from kernel.demo.seed import seed_demo
from kernel.errors import Unavailable
from kernel.log import configure_logging
from kernel.runtime import Runtime

START_TIMEOUT_S: Final = 60.0


@click.group(
    cls=CommandGroup, commands=[user, role, jobs, cron, import_, export, reindex, refresh_pages, maintenance]
)
def main() -> None:
    """Trovato, a content platform. Settings come from the environment: docs/configure.md."""


@main.command()
@click.option("--no-demo", is_flag=True, help="Start with an empty site.")
def run(no_demo: bool) -> None:
    """Start a whole site: services, migrations, plugins, web and workers."""
    config = read_config(os.environ)
    # What a newcomer watches is the progress of the start, so that only what went wrong is logged beside it.
    level = os.environ.get("LOG_LEVEL", "WARNING")
    configure_logging(level, config.log_format)
    _run_until_told(_run(replace(config, log_level=level), demo=not no_demo))


@main.command()
def serve() -> None:
    """Start the web processes (WEB_PROCESSES) against your own servers."""
    config = read_server_config()
    configure_logging(config.log_level, config.log_format)
    _run_until_told(_supervise(config, web=config.web_processes, workers=0))


@main.command()
def worker() -> None:
    """Start the worker processes (WORKER_PROCESSES) against your own servers."""
    config = read_server_config()
    configure_logging(config.log_level, config.log_format)
    _run_until_told(_supervise(config, web=0, workers=config.worker_processes))


@main.command("migrate")
@click.option(
    "--check", is_flag=True, help="Only say what would be applied; exit status 1 when there is something."
)
def migrate_command(check: bool) -> None:
    """Bring the database and the plugins to this release; safe to repeat."""
    config = read_server_config()
    configure_logging(config.log_level, config.log_format)
    if check:
        names = asyncio.run(pending(config))
        click.echo("\n".join(names) or "The database is up to date.")
        raise SystemExit(1 if names else 0)
    asyncio.run(prepare_site(config, click.echo))


@main.command()
def seed() -> None:
    """Add the demo content; workers must be running."""

    async def work(rt: Runtime) -> int:
        return await seed_demo(rt, await build_administrator_context(rt), timeout_s=30)

    click.echo(f"{with_kernel(work)} demo items stand.")


@main.group(
    commands=[
        new,
        check,
        run_tests,
        dev,
        list_command,
        install,
        enable,
        disable,
        upgrade,
        uninstall,
        discard,
        retry,
        set_command,
        replay,
    ]
)
def plugin() -> None:
    """Make, check, test, build and install plugins, and see what became of them."""


@plugin.command("build")
@click.argument("names", nargs=-1)
def plugin_build(names: tuple[str, ...]) -> None:
    """Compile plugins to components; without a NAME all of them. Only what changed is built."""
    build_plugins(read_config(os.environ), click.echo, only=names)


async def _run(config: Config, *, demo: bool) -> None:
    listener = open_listener(config)  # first: a taken port is known before anything is started
    started = monotonic()

    def report(text: str) -> None:
        click.echo(f"{monotonic() - started:6.1f} s  {text}")

    async with open_config(config, report) as ready:
        login_path = (await prepare_site(ready, report)).login_path
        processes = Processes(ready, os.environ)
        processes.add_web(listener, ready.web_processes)
        processes.add_workers(ready.worker_processes)
        await processes.start()
        try:
            await _wait_until_healthy(ready)
            if demo:
                async with open_kernel(ready, role="worker", with_plugins=False) as rt:
                    count = await seed_demo(rt, await build_administrator_context(rt), timeout_s=30)
                report(f"Demo content: {count} items")
            report("Ready")
            click.echo(f"\n  Site        {ready.public_url}/")
            click.echo(f"  Log in once {ready.public_url}{login_path}\n\n  Press Ctrl-C to stop.\n")
            await asyncio.Event().wait()
        finally:
            click.echo("Stopping")
            listener.close()
            await processes.stop()


async def _supervise(config: Config, *, web: int, workers: int) -> None:
    processes = Processes(config, os.environ)
    # Held until the end: a socket that nobody refers to is closed, under the processes that were given its number.
    listener = open_listener(config) if web else None
    if listener is not None:
        processes.add_web(listener, web)
    processes.add_workers(workers)
    await processes.start()
    try:
        await asyncio.Event().wait()
    finally:
        if listener is not None:
            listener.close()
        await processes.stop()


def _run_until_told(work: Coroutine[Any, Any, None]) -> None:
    """Until it ends, or SIGINT or SIGTERM cancels it; whatever it opened is closed, also in the middle of a start."""

    async def cancellable() -> None:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(cancellable())


async def _wait_until_healthy(config: Config) -> None:
    """Raises Unavailable when the site does not answer in time."""
    deadline = monotonic() + START_TIMEOUT_S
    while monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection(config.host, config.port)
            writer.write(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
            status = await asyncio.wait_for(reader.readline(), timeout=2)
            writer.close()
            if b" 200 " in status:
                return
        except (OSError, TimeoutError):
            pass
        await asyncio.sleep(0.05)
    raise Unavailable(f"The site did not answer within {START_TIMEOUT_S:.0f} s. The lines above say why.")


if __name__ == "__main__":
    main()
