"""Computes the search index of every item anew, with what plugins add to it."""

from collections.abc import Sequence
from time import monotonic
from typing import Final
from uuid import UUID

from kernel.batch.operation import PREPARE_S, Batch, Operation, Slice, note_completion
from kernel.batch.selection import Chosen, Selection, begin_selection, read_portion
from kernel.db.connect import UNSTORABLE
from kernel.item.index import collect_words
from kernel.item.model import Item
from kernel.item.store import update_search_vectors
from kernel.runtime import Runtime
from kernel.tap.scope import TapScope


async def _work(rt: Runtime, batch: Batch) -> None:
    """An item that is saved meanwhile is left to its own save, which indexes it too."""
    portion = await read_portion(rt, batch)
    chosen: list[Chosen] = []
    items: list[Item] = []
    words: list[str] = []
    ends = monotonic() + PREPARE_S
    async with TapScope(rt.plugins, batch.ctx, job_id=batch.id, effects=batch.writes) as scope:
        for one in portion.chosen:
            if one.id in portion.items:
                item = portion.items[one.id]
                chosen.append(one)
                items.append(item)
                words += (await collect_words(scope, [item]))[0]
            if monotonic() >= ends:
                portion = portion.cut_behind(one)
                break
    async with batch.slice() as part:
        refused = await _update(part, items, words)
        for one in chosen:
            if one.id in refused:
                part.refuse(one.number, refused[one.id], ref=str(one.id))
        part.count(portion.count)
        part.end_at(portion.next_place)


async def _update(part: Slice, items: Sequence[Item], words: Sequence[str]) -> dict[UUID, str]:
    """All at once; one by one when one of them has more different words than an index holds. Why which were refused."""
    try:
        async with part.conn.transaction():
            await update_search_vectors(part.conn, items, words)
        return {}
    except UNSTORABLE:
        refused = {}
    for item, text in zip(items, words, strict=True):
        try:
            async with part.conn.transaction():
                await update_search_vectors(part.conn, [item], [text])
        except UNSTORABLE as error:
            refused[item.id] = f"Its words do not fit into the index: {error}."
    return refused


REINDEX: Final = Operation(
    "reindex",
    "Rebuild the search index",
    "Indexing",
    "administer content",
    Selection,
    begin_selection,
    _work,
    note_completion,
    changes_items=False,
    takes_refused=True,
)
