"""Gives each plugin that implements `tap_cron` its turn, as a task of its own."""

from typing import Final

from kernel.cron.schedule import EVERY_MINUTE
from kernel.cron.task import Task, Work
from kernel.cron.turn import Turn
from kernel.runtime import Runtime
from kernel.tap.catalogue import CRON
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope
from kernel.user.load import load_again

PREFIX: Final = f"{CRON.name}:"
# Beyond the time that the tap itself has: for making an instance while the machine is busy.
_SLACK_S: Final = 10.0


async def list_tap_tasks(rt: Runtime) -> list[Task]:
    """In calling order. What was missed is gone: a plugin sees by `last_run` how long ago it did something."""
    return [
        Task(
            f"{PREFIX}{implementor.plugin.name}",
            f"Plugin {implementor.plugin.name}",
            EVERY_MINUTE,
            "skip",
            CRON.timeout_s + _SLACK_S,
            _ask(implementor.plugin.name),
        )
        for implementor in rt.plugins.registry.get_implementors(CRON)
    ]


def _ask(plugin: str) -> Work:
    async def ask(rt: Runtime, turn: Turn) -> None:
        """Raises PluginError."""
        times = {
            "now": turn.now.isoformat(),
            "last_run": turn.last_run.isoformat() if turn.last_run else None,
            "slot": turn.slot.isoformat(),
        }
        ctx = turn.ctx.acting_as(await load_again(rt, turn.ctx.actor))
        async with TapScope(rt.plugins, ctx, job_id=turn.id, effects=turn.writes) as scope:
            dispatched = await dispatch(scope, CRON, plugin=plugin, extra=times)
        for failure in dispatched.failures:
            raise failure
        notes = [note for _, note in dispatched.answers if note]
        async with turn.step() as step:
            if notes:
                step.finish(" ".join(notes))
            else:
                step.finish_idle()

    return ask
