"""Publishes or unpublishes many items, each with a revision of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Final
from uuid import UUID

from kernel import clock
from kernel.batch.operation import PREPARE_S, Batch, Operation, Slice
from kernel.batch.selection import Portion, Selection, begin_selection, find_change, read_visible
from kernel.db.connect import UNSTORABLE
from kernel.ids import uuid7
from kernel.item.decide import list_allowed
from kernel.item.follow_up import drop_pages, follow_up_index, follow_up_taps
from kernel.item.model import Item
from kernel.item.presave import run_presave_taps
from kernel.item.store import insert_current_revisions, lock_items, update_content, update_statuses
from kernel.item_type.load import list_item_types
from kernel.runtime import Runtime
from kernel.tap.catalogue import ITEM_UPDATE
from kernel.tap.scope import TapScope

GONE: Final = "This item was deleted meanwhile."
LOG_MESSAGES: Final[Mapping[int, str]] = {
    1: "Published together with others",
    0: "Unpublished together with others",
}


@dataclass(frozen=True, slots=True)
class _Draft:
    """An item as it will be, and the revision that it was made from."""

    number: int
    item: Item
    stored: Item

    @property
    def has_new_content(self) -> bool:
        return (self.item.title, self.item.fields) != (self.stored.title, self.stored.fields)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A slice before its transaction; by number, what is refused and why. `unchanged` have the status already."""

    portion: Portion
    drafts: list[_Draft]
    refused: dict[int, tuple[UUID, str]]
    unchanged: int


async def _work(rt: Runtime, batch: Batch, *, status: int) -> None:
    ready = await _prepare(rt, batch, status)
    refused = ready.refused
    async with batch.slice() as part:
        current = await lock_items(part.conn, [draft.item.id for draft in ready.drafts])
        standing = []
        for draft in ready.drafts:
            if current.get(draft.item.id) == draft.stored.revision_id:
                standing.append(draft)
            else:
                text = "Somebody changed this item just now." if draft.item.id in current else GONE
                refused[draft.number] = (draft.item.id, text)
        saved = await _write(batch, part, standing, refused, LOG_MESSAGES[status])
        items = [draft.item for draft in saved]
        follow_up_taps(rt.plugins.registry, part.effects, ITEM_UPDATE, items)
        changed = [draft.item for draft in saved if draft.has_new_content]
        follow_up_index(rt.plugins.registry, part.effects, changed)
        drop_pages(part.effects, items)
        for number, (item_id, message) in refused.items():
            part.refuse(number, message, ref=str(item_id))
        part.count(ready.portion.count)
        part.leave(ready.unchanged)
        part.end_at(ready.portion.next_place)


async def _prepare(rt: Runtime, batch: Batch, status: int) -> _Ready:
    """What is refused, and what is to be written; an item that has the status already is neither."""
    types = {item_type.type: item_type for item_type in await list_item_types(rt, batch.ctx)}
    refused: dict[int, tuple[UUID, str]] = {}
    drafts = []
    unchanged = 0
    ends = monotonic() + PREPARE_S
    async with TapScope(rt.plugins, batch.ctx, job_id=batch.id) as scope:
        portion = await read_visible(rt, batch, scope)
        allowed = {item.id for item in await list_allowed(scope, list(portion.items.values()), "edit")}
        for one in portion.chosen:
            stored = portion.items.get(one.id)
            if stored is None:
                refused[one.number] = (one.id, GONE)
            elif stored.id not in allowed:
                refused[one.number] = (one.id, "You may not edit this item.")
            elif stored.status == status:
                unchanged += 1
            elif message := find_change(batch, one, stored.revision_id):
                refused[one.number] = (one.id, message)
            else:
                item = replace(stored, status=status, changed=clock.now(), revision_id=uuid7())
                item, _ = await run_presave_taps(scope, types[item.type], item, "update")
                drafts.append(_Draft(one.number, item, stored))
            if monotonic() >= ends:
                portion = portion.cut_behind(one)
                break
    return _Ready(portion, drafts, refused, unchanged)


async def _write(
    batch: Batch,
    part: Slice,
    drafts: Sequence[_Draft],
    refused: dict[int, tuple[UUID, str]],
    log_message: str,
) -> list[_Draft]:
    """Those that came to stand in their rows, each with its revision."""
    saved = []
    for draft in drafts:
        try:
            if draft.has_new_content:
                async with part.conn.transaction():
                    await update_content(part.conn, [draft.item])
            saved.append(draft)
        except UNSTORABLE as error:
            refused[draft.number] = (draft.item.id, f"What plugins made of it cannot be stored: {error}.")
    items = [draft.item for draft in saved]
    await update_statuses(part.conn, items)
    await insert_current_revisions(
        part.conn,
        [item.id for item in items],
        editor_id=batch.ctx.actor.id,
        log_message=log_message,
        now=clock.now(),
    )
    return saved


PUBLISH_ITEMS: Final = Operation(
    "publish_items",
    "Publish items",
    "Publishing",
    "access content overview",
    Selection,
    begin_selection,
    partial(_work, status=1),
    takes_refused=True,
)
UNPUBLISH_ITEMS: Final = Operation(
    "unpublish_items",
    "Unpublish items",
    "Unpublishing",
    "access content overview",
    Selection,
    begin_selection,
    partial(_work, status=0),
    takes_refused=True,
)
