"""Hands what waits on a plugin's queue to the plugin."""

from typing import Final

from kernel.errors import PluginFailure, WorkFailed
from kernel.jobs import WORK_PLUGIN_QUEUE, WorkPluginQueue
from kernel.ledger.run import JobRun
from kernel.runtime import Runtime
from kernel.tap.catalogue import QUEUE_WORKER
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope
from kernel.user.load import load_again

# What another try meets again; the plugin itself has to change.
_HOPELESS: Final[frozenset[PluginFailure]] = frozenset(
    {"tap-not-implemented", "link-error", "stale-artefact", "refused-capability"}
)


class PluginAwayError(WorkFailed):
    """Nobody is there to do the work, which says nothing about the work."""

    code = "plugin-away"


async def run_plugin_queue(rt: Runtime, run: JobRun) -> None:
    """The work of a `work_plugin_queue` job, with the permissions that its actor has by now.

    Raises WorkFailed: the plugin failed, or is not there, which may be so while a release is rolled out. Raises
    LeaseLost.
    """
    work: WorkPluginQueue = run.payload
    queue = rt.plugins.registry.find_queue(work.plugin, work.queue)
    if queue is None:
        raise PluginAwayError(
            f"No plugin '{work.plugin}' with a queue '{work.queue}' is loaded. Enable it, then try this job again.",
            tries=WORK_PLUGIN_QUEUE.max_attempts,
        )
    if (run.job.error or {}).get("code") == PluginAwayError.code:
        # The tries are the plugin's, so while it was away none was used up.
        async with run.step():
            pass
    if run.failures >= queue.max_attempts:
        # Workers that died over it have counted too, and it is the plugin who says how often is enough.
        raise WorkFailed(f"It was tried {run.failures} times.", tries=queue.max_attempts)
    ctx = run.ctx.acting_as(await load_again(rt, run.ctx.actor))
    given = {
        "queue": work.queue,
        "data": work.data,
        "attempt": run.failures + 1,
        "job_id": str(run.job.id),
    }
    async with TapScope(rt.plugins, ctx, job_id=run.job.id, effects=run.writes) as scope:
        dispatched = await dispatch(
            scope, QUEUE_WORKER, extra=given, plugin=work.plugin, timeout_s=queue.timeout_s
        )
    if not dispatched.answers and not dispatched.failures:
        raise PluginAwayError(f"The plugin '{work.plugin}' is stopped.", tries=WORK_PLUGIN_QUEUE.max_attempts)
    for failure in dispatched.failures:
        if failure.reason in _HOPELESS:
            raise failure
        raise WorkFailed(failure.message, tries=queue.max_attempts, detail=failure.detail) from failure
    async with run.finish() as finish:
        finish.result = {"outcome": "done"}
