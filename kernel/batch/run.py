"""Does a batch: slice after slice until it is over, giving others a turn now and then."""

from time import monotonic
from typing import Any, Final

from kernel.batch.operation import Batch, Operation
from kernel.batch.operations import get_operation
from kernel.jobs import RunBatch
from kernel.ledger.payload import decode_payload
from kernel.ledger.run import JobRun
from kernel.names import LIVE
from kernel.runtime import Runtime
from kernel.user.load import load_again

# So long an attempt goes on before it lets others have the slot.
TURN_S: Final = 10.0


async def run_batch(rt: Runtime, run: JobRun) -> None:
    """The work of a `run_batch` job."""
    payload: RunBatch = run.payload
    operation = get_operation(payload.operation)
    arguments = decode_payload(operation.arguments, payload.arguments)
    ctx = run.ctx.acting_as(await load_again(rt, run.ctx.actor))
    batch = Batch(run, operation, ctx, arguments)
    refusal = _find_refusal(operation, batch)
    if refusal is not None:
        async with run.finish() as finish:
            finish.result = {**_describe(batch), **refusal}
        return
    if not batch.has_begun:
        beginning = await operation.begin(rt, batch)
        async with batch.slice() as part:
            part.step.total, part.place = beginning.total, beginning.place
    turn_ends = monotonic() + TURN_S
    while not batch.is_over:
        await operation.work(rt, batch)
        if not batch.is_over and monotonic() >= turn_ends:
            await run.pause()
            return
    async with run.finish() as finish:
        finish.result = {**_describe(batch), "outcome": "done"}
        await operation.complete(rt, batch, finish)


def _find_refusal(operation: Operation, batch: Batch) -> dict[str, Any] | None:
    ctx = batch.ctx
    if not ctx.actor.may(operation.permission):
        return {"outcome": "forbidden", "message": f"You may not do this any more: {operation.label}."}
    if operation.changes_items and ctx.stage_id != LIVE:
        message = (
            "Items are changed on the live site in this version. Switch the stage to Live, then start again."
        )
        return {"outcome": "invalid", "message": message}
    return None


def _describe(batch: Batch) -> dict[str, Any]:
    return {
        "title": batch.operation.label,
        "path": f"/batch/{batch.id}",
        "done": batch.done - batch.refused,
        "refused": batch.refused,
        "unchanged": batch.unchanged,
    }
