"""Plugins stand after what they depend on; what cannot be put in order is told and left out."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.plugin.model import Manifest
from kernel.plugin.order import order_plugins


def make(name, *dependencies):
    return Manifest(name, "1.0.0", Path(name), dependencies=dependencies)


def names(order):
    return [manifest.name for manifest in order.manifests]


@pytest.mark.story("3.6")
def test_a_plugin_stands_after_what_it_depends_on():
    order = order_plugins([make("a", "b", "c"), make("b", "c"), make("c"), make("d")])
    assert (names(order), order.problems) == (["c", "b", "a", "d"], {})


def test_where_there_is_a_choice_names_decide():
    plugins = [make("z"), make("m"), make("a"), make("b", "z")]
    assert names(order_plugins(plugins)) == names(order_plugins(reversed(plugins))) == ["a", "m", "z", "b"]


@pytest.mark.story("3.6")
def test_a_circle_is_told_and_leaves_the_others():
    order = order_plugins([make("blog", "categories"), make("categories", "blog"), make("page")])
    assert names(order) == ["page"]
    assert order.problems == {
        "blog": "Circular dependency detected: blog → categories → blog",
        "categories": "Circular dependency detected: categories → blog → categories",
    }


@pytest.mark.story("3.6")
def test_a_missing_dependency_is_told():
    order = order_plugins([make("blog", "item")])
    assert order.problems == {"blog": "Plugin 'blog' requires 'item' which is not enabled"}


def test_who_needs_a_plugin_with_a_problem_has_one_too():
    order = order_plugins(
        [make("top", "middle"), make("middle", "gone"), make("loop", "loop2"), make("loop2", "loop"), make("x", "loop")]
    )  # fmt: skip  # one case a line
    assert names(order) == []
    assert order.problems["top"] == "Plugin 'top' requires 'middle' which cannot be loaded"
    assert order.problems["x"] == "Plugin 'x' requires 'loop' which cannot be loaded"


def test_a_broken_plugin_is_not_called_disabled():
    order = order_plugins([make("blog", "item")], broken=["item"])
    assert order.problems == {"blog": "Plugin 'blog' requires 'item' which cannot be loaded"}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25))
def test_every_plugin_is_ordered_or_told_why_not(edges):
    manifests = [make(f"p{n}", *{f"p{b}" for a, b in edges if a == n}) for n in range(8)]
    order = order_plugins(manifests)
    assert sorted([*names(order), *order.problems]) == [f"p{n}" for n in range(8)]
    for place, manifest in enumerate(order.manifests):
        assert set(manifest.dependencies) <= set(names(order)[:place])
