"""Starts a batch: a job, with its input in the transaction that inserts it."""

from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from typing import Any
from uuid import UUID

from kernel.batch.earlier import get_own_earlier
from kernel.batch.operation import Operation
from kernel.batch.store import insert_input
from kernel.context import Context
from kernel.errors import Conflict
from kernel.item.load import refuse
from kernel.jobs import RUN_BATCH, RunBatch
from kernel.ledger.submit import submit_job
from kernel.names import LIVE
from kernel.runtime import Runtime


async def start_batch(
    rt: Runtime,
    ctx: Context,
    operation: Operation,
    arguments: Any,
    *,
    chunks: Iterable[str] = (),
    dedupe_key: str | None = None,
) -> UUID:
    """The id of its job. `chunks` is the input, whole lines in each, read while it is stored.

    Raises Forbidden or LoginRequired, Conflict in a stage where the operation is not possible. Of arguments that name
    an earlier batch: NotFound when it is gone or somebody else's, Conflict when it is not over or did something else.
    """
    if not ctx.actor.may(operation.permission):
        refuse(ctx, "You do not have permission to do this.")
    if operation.changes_items and ctx.stage_id != LIVE:
        raise Conflict("Items are changed on the live site in this version. Switch the stage to Live first.")
    if not isinstance(arguments, operation.arguments):
        raise TypeError(f"{operation.name} takes {operation.arguments.__name__}")
    if (earlier_id := getattr(arguments, "retry_of", None)) is not None:
        earlier = await get_own_earlier(rt, ctx, earlier_id)
        if earlier.operation != operation.name or not operation.takes_refused:
            raise Conflict(f"What that batch refused cannot be tried again by this: {operation.label}.")
    return await submit_job(
        rt.ledger,
        ctx,
        RUN_BATCH,
        RunBatch(operation.name, asdict(arguments)),  # type: ignore[call-overload]  # an instance of a dataclass
        dedupe_key=dedupe_key,
        also=partial(insert_input, chunks=chunks),
    )
