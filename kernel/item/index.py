"""Adds what plugins contribute to the search of an item."""

from typing import Final

from kernel.item.store import select_item, update_search_vector
from kernel.jobs import IndexItem
from kernel.ledger.run import JobRun
from kernel.runtime import Runtime
from kernel.tap.catalogue import ITEM_UPDATE_INDEX
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope

# In characters, over all plugins: PostgreSQL refuses a tsvector beyond 1 MB.
CONTRIBUTION_MAX: Final = 100_000


async def run_index_item(rt: Runtime, run: JobRun) -> None:
    """The work of an `index_item` job: recomputed whole, so that running it again changes nothing."""
    payload: IndexItem = run.payload
    async with rt.db.acquire() as conn:
        item = await select_item(conn, payload.item_id)
    if item is None:
        async with run.finish() as finish:
            finish.result = {"outcome": "done", "indexed": False}
        return
    async with TapScope(rt.plugins, run.ctx) as scope:
        dispatched = await dispatch(scope, ITEM_UPDATE_INDEX, item=item.as_data())
    texts = [answer for _, answer in dispatched.answers if isinstance(answer, str)]
    async with run.finish() as finish:
        await update_search_vector(finish.conn, item, " ".join(texts)[:CONTRIBUTION_MAX])
        finish.result = {
            "outcome": "done",
            "indexed": True,
            "failed": [str(failure) for failure in dispatched.failures],
        }
