"""Implementors stand by weight, equal ones in loading order; a contradictory tap cannot be declared."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from kernel.tap.catalogue import ITEM_PRESAVE, ITEM_VIEW, MENU, PAGE, TAPS, find_tap, get_tap
from kernel.tap.registry import TapOptions, TapPlugin, TapRegistry


def make_plugin(name, **taps):
    # Sorting asks nothing of a component, and these are never called.
    return TapPlugin(name, None, {f"tap_{tap}": TapOptions(weight=weight) for tap, weight in taps.items()})


@pytest.mark.story("3.7")
def test_implementors_are_sorted_by_weight_and_equal_ones_stay_in_loading_order():
    registry = TapRegistry(
        (
            make_plugin("base", item_view=0),
            make_plugin("heavy", item_view=10),
            make_plugin("needs_base", item_view=0),
            make_plugin("light", item_view=-10),
            make_plugin("silent", menu=0),
        )
    )
    found = registry.get_implementors(get_tap("tap_item_view"))
    assert [implementor.plugin.name for implementor in found] == ["light", "base", "needs_base", "heavy"]
    assert registry.get_implementors(PAGE) == ()


def test_the_registry_knows_its_plugins():
    registry = TapRegistry((make_plugin("blog", menu=0),))
    assert registry.has_plugin("blog")
    assert not registry.has_plugin("page")
    assert [implementor.plugin.name for implementor in registry.get_implementors(MENU)] == ["blog"]


def test_what_was_answered_while_a_plugin_was_missing_is_looked_for_elsewhere():
    blog = TapPlugin("blog", SimpleNamespace(sha256="0" * 64), {"tap_item_view": TapOptions()})
    ((first,), (again,), (alone,)) = (
        TapRegistry((blog,), absent=absent).get_implementors(ITEM_VIEW)
        for absent in ({}, {}, {"page": {"tap_menu": TapOptions()}})
    )
    assert first.fingerprint == again.fingerprint != alone.fingerprint


def test_every_tap_is_found_by_its_name_and_no_other():
    assert {tap.name: find_tap(tap.name) for tap in TAPS} == {tap.name: tap for tap in TAPS}
    assert find_tap("tap_nothing") is None
    with pytest.raises(KeyError):
        get_tap("tap_nothing")


@pytest.mark.parametrize(
    ("tap", "changes", "reason"),
    [
        pytest.param(ITEM_VIEW, {"name": "item_view"}, "starts with tap_", id="name"),
        pytest.param(ITEM_PRESAVE, {"payload": "items"}, "only changes of one item", id="many-changes"),
        pytest.param(ITEM_PRESAVE, {"where": "request"}, "a request cannot write", id="change-in-a-request"),
        pytest.param(PAGE, {"combine": "collect"}, "values are for one plugin", id="page-of-everybody"),
        pytest.param(
            MENU, {"combine": "one"}, "one plugin is handed values", id="one-that-is-handed-nothing"
        ),
    ],
)
def test_a_tap_that_contradicts_itself_cannot_be_declared(tap, changes, reason):
    with pytest.raises(ValueError, match=reason):
        replace(tap, **changes)


def test_background_taps_have_more_time():
    assert (ITEM_VIEW.cpu_ms, ITEM_VIEW.timeout_s) == (None, 5.0)
    assert (ITEM_PRESAVE.cpu_ms, ITEM_PRESAVE.timeout_s) == (1_000.0, 20.0)
    assert ITEM_VIEW.signature == "item_view(item, ctx)"
