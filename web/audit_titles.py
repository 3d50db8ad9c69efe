"""Keeps from readers of the audit log what items are called that they may not see."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from kernel.audit.model import Event
from kernel.context import Actor
from kernel.db.pool import Connection
from kernel.ids import parse_uuid
from kernel.item.access import may_by_role
from kernel.item.decide import list_allowed
from kernel.item.model import Item
from kernel.item.store import select_items
from kernel.tap.scope import TapScope

# So many items plugins are asked about in one call.
AT_ONCE: Final = 100


async def hide_titles(scope: TapScope, conn: Connection, events: Sequence[Event]) -> list[Event]:
    """The events for the actor of the scope: without the title where the item is not theirs to view, or is gone. To
    administrators all are shown."""
    actor = scope.ctx.actor
    if actor.is_admin:
        return list(events)
    found = {parse_uuid(event.subject_id) for event in events if event.subject_kind == "item"}
    ids = sorted(item_id for item_id in found if item_id is not None)
    seen: dict[str, Item] = {}
    for start in range(0, len(ids), AT_ONCE):
        items = await select_items(conn, ids[start : start + AT_ONCE])
        seen |= {str(item.id): item for item in await list_allowed(scope, items, "view")}
    return [
        event
        if event.subject_kind != "item" or _may_know(actor, seen.get(event.subject_id), event)
        else replace(event, subject_label="")
        for event in events
    ]


def _may_know(actor: Actor, item: Item | None, event: Event) -> bool:
    """What a published item was called while it was a draft is for those who see drafts."""
    if item is None:
        return False
    was_shown = event.details.get("published") is True or item.title == event.subject_label
    return was_shown or may_by_role(actor, replace(item, status=0), "view")
