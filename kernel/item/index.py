"""Adds what plugins contribute to the search of items."""

from collections.abc import Sequence
from time import monotonic
from typing import Final

from kernel.errors import PluginError
from kernel.item.model import Item
from kernel.item.store import select_items, update_search_vectors
from kernel.item.taps import FAILURES_KEPT, PORTION, WORK_S
from kernel.jobs import IndexItem
from kernel.ledger.run import JobRun
from kernel.runtime import Runtime
from kernel.tap.catalogue import ITEM_UPDATE_INDEX
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope
from kernel.user.load import load_again

# In characters, over all plugins: PostgreSQL refuses a tsvector beyond 1 MB.
CONTRIBUTION_MAX: Final = 100_000


async def collect_words(scope: TapScope, items: Sequence[Item]) -> tuple[list[str], list[PluginError]]:
    """What plugins add to the search of each item, and who failed."""
    words: list[str] = []
    failures: list[PluginError] = []
    for item in items:
        if not scope.registry.is_wanted(ITEM_UPDATE_INDEX, item.type):
            words.append("")
            continue
        scope.turn_to(item.id)
        dispatched = await dispatch(scope, ITEM_UPDATE_INDEX, item=item.as_data())
        texts = [answer for _, answer in dispatched.answers if isinstance(answer, str)]
        words.append(" ".join(texts)[:CONTRIBUTION_MAX])
        failures += dispatched.failures
    return words, failures


async def run_index_item(rt: Runtime, run: JobRun) -> None:
    """The work of an `index_item` job: recomputed whole, so that running it again changes nothing."""
    payload: IndexItem = run.payload
    ids = payload.item_ids
    ctx = run.ctx.acting_as(await load_again(rt, run.ctx.actor))
    cursor = run.cursor or {"next": 0, "indexed": 0, "failed": []}
    ends = monotonic() + WORK_S
    while True:
        start = cursor["next"]
        async with rt.db.acquire() as conn:
            items = await select_items(conn, ids[start : start + PORTION])
        async with TapScope(rt.plugins, ctx, job_id=run.job.id, effects=run.writes) as scope:
            words, failures = await collect_words(scope, items)
        cursor = {
            "next": start + PORTION,
            "indexed": cursor["indexed"] + len(items),
            "failed": [*cursor["failed"], *(str(failure) for failure in failures)][:FAILURES_KEPT],
        }
        if cursor["next"] >= len(ids):
            break
        async with run.step() as step:
            await update_search_vectors(step.conn, items, words)
            step.cursor, step.done, step.total = cursor, cursor["next"], len(ids)
        if monotonic() > ends:
            await run.pause()
            return
    async with run.finish() as finish:
        await update_search_vectors(finish.conn, items, words)
        finish.result = {"outcome": "done", "indexed": cursor["indexed"], "failed": cursor["failed"]}
