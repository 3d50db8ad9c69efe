"""What follows from items that were written: plugins hear of them, search learns of them, kept pages are forgotten."""

from collections.abc import Sequence
from typing import Final

from kernel.audit.model import Entry
from kernel.item.model import Item, list_tags
from kernel.jobs import INDEX_ITEM, RUN_ITEM_TAPS, IndexItem, RunItemTaps
from kernel.ledger.run import Effects
from kernel.tap.catalogue import ITEM_DELETE, ITEM_INSERT, ITEM_UPDATE, ITEM_UPDATE_INDEX, Tap
from kernel.tap.registry import TapRegistry

# What the audit log calls a change that plugins hear of by this tap.
_ACTIONS: Final = {
    ITEM_INSERT.name: "item.create",
    ITEM_UPDATE.name: "item.change",
    ITEM_DELETE.name: "item.delete",
}


def follow_up_saved(registry: TapRegistry, effects: Effects, tap: Tap, items: Sequence[Item]) -> None:
    """For items whose content is new."""
    follow_up_taps(registry, effects, tap, items)
    follow_up_index(registry, effects, items)
    drop_pages(effects, items)


def follow_up_taps(registry: TapRegistry, effects: Effects, tap: Tap, items: Sequence[Item]) -> None:
    """One job in which the plugins hear of all of them, and an entry of the audit log for each."""
    effects.audit(*(_describe(_ACTIONS[tap.name], item) for item in items))
    wanted = [item.as_data() for item in items if registry.is_wanted(tap, item.type)]
    if wanted:
        effects.follow_up(RUN_ITEM_TAPS, RunItemTaps(tap.name, wanted))


def _describe(action: str, item: Item) -> Entry:
    details = {"type": item.type, "revision": str(item.revision_id), "published": item.status == 1}
    return Entry(action, "item", str(item.id), item.title, details)


def follow_up_index(registry: TapRegistry, effects: Effects, items: Sequence[Item]) -> None:
    """One job in which plugins add their words to the search of each."""
    wanted = [item.id for item in items if registry.is_wanted(ITEM_UPDATE_INDEX, item.type)]
    if wanted:
        effects.follow_up(INDEX_ITEM, IndexItem(wanted))


def drop_pages(effects: Effects, items: Sequence[Item]) -> None:
    """The pages of the items, and the listings that may hold one."""
    effects.drop_tags(*(item.tag for item in items))
    drop_listings(effects, items)


def drop_listings(effects: Effects, items: Sequence[Item]) -> None:
    effects.drop_tags(*(tag for item_type in {item.type for item in items} for tag in list_tags(item_type)))
