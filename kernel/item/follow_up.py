"""What follows from items that were written: plugins hear of them, search learns of them, kept pages are forgotten."""

from collections.abc import Sequence

from kernel.item.model import Item, list_tags
from kernel.jobs import INDEX_ITEM, RUN_ITEM_TAPS, IndexItem, RunItemTaps
from kernel.ledger.run import Effects
from kernel.tap.catalogue import ITEM_UPDATE_INDEX, Tap
from kernel.tap.registry import TapRegistry


def follow_up_saved(
    registry: TapRegistry, effects: Effects, tap: Tap, items: Sequence[Item], *, is_indexed: bool
) -> None:
    """One job for the plugins, and one for search unless the words of plugins are in it already."""
    follow_up_taps(registry, effects, tap, items)
    wanted = [item.id for item in items if registry.is_wanted(ITEM_UPDATE_INDEX, item.type)]
    if wanted and not is_indexed:
        effects.follow_up(INDEX_ITEM, IndexItem(wanted))


def follow_up_taps(registry: TapRegistry, effects: Effects, tap: Tap, items: Sequence[Item]) -> None:
    """For items that were deleted too."""
    wanted = [item.as_data() for item in items if registry.is_wanted(tap, item.type)]
    if wanted:
        effects.follow_up(RUN_ITEM_TAPS, RunItemTaps(tap.name, wanted))
    effects.drop_tags(*(item.tag for item in items))
    effects.drop_tags(*(tag for item_type in {item.type for item in items} for tag in list_tags(item_type)))
