"""A plugin in C, which keeps to the contract and knows nothing else: its artefact in the sandbox."""

import hashlib

import pytest

from kernel.context import Actor, Context
from kernel.ids import uuid7
from kernel.plugin.load import get_limits, load_plugins
from kernel.plugin.manifest import read_manifest
from kernel.plugin.model import Budgets
from kernel.render.tree import render_tree
from kernel.tap.catalogue import ITEM_ACCESS, ITEM_VIEW
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope
from tests.fixtures.database import ROOT
from tests.fixtures.plugins import make_item_data

FOLDER = ROOT / "tests" / "wasm" / "glance"
EDITOR = Actor(uuid7(), "ada", permissions=frozenset({"edit any blog content"}))


@pytest.fixture
async def glance(workshop):
    """With its manifest, as a site loads it."""
    manifest = read_manifest(FOLDER / "glance.info.toml", Budgets())

    async def open_component(_):
        return await workshop.sandbox.load("glance", manifest.wasm, get_limits(manifest.budgets))

    plugins = await load_plugins(open_component, [manifest])
    assert plugins.failures == ()
    return plugins


async def show(plugins, *items, actor=None):
    """The HTML of each item."""
    async with TapScope(plugins, Context(actor=actor) if actor else Context()) as scope:
        dispatched = await dispatch(scope, ITEM_VIEW, items=items)
    assert dispatched.failures == ()
    ((plugin, trees),) = dispatched.answers
    assert plugin == "glance"
    rendered = [render_tree(tree) for tree in trees]
    assert [one.complaints for one in rendered] == [() for _ in items]
    return [one.html for one in rendered]


async def test_it_shows_three_fields_of_every_item_in_one_call(glance):
    full = make_item_data(
        "T",
        field_summary='In "short" \\ <b>',
        field_body={"value": "<p>Hellö\n\t<em>you</em></p><script>x</script>", "format": "filtered_html"},
        field_reading_minutes=120,
    )
    shown, empty = await show(glance, full, make_item_data("U"))
    assert shown == (
        "<div><p>120 min read</p><p>In &quot;short&quot; \\ &lt;b&gt;</p><div><p>Hellö\n\t<em>you</em></p></div></div>"
    )
    assert empty == "<div></div>"


async def test_it_asks_the_kernel_who_may_edit(glance):
    item = make_item_data("T")
    link = f'<a href="/item/{item["id"]}/edit">Edit</a>'
    assert await show(glance, item, actor=EDITOR) == [f"<div>{link}</div>"]
    assert await show(glance, item) == ["<div></div>"]


@pytest.mark.story("5.1")
async def test_it_keeps_long_reads_from_being_deleted(glance):
    long, short = make_item_data("T", field_reading_minutes=30), make_item_data("U", field_reading_minutes=29)
    for actor, operation, expected in (
        (Actor(), "delete", ["deny", "neutral"]),
        (Actor(), "view", ["neutral", "neutral"]),
        (EDITOR, "delete", ["neutral", "neutral"]),
    ):
        async with TapScope(glance, Context(actor=actor)) as scope:
            told = await dispatch(scope, ITEM_ACCESS, items=[long, short], extra={"operation": operation})
        assert (told.failures, told.answers) == ((), (("glance", expected),))


async def test_many_and_large_items_use_its_memory_again_and_again(glance):
    items = [make_item_data(f"T{n}", field_body="x" * 20_000) for n in range(40)]
    async with TapScope(glance, Context()) as scope:
        for _ in range(20):
            dispatched = await dispatch(scope, ITEM_VIEW, items=items)
            assert dispatched.failures == ()
            assert [len(tree["body"]["#value"]) for tree in dispatched.answers[0][1]] == [20_000] * 40


async def test_a_text_that_is_too_large_for_an_answer_ends_the_call_alone(glance):
    async with TapScope(glance, Context()) as scope:
        failed = await dispatch(scope, ITEM_VIEW, items=[make_item_data("T", field_body="x" * 1_000_001)])
        (failure,) = failed.failures
        assert failure.plugin == "glance"
        assert (await dispatch(scope, ITEM_VIEW, items=[make_item_data("T")])).failures == ()


def test_the_artefact_was_made_of_this_source():
    """A compiler for C is no part of the suite: who changes the source runs build.sh and keeps what it makes."""
    made_of = (FOLDER / "glance.source").read_text().strip()
    assert hashlib.sha256((FOLDER / "glance.c").read_bytes()).hexdigest() == made_of
