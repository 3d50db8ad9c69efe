"""What every command of `trovato` is made with: errors as sentences, and a kernel for as long as the command runs."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click

from kernel.app.open import open_kernel
from kernel.config import Config, read_config
from kernel.embedded.servers import EmbeddedServices
from kernel.errors import ConfigError, Invalid, TrovatoError
from kernel.log import configure_logging
from kernel.runtime import Runtime

T = TypeVar("T")


class CommandGroup(click.Group):
    """Shows our own errors as what they are, a sentence for whoever typed the command."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Invalid as error:
            raise click.ClickException("\n".join(error.problems.values())) from None
        except TrovatoError as error:
            raise click.ClickException(error.message) from None


def with_kernel(work: Callable[[Runtime], Awaitable[T]], *, with_plugins: bool = True) -> T:
    """Run something with the rights of a worker, against the servers of the environment or those of a running
    `trovato run`. What needs no plugins starts a second faster without them."""

    async def opened() -> T:
        async with open_config(read_config(os.environ), lambda _: None) as config:
            async with open_kernel(config, role="worker", with_plugins=with_plugins) as rt:
                return await work(rt)

    configure_logging("WARNING", "auto")
    return asyncio.run(opened())


def read_site_config() -> Config:
    """What the environment says, whether or not it names servers. Raises ConfigError."""
    return read_config(os.environ)


def run_python(arguments: Sequence[str], folder: Path, paths: Sequence[Path], **more: str) -> int:
    """The exit status of another Python, in that folder and with `paths` to import from; `more` is what stands in its
    environment beside ours."""
    found = os.pathsep.join([*map(str, paths), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, **more, "PYTHONPATH": found}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=False).returncode


def read_server_config() -> Config:
    """Raises ConfigError where the environment names no servers."""
    config = read_config(os.environ)
    if not config.database_url:
        raise ConfigError(
            ["Set DATABASE_URL and REDIS_URL (docs/configure.md), or use `trovato run`, which brings both."]
        )
    return config


@asynccontextmanager
async def open_config(config: Config, report: Callable[[str], None]) -> AsyncIterator[Config]:
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
