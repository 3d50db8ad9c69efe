"""Tells plugins that an item was inserted, updated or deleted, after it happened."""

from kernel.jobs import RunItemTaps
from kernel.ledger.run import JobRun
from kernel.runtime import Runtime
from kernel.tap.catalogue import get_tap
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope


async def run_item_taps(rt: Runtime, run: JobRun) -> None:
    """The work of a `run_item_taps` job. A plugin that fails is named in the result; the others still hear of it."""
    payload: RunItemTaps = run.payload
    async with TapScope(rt.plugins, run.ctx) as scope:
        dispatched = await dispatch(scope, get_tap(payload.tap), item=payload.item)
    async with run.finish() as finish:
        finish.result = {
            "outcome": "done",
            "ran": [plugin for plugin, _ in dispatched.answers],
            "failed": [str(failure) for failure in dispatched.failures],
        }
