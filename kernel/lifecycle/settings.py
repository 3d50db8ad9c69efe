"""Settings of a plugin, as whoever runs the site sets them: the variables that begin with its name."""

from kernel.errors import Invalid
from kernel.jobs import SetPluginSettings
from kernel.ledger.run import JobRun
from kernel.lifecycle.change import ADMINISTER_PLUGINS
from kernel.plugin.store import delete_variable, select_installed
from kernel.plugin_data.store import upsert_variable
from kernel.plugin_data.tags import name_variable_tag
from kernel.plugin_data.variable import NewVariable, read_variable
from kernel.runtime import Runtime
from kernel.sandbox.host import HostError
from kernel.user.load import load_again


async def run_set_plugin_settings(rt: Runtime, run: JobRun) -> None:
    """The work of a `set_plugin_settings` job: all of them, or none and the reasons."""
    payload: SetPluginSettings = run.payload
    actor = await load_again(rt, run.ctx.actor)
    if not actor.may(ADMINISTER_PLUGINS):
        async with run.finish() as finish:
            finish.result = {
                "outcome": "forbidden",
                "message": "You may not change the plugins of this site.",
            }
        return
    async with rt.db.acquire() as conn:
        installed = [row.name for row in await select_installed(conn)]
    try:
        check_settings(payload, installed)
        await _write(run, payload)
    except Invalid as refusal:
        async with run.finish() as finish:
            finish.result = {"outcome": "invalid", "problems": dict(refusal.problems)}
    except HostError as refusal:
        async with run.finish() as finish:
            finish.result = {"outcome": "invalid", "problems": {"": refusal.message}}


async def _write(run: JobRun, payload: SetPluginSettings) -> None:
    """Raises HostError when they would become too many, and then none is set."""
    async with run.finish() as finish:
        for name, value in payload.values.items():
            if value is None:
                await delete_variable(finish.conn, name)
            else:
                await upsert_variable(finish.conn, payload.plugin, NewVariable(name, value))
            finish.drop_tags(name_variable_tag(name))
        finish.result = {
            "outcome": "done",
            "path": f"/admin/plugins/{payload.plugin}",
            "title": payload.plugin,
        }


def check_settings(wanted: SetPluginSettings, installed: list[str]) -> None:
    """Raises Invalid with a sentence for each name that cannot be set."""
    problems = {}
    if wanted.plugin not in installed:
        problems[""] = f"The plugin '{wanted.plugin}' is not installed."
    longer = [f"{name}_" for name in installed if name.startswith(f"{wanted.plugin}_")]
    for name, value in wanted.values.items():
        if not name.startswith(f"{wanted.plugin}_") or name.startswith(tuple(longer)):
            problems[name] = f"Settings of '{wanted.plugin}' begin with {wanted.plugin}_."
            continue
        try:
            read_variable(name, value or "")
        except HostError as refusal:
            problems[name] = refusal.message
    if problems:
        raise Invalid(problems)
