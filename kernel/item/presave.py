"""Lets plugins change an item before it is stored."""

from dataclasses import replace
from typing import Literal

from kernel.context import Actor
from kernel.item.model import Fields, Item
from kernel.item.values import check_values
from kernel.item_type.model import ItemType
from kernel.tap.catalogue import ITEM_PRESAVE
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope


async def run_presave_taps(
    scope: TapScope, item_type: ItemType, item: Item, op: Literal["insert", "update"]
) -> tuple[Item, list[str]]:
    """The item with the plugins' changes, and warnings: a plugin that fails, or whose change is not valid, costs a
    warning and its change, never the save."""
    if not scope.registry.is_wanted(ITEM_PRESAVE, item.type):
        return item, []
    dispatched = await dispatch(scope, ITEM_PRESAVE, item=item.as_data(), extra={"op": op})
    warnings = [f"{failure.plugin} could not take part in saving." for failure in dispatched.failures]
    for plugin, change in dispatched.answers:
        if not change:
            continue
        title = change.get("title", item.title)
        fields: Fields = {**item.fields, **change.get("fields", {})}
        # A plugin changes values on nobody's authority: it may keep a format, not choose a stronger one.
        checked = check_values(item_type, title, fields, Actor(), item.fields)
        if checked.problems:
            reasons = " ".join(checked.problems.values())
            warnings.append(f"A change by {plugin} was not accepted: {reasons}")
            continue
        item = replace(item, title=checked.title, fields=checked.fields)
    return item, warnings
