"""Publishes or unpublishes many items, each with a revision of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from uuid import UUID

from kernel import clock
from kernel.batch.operation import Batch, Operation
from kernel.batch.selection import Portion, Selection, begin_selection, find_change, read_portion
from kernel.context import Actor
from kernel.ids import uuid7
from kernel.item.access import may_change
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


async def _work(rt: Runtime, batch: Batch, *, status: int) -> None:
    portion = await read_portion(rt, batch)
    refused, drafts = _sort_out(batch, portion, status)
    drafts = await _run_presave(rt, batch, drafts)
    async with batch.slice() as part:
        current = await lock_items(part.conn, [draft.item.id for draft in drafts])
        saved = []
        for draft in drafts:
            if current.get(draft.item.id) == draft.stored.revision_id:
                saved.append(draft)
            else:
                text = "Somebody changed this item just now." if draft.item.id in current else GONE
                refused[draft.item.id] = (draft.number, text)
        items = [draft.item for draft in saved]
        changed = [draft.item for draft in saved if draft.has_new_content]
        await update_statuses(part.conn, items)
        await update_content(part.conn, changed)
        await insert_current_revisions(
            part.conn,
            [item.id for item in items],
            editor_id=batch.ctx.actor.id,
            log_message=LOG_MESSAGES[status],
            now=clock.now(),
        )
        follow_up_taps(rt.plugins.registry, part.effects, ITEM_UPDATE, items)
        follow_up_index(rt.plugins.registry, part.effects, changed)
        drop_pages(part.effects, items)
        for item_id, (number, message) in refused.items():
            part.refuse(number, message, ref=str(item_id))
        part.count(len(portion))
        part.place, part.is_last = portion.next_place, portion.next_place is None


def _sort_out(
    batch: Batch, portion: Portion, status: int
) -> tuple[dict[UUID, tuple[int, str]], list[_Draft]]:
    """What is refused, and what is to be written; an item that has the status already is neither."""
    refused: dict[UUID, tuple[int, str]] = {}
    drafts = []
    now = clock.now()
    for one in portion.chosen:
        item = portion.items.get(one.id)
        message = _find_refusal(batch.ctx.actor, item) or find_change(batch, one, item.revision_id)  # type: ignore[union-attr]  # a missing item is refused first
        if message is not None:
            refused[one.id] = (one.number, message)
        elif item is not None and item.status != status:
            changed = replace(item, status=status, changed=now, revision_id=uuid7())
            drafts.append(_Draft(one.number, changed, item))
    return refused, drafts


def _find_refusal(actor: Actor, item: Item | None) -> str | None:
    if item is None:
        return GONE
    return None if may_change(actor, item, "edit") else "You may not edit this item."


async def _run_presave(rt: Runtime, batch: Batch, drafts: list[_Draft]) -> list[_Draft]:
    types = {item_type.type: item_type for item_type in await list_item_types(rt, batch.ctx)}
    ready = []
    async with TapScope(rt.plugins, batch.ctx) as scope:
        for draft in drafts:
            item, _ = await run_presave_taps(scope, types[draft.item.type], draft.item, "update")
            ready.append(replace(draft, item=item))
    return ready


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
