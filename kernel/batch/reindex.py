"""Computes the search index of every item anew, with what plugins add to it."""

from typing import Any, Final

from kernel import clock
from kernel.batch.operation import Batch, Operation
from kernel.batch.selection import Selection, begin_selection, read_portion
from kernel.batch.store import find_note, set_note
from kernel.item.index import collect_words
from kernel.item.store import update_search_vectors
from kernel.ledger.run import Finish
from kernel.runtime import Runtime
from kernel.tap.scope import TapScope

# The site variable that says when the index was last made anew, and of how many items.
LAST_REINDEX: Final = "search_last_reindex"


async def _work(rt: Runtime, batch: Batch) -> None:
    """An item that is saved meanwhile is left to its own save, which indexes it too."""
    portion = await read_portion(rt, batch)
    items = list(portion.items.values())
    async with TapScope(rt.plugins, batch.ctx) as scope:
        words, _ = await collect_words(scope, items)
    async with batch.slice() as part:
        await update_search_vectors(part.conn, items, words)
        part.count(len(portion))
        part.place, part.is_last = portion.next_place, portion.next_place is None


async def _complete(_rt: Runtime, batch: Batch, finish: Finish) -> None:
    await set_note(finish.conn, LAST_REINDEX, {"at": clock.now().isoformat(), "items": batch.done})


async def find_last_reindex(rt: Runtime) -> dict[str, Any] | None:
    """`at` and `items` of the last one that came to its end."""
    async with rt.db.acquire() as conn:
        return await find_note(conn, LAST_REINDEX)


REINDEX: Final = Operation(
    "reindex",
    "Rebuild the search index",
    "Indexing",
    "administer content",
    Selection,
    begin_selection,
    _work,
    _complete,
    changes_items=False,
)
