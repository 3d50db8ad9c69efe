"""Whether the kernel shows an item's fields, or leaves that to the plugin of its type."""

import pytest

from kernel.item.view import _is_shown_by_its_plugin
from kernel.item_type.model import ItemType
from kernel.plugin.model import PluginSet
from kernel.tap.registry import TapOptions, TapPlugin, TapRegistry

TERM = ItemType("term", "Term", "", "glossary", ())


@pytest.mark.parametrize(
    ("plugin", "taps", "is_shown"),
    [
        ("glossary", {"tap_item_view": TapOptions()}, True),
        ("glossary", {"tap_item_view": TapOptions(types=frozenset({"term", "blog"}))}, True),
        ("glossary", {"tap_item_view": TapOptions(types=frozenset({"blog"}))}, False),
        ("glossary", {}, False),
        ("another", {"tap_item_view": TapOptions()}, False),
    ],
)
def test_the_plugin_of_a_type_shows_it_where_its_manifest_says_so(plugin, taps, is_shown):
    registry = TapRegistry((TapPlugin(plugin, None, taps),))
    assert _is_shown_by_its_plugin(PluginSet(registry=registry), TERM) == is_shown
