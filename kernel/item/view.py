"""Makes the render trees of items: what plugins answer, or the plain fields where no plugin shows the type."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from kernel.context import Context
from kernel.errors import PluginError
from kernel.item.model import Item
from kernel.item_type.load import get_item_type
from kernel.item_type.model import FieldDefinition, ItemType
from kernel.plugin.model import PluginSet
from kernel.runtime import Runtime
from kernel.tap.catalogue import ITEM_VIEW
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ItemView:
    """`parts` in the order of the plugins' weights, each with the plugin it comes from; "" is the kernel."""

    item: Item
    item_type: ItemType
    parts: tuple[tuple[str, Tree], ...]


async def view_items(
    rt: Runtime, ctx: Context, scope: TapScope, items: Sequence[Item]
) -> tuple[list[ItemView], tuple[PluginError, ...]]:
    """One batched call per plugin. A plugin that fails is missing from the views and stands in the failures."""
    if not items:
        return [], ()
    dispatched = await dispatch(scope, ITEM_VIEW, items=[item.as_data() for item in items])
    parts: list[list[tuple[str, Tree]]] = [[] for _ in items]
    for plugin, answer in dispatched.answers:
        for index, tree in enumerate(answer):
            if tree is not None:
                parts[index].append((plugin, tree))
    views = []
    for item, own_parts in zip(items, parts, strict=True):
        item_type = await get_item_type(rt, ctx, item.type)
        if not _is_shown_by_its_plugin(rt.plugins, item_type):
            own_parts.insert(0, ("", view_fields(item_type, item)))
        views.append(ItemView(item, item_type, tuple(own_parts)))
    return views, dispatched.failures


def _is_shown_by_its_plugin(plugins: PluginSet, item_type: ItemType) -> bool:
    """Decided by who is enabled and not by who answered, so that a failing plugin does not change the layout."""
    return any(
        implementor.plugin.name == item_type.plugin and implementor.wants(item_type.type)
        for implementor in plugins.registry.get_implementors(ITEM_VIEW)
    )


def view_fields(item_type: ItemType, item: Item) -> Tree:
    """Every field with a value, in the order of the type."""
    tree: Tree = {"#type": "container", "#attributes": {"class": ["item-fields"]}}
    for weight, definition in enumerate(item_type.fields):
        value = item.value(definition.name)
        if value is not None:
            tree[definition.name] = {
                **_view_field(definition, item.fields[definition.name]),
                "#weight": weight,
            }
    return tree


def _view_field(definition: FieldDefinition, field: dict[str, Any]) -> Tree:
    if definition.kind == "text_long":
        return {
            "#type": "markup",
            "#tag": "div",
            "#value": field["value"],
            "#format": field.get("format", "plain_text"),
        }
    text = str(field["value"])
    if definition.kind == "boolean":
        text = "Yes" if field["value"] else "No"
    if definition.kind == "date":
        day = date.fromisoformat(text)
        text = f"{day.day} {day:%B %Y}"
    return {
        "#type": "container",
        "#attributes": {"class": ["item-field"]},
        "label": {"#type": "markup", "#tag": "strong", "#value": definition.label, "#weight": 0},
        "value": {"#type": "markup", "#tag": "span", "#value": text, "#weight": 1},
    }
