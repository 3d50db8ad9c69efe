"""Tells plugins that items were inserted, updated or deleted, after it happened."""

from collections.abc import Mapping
from time import monotonic
from typing import Any, Final
from uuid import UUID

from kernel.jobs import RunItemTaps
from kernel.ledger.run import JobRun
from kernel.runtime import Runtime
from kernel.tap.catalogue import Tap, get_tap
from kernel.tap.dispatch import Dispatched, dispatch
from kernel.tap.scope import TapScope
from kernel.user.load import load_again

# Items between two checkpoints, and how long an attempt goes on before it lets others have the slot.
PORTION: Final = 25
WORK_S: Final = 10.0
FAILURES_KEPT: Final = 20


async def run_item_taps(rt: Runtime, run: JobRun) -> None:
    """The work of a `run_item_taps` job. A plugin that fails is named in the result; the others still hear of it."""
    payload: RunItemTaps = run.payload
    tap, items = get_tap(payload.tap), payload.items
    cursor = run.cursor or {"next": 0, "ran": [], "failed": []}
    ends = monotonic() + WORK_S
    ctx = run.ctx.acting_as(await load_again(rt, run.ctx.actor))
    async with TapScope(rt.plugins, ctx, job_id=run.job.id, effects=run.writes) as scope:
        while True:
            start = cursor["next"]
            told = [await _tell(scope, tap, item) for item in items[start : start + PORTION]]
            ran = {plugin for dispatched in told for plugin, _ in dispatched.answers}
            failed = [str(failure) for dispatched in told for failure in dispatched.failures]
            cursor = {
                "next": start + PORTION,
                "ran": sorted({*cursor["ran"], *ran}),
                "failed": [*cursor["failed"], *failed][:FAILURES_KEPT],
            }
            if cursor["next"] >= len(items):
                break
            async with run.step() as step:
                step.cursor, step.done, step.total = cursor, cursor["next"], len(items)
            if monotonic() > ends:
                await run.pause()
                return
    async with run.finish() as finish:
        finish.result = {"outcome": "done", "ran": cursor["ran"], "failed": cursor["failed"]}


async def _tell(scope: TapScope, tap: Tap, item: Mapping[str, Any]) -> Dispatched:
    scope.turn_to(UUID(item["id"]))
    return await dispatch(scope, tap, item=item)
