"""Puts work on a plugin's queue: a job of its own, in the group of the plugin."""

from typing import Final
from uuid import UUID

from kernel.context import Context
from kernel.errors import TooMany
from kernel.jobs import WORK_PLUGIN_QUEUE, WorkPluginQueue
from kernel.ledger.ledger import Ledger
from kernel.ledger.submit import submit_job
from kernel.plugin_queue.store import count_waiting

# Of one plugin, over all of its queues. Pushes at the same moment may pass it by a few.
WAITING_MAX: Final = 10_000


async def push_work(
    ledger: Ledger, ctx: Context, work: WorkPluginQueue, *, dedupe_key: str | None = None
) -> UUID:
    """The id of the job, on behalf of whoever asks. Raises TooMany when too much waits already, BadInput for text that
    cannot be stored."""
    async with ledger.db.acquire() as conn:
        waiting = await count_waiting(conn, work.plugin, WAITING_MAX)
    if waiting >= WAITING_MAX:
        raise TooMany(f"{WAITING_MAX:,} pieces of work wait on the queues of the plugin '{work.plugin}'.")
    return await submit_job(ledger, ctx, WORK_PLUGIN_QUEUE, work, dedupe_key=dedupe_key, group=work.plugin)
