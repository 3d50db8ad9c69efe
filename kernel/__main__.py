"""The `trovato` command."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import Any, Final, TypeVar

import click

from kernel import clock
from kernel.app.open import open_kernel
from kernel.app.prepare import (
    build_administrator_context,
    build_plugins,
    create_login_path,
    get_user_by_name,
    prepare_site,
)
from kernel.app.processes import Processes, child_environment, open_listener
from kernel.config import Config, read_config
from kernel.db.migrate import pending
from kernel.demo.seed import seed_demo
from kernel.embedded.servers import EmbeddedServices
from kernel.errors import ConfigError, Invalid, TrovatoError, Unavailable
from kernel.log import configure_logging
from kernel.runtime import Runtime
from kernel.user.account import create_api_token, create_user

START_TIMEOUT_S: Final = 60.0

T = TypeVar("T")


class _Command(click.Group):
    """Shows our own errors as what they are, a sentence for whoever typed the command."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Invalid as error:
            raise click.ClickException("\n".join(error.problems.values())) from None
        except TrovatoError as error:
            raise click.ClickException(error.message) from None


@click.group(cls=_Command)
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
    config = _read_server_config()
    configure_logging(config.log_level, config.log_format)
    _run_until_told(_supervise(config, web=config.web_processes, workers=0))


@main.command()
def worker() -> None:
    """Start the worker processes (WORKER_PROCESSES) against your own servers."""
    config = _read_server_config()
    configure_logging(config.log_level, config.log_format)
    _run_until_told(_supervise(config, web=0, workers=config.worker_processes))


@main.command("migrate")
@click.option(
    "--check", is_flag=True, help="Only say what would be applied; exit status 1 when there is something."
)
def migrate_command(check: bool) -> None:
    """Bring the database and the plugins to this release; safe to repeat."""
    config = _read_server_config()
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

    click.echo(f"{_with_kernel(work)} demo items stand.")


@main.group()
def plugin() -> None:
    """Build and list plugins."""


@plugin.command("build")
@click.argument("names", nargs=-1)
def plugin_build(names: tuple[str, ...]) -> None:
    """Compile plugins to components; without a NAME all of them. Only what changed is built."""
    build_plugins(read_config(os.environ), click.echo, only=names)


@plugin.command("list")
def plugin_list() -> None:
    """Show the plugins of this site and what is wrong with any."""

    async def work(rt: Runtime) -> None:
        for manifest in rt.plugins.manifests:
            click.echo(f"{manifest.name} {manifest.version}  {manifest.description}")
        for failure in rt.plugins.failures:
            click.echo(f"{failure.plugin}: {' '.join(failure.problems)}")

    _with_kernel(work)


@main.group()
def user() -> None:
    """Accounts, login links and API tokens."""


@user.command("create")
@click.argument("name")
@click.option("--mail", help="Address for messages of the site.")
@click.option("--admin", is_flag=True, help="May do everything.")
@click.password_option(help="Asked for when it is not given.")
def user_create(name: str, mail: str | None, admin: bool, password: str) -> None:
    """Make an account."""
    created = _with_kernel(
        lambda rt: create_user(rt.db, name=name, password=password, mail=mail, is_admin=admin)
    )
    click.echo(f"{created.name} {created.id}")


@user.command("login-link")
@click.argument("name", required=False)
def user_login_link(name: str | None) -> None:
    """Print an address that logs NAME (without one: the first administrator) in once."""

    async def work(rt: Runtime) -> str:
        return f"{rt.config.public_url}{await create_login_path(rt, name)}"

    click.echo(_with_kernel(work))


@user.command("token")
@click.argument("name")
@click.option("--label", default="script", show_default=True, help="What the token is for.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires; without it, never.")
def user_token(name: str, label: str, days: int | None) -> None:
    """Print a new API token with which a program acts as NAME. It is shown this once."""

    async def work(rt: Runtime) -> str:
        person = await get_user_by_name(rt, name)
        expires = clock.now() + timedelta(days=days) if days else None
        return await create_api_token(rt.db, user_id=person.id, label=label, expires=expires)

    click.echo(_with_kernel(work))


def _with_kernel(work: Callable[[Runtime], Awaitable[T]]) -> T:
    """Run something with the rights of a worker, against the servers of the environment or those of a running
    `trovato run`."""

    async def opened() -> T:
        async with _open_config(read_config(os.environ), lambda _: None) as config:
            async with open_kernel(config, role="worker") as rt:
                return await work(rt)

    configure_logging("WARNING", "auto")
    return asyncio.run(opened())


def _read_server_config() -> Config:
    config = read_config(os.environ)
    if not config.database_url:
        raise ConfigError(
            ["Set DATABASE_URL and REDIS_URL (docs/configure.md), or use `trovato run`, which brings both."]
        )
    return config


@asynccontextmanager
async def _open_config(config: Config, report: Callable[[str], None]) -> AsyncIterator[Config]:
    """The configuration with the addresses of embedded servers filled in, where it names none of its own."""
    if config.database_url:
        yield config
        return
    services = EmbeddedServices()
    try:
        urls = await services.start(config.var, report)
        yield replace(
            config,
            database_url=urls.database_url,
            database_url_worker=urls.database_url_worker,
            database_url_web=urls.database_url_web,
            redis_url=urls.redis_url,
        )
    finally:
        await services.stop()


async def _run(config: Config, *, demo: bool) -> None:
    listener = open_listener(config)  # first: a taken port is known before anything is started
    started = monotonic()

    def report(text: str) -> None:
        click.echo(f"{monotonic() - started:6.1f} s  {text}")

    async with _open_config(config, report) as ready:
        login_path = (await prepare_site(ready, report)).login_path
        processes = Processes(child_environment(ready, os.environ))
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
    processes = Processes(child_environment(config, os.environ))
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
