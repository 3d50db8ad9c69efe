"""`trovato plugin install|enable|disable|upgrade|uninstall|discard|retry|list`: which plugins the site runs."""

import asyncio
from collections.abc import Sequence
from typing import Final

import click

from kernel.app.command import with_kernel
from kernel.app.prepare import build_administrator_context
from kernel.errors import NotFound
from kernel.jobs import ChangePlugin, PluginOperation, SetPluginSettings
from kernel.lifecycle.ask import Answer, change_plugin, change_settings, install_source
from kernel.lifecycle.compare import list_new_wishes
from kernel.lifecycle.overview import PluginLine, find_installed, find_row, list_kept_rows, list_plugins
from kernel.lifecycle.source import Source, read_source
from kernel.plugin.model import get_ceilings
from kernel.runtime import Runtime

_STATES: Final = {"enabled": "enabled", "disabled": "disabled", "offered": "on offer", "broken": "broken"}


@click.command("list")
def list_command() -> None:
    """Show the plugins of this site, those on offer, and what is wrong with any."""

    async def work(rt: Runtime) -> Sequence[PluginLine]:
        return await list_plugins(rt)

    for line in with_kernel(work):
        version = f"{line.version} → {line.offered}" if line.offered else line.version
        click.echo(f"{line.name:<20} {version:<16} {_STATES[line.state]:<9} {line.description}")
        for problem in line.problems:
            click.echo(f"    {problem}")


@click.command()
@click.argument("name")
@click.option("--no-enable", is_flag=True, help="Install it, and leave it disabled.")
@click.option("--yes", is_flag=True, help="Approve what it asks for without being shown it.")
def install(name: str, no_enable: bool, yes: bool) -> None:
    """Install a plugin of the folder of plugins, and enable it. It shows what the plugin asks for."""
    _install(name, enables=not no_enable, approves=yes)


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Approve what it newly asks for without being shown it.")
def upgrade(name: str, yes: bool) -> None:
    """Put the version that stands in the folder of plugins in the place of the installed one."""
    _install(name, enables=True, approves=yes, is_upgrade=True)


@click.command()
@click.argument("name")
def enable(name: str) -> None:
    """Use an installed plugin."""
    _change("enable", name, "Enabled")


@click.command()
@click.argument("name")
def disable(name: str) -> None:
    """Stop using a plugin; its data stay, and it can be enabled again."""
    _change("disable", name, "Disabled")


@click.command()
@click.argument("name")
@click.option("--delete-data", is_flag=True, help="Its tables and settings go too. Items stay.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def uninstall(name: str, delete_data: bool, yes: bool) -> None:
    """Remove a plugin from the site. Its items stay, shown plainly."""

    async def look(rt: Runtime) -> Sequence[str]:
        return await list_kept_rows(rt, name)

    if not yes:
        rows = with_kernel(look, with_plugins=False)
        data = f"its settings and its tables {', '.join(rows)}" if rows else "its settings"
        going = f"{data} are {'deleted' if delete_data else 'kept'}"
        click.confirm(f"Remove '{name}'? Its items stay, {going}.", abort=True)
    _change("uninstall", name, "Removed", deletes_data=delete_data)


@click.command()
@click.argument("name")
def discard(name: str) -> None:
    """Throw away what was uploaded under this name, so that the folder of plugins counts again."""
    _change("discard", name, "Discarded the upload")


@click.command()
@click.argument("name")
def retry(name: str) -> None:
    """Call those of a plugin's taps again that were stopped, because they failed too often."""
    _change("retry", name, "Tried again from now on")


@click.command("set")
@click.argument("name")
@click.argument("setting")
@click.argument("value", required=False)
def set_command(name: str, setting: str, value: str | None) -> None:
    """Set a setting of a plugin, such as words_per_minute; without a VALUE, take it away."""
    full = setting if setting.startswith(f"{name}_") else f"{name}_{setting}"

    async def work(rt: Runtime) -> None:
        ctx = await build_administrator_context(rt)
        await change_settings(rt, ctx, SetPluginSettings(name, {full: value}))

    with_kernel(work, with_plugins=False)
    click.echo(f"{full} is {'taken away' if value is None else 'set'}.")


def _install(name: str, *, enables: bool, approves: bool, is_upgrade: bool = False) -> None:
    async def look(rt: Runtime) -> tuple[Source, tuple[str, ...]]:
        if is_upgrade and await find_row(rt, name) is None:
            raise NotFound(f"'{name}' is not installed. Install it: trovato plugin install {name}")
        source = await asyncio.to_thread(read_source, rt.config.plugins_dir, name, get_ceilings(rt.config))
        return source, list_new_wishes(await find_installed(rt, name), source.manifest)

    async def work(rt: Runtime) -> Answer:
        return await install_source(rt, await build_administrator_context(rt), source, enables=enables)

    source, wishes = with_kernel(look, with_plugins=False)
    if wishes and not approves:
        click.echo(f"{name} {source.manifest.version} asks to:")
        for wish in wishes:
            click.echo(f"  - {wish}")
        click.confirm("Allow this?", abort=True)
    answer = with_kernel(work)
    state = "" if answer.is_enabled else " (disabled)"
    _tell(answer, "Upgraded" if is_upgrade else "Installed", f"{name} {source.manifest.version}{state}")


def _change(operation: PluginOperation, name: str, done: str, *, deletes_data: bool = False) -> None:
    async def work(rt: Runtime) -> Answer:
        change = ChangePlugin(operation, name, deletes_data=deletes_data)
        return await change_plugin(rt, await build_administrator_context(rt), change)

    _tell(with_kernel(work), done, name)


def _tell(answer: Answer, done: str, what: str) -> None:
    click.echo(f"{done}: {what}")
    for note in answer.notes:
        click.echo(f"  {note}")
