"""The commands of `trovato plugin` for authors: make a plugin, check it, run its own tests, develop it."""

import asyncio
import signal
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from kernel.app.command import read_site_config, run_python, with_kernel
from kernel.app.plugin_check import check_plugin, describe_artefact, find_plugin_folder
from kernel.app.plugin_new import make_plugin
from kernel.app.plugin_watch import watch_plugin
from kernel.app.prepare import build_administrator_context
from kernel.errors import NotFound
from kernel.plugin.model import get_ceilings
from kernel.runtime import Runtime
from kernel.sandbox.build import SDK_FOLDER


@click.command("new")
@click.argument("name")
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), help="Another folder than the site's."
)
def new(name: str, into: Path | None) -> None:
    """Make a plugin that works before anything in it is changed."""
    folder = make_plugin(into or read_site_config().plugins_dir, name)
    click.echo(f"{folder} is made. Next: trovato plugin test {folder if into else name}")


@click.command("check")
@click.argument("place", metavar="NAME|FOLDER")
def check(place: str) -> None:
    """Say what is wrong with a plugin, without building or running it."""
    config = read_site_config()
    folder = find_plugin_folder(config.plugins_dir, place)
    checked = check_plugin(folder, get_ceilings(config))
    for problem in checked.problems:
        click.echo(problem)
    artefact: Sequence[str] = ()
    if checked.manifest is not None:
        artefact = describe_artefact(config, checked.manifest)
    for line in artefact:
        click.echo(line)
    if checked.problems:
        count = len(checked.problems)
        raise click.ClickException(f"{checked.name}: {count} problem{'s' if count > 1 else ''}.")
    click.echo(f"{checked.name}: manifest and source are in order.")


@click.command("test", context_settings={"ignore_unknown_options": True})
@click.argument("place", metavar="NAME|FOLDER")
@click.argument("pytest_options", nargs=-1, type=click.UNPROCESSED)
def run_tests(place: str, pytest_options: tuple[str, ...]) -> None:
    """Run a plugin's own tests in an ordinary Python; more options go to pytest."""
    folder = find_plugin_folder(read_site_config().plugins_dir, place)
    if find_spec("pytest") is None:
        raise click.ClickException("pytest is not installed. Install it: pip install pytest")
    tests = folder / "tests"
    if not tests.is_dir():
        raise NotFound(f"{tests} is not there. Put tests into it, in files called test_….py")
    # Nothing of a project around the plugin's folder shall decide how its tests run, nor what else pytest finds here.
    command = ["-m", "pytest", "-c", "/dev/null", "--rootdir", str(folder), "-p", "no:cacheprovider"]
    status = run_python(
        [*command, *pytest_options, str(tests)],
        folder,
        [folder, SDK_FOLDER],
        PYTHONDONTWRITEBYTECODE="1",
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    raise SystemExit(status)


@click.command()
@click.argument("name")
def dev(name: str) -> None:
    """Watch a plugin: each save is checked, built and in effect on the running site. It is installed for that, with
    everything that its manifest asks for. Ctrl-C ends it."""
    folder = find_plugin_folder(read_site_config().plugins_dir, name)

    async def work(rt: Runtime) -> None:
        if folder.parent != rt.config.plugins_dir.resolve():
            raise NotFound(
                f"{folder} is not among the plugins of the site, which are in {rt.config.plugins_dir}."
            )
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

        def report(text: str) -> None:
            # Ctrl-C also reaches a build that is running, whose end is no news then.
            if not stop.is_set():
                click.echo(text)

        report(f"Watching {folder}. Press Ctrl-C to stop.")
        await watch_plugin(rt, await build_administrator_context(rt), folder.name, report, stop)
        click.echo("Stopped.")

    with_kernel(work)
