"""Decisions about access: how answers are weighed, how often plugins are asked, and what a failure means."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from kernel.context import Actor, Context
from kernel.item.access import Verdict, is_granted, may_by_role, weigh
from kernel.item.decide import decide_access, list_allowed
from kernel.names import EVERYTHING
from kernel.plugin.model import PluginSet
from kernel.tap.registry import TapOptions, TapPlugin, TapRegistry
from kernel.tap.scope import TapScope
from tests.fixtures.access import AUTHOR, make_item

READER = Actor(id=AUTHOR, permissions=frozenset({"access content"}))
OPTIONS = TapOptions(fields=frozenset())


def open_scope(*plugins, actor=READER, absent=None):
    return TapScope(PluginSet(registry=TapRegistry(plugins, absent=absent or {})), Context(actor=actor))


def count_calls(plugin):
    tally, _ = plugin.watch.take()
    return tally[plugin.name, "tap_item_access", "calls"]


async def titles(scope, items, operation="view"):
    return [item.title for item in await list_allowed(scope, items, operation)]


@pytest.mark.story("5.2")
@pytest.mark.parametrize(
    ("answers", "allowed"),
    [
        (["deny"], False),
        (["grant"], True),
        (["neutral"], False),
        ([], False),
        (["grant", "deny"], False),
        (["deny", "grant"], False),
        (["neutral", "grant", "neutral"], True),
        (["neutral", "deny"], False),
    ],
)
def test_deny_wins_then_a_grant_then_roles(answers, allowed):
    verdicts = [Verdict(f"p{number}", answer) for number, answer in enumerate(answers)]
    assert is_granted(weigh(READER, make_item("x", author=False), "edit", verdicts)) is allowed
    # Where roles allow it, only a Deny changes that; administrators are not asked about.
    chief = replace(READER, permissions=READER.permissions | {"edit any page content"})
    assert is_granted(weigh(chief, make_item("x"), "edit", verdicts)) is ("deny" not in answers)
    assert is_granted(weigh(Actor(is_admin=True), make_item("x"), "edit", verdicts))


@pytest.mark.story("5.3")
@pytest.mark.parametrize("operation", ["edit", "delete"])
@pytest.mark.parametrize(
    ("right", "own", "others"),
    [
        ("own page", True, False),
        ("any page", True, True),
        ("own blog", False, False),
        ("any blog", False, False),
    ],
)
def test_own_and_any_are_of_a_type_and_an_operation(operation, right, own, others):
    actor = replace(READER, permissions=frozenset({f"{operation} {right} content"}))
    assert may_by_role(actor, make_item("x"), operation) is own
    assert may_by_role(actor, make_item("x", author=False), operation) is others
    assert not may_by_role(actor, make_item("x"), "delete" if operation == "edit" else "edit")


@pytest.mark.story("5.4")
def test_drafts_are_for_their_authors_and_those_who_may_see_them():
    draft, strange = make_item("draft"), make_item("draft", author=False)
    chief = replace(READER, permissions=READER.permissions | {"view unpublished content"})
    nobody = Actor(permissions=READER.permissions)
    assert [may_by_role(actor, draft, "view") for actor in (READER, chief, nobody)] == [True, True, False]
    assert [may_by_role(actor, strange, "view") for actor in (READER, chief, nobody)] == [False, True, False]
    # What nobody wrote is no stranger's own.
    assert not may_by_role(nobody, replace(draft, author_id=nobody.id), "view")
    # Without the permission for all content even an author sees none.
    assert not may_by_role(replace(READER, permissions=frozenset()), draft, "view")


async def test_each_plugin_is_asked_once_about_all_items_of_a_page(workshop):
    first = await workshop.load("first", item_access=replace(OPTIONS, weight=-1))
    second = await workshop.load("second", item_access=OPTIONS)
    items = [make_item(f"{number}") for number in range(24)] + [make_item("deny-view")]
    async with open_scope(first, second) as scope:
        shown = await titles(scope, items)
        assert shown == [f"{number}" for number in range(24)]
        assert (count_calls(first), count_calls(second)) == (1, 1)
        # Within a request nobody is asked again, however the items are put together.
        assert await titles(scope, items[:3]) == ["0", "1", "2"]
        assert (count_calls(first), count_calls(second)) == (0, 0)
        assert await titles(scope, items, "edit") == []
        assert (count_calls(first), count_calls(second)) == (1, 1)


async def test_about_what_one_denies_no_other_is_asked(workshop):
    first = await workshop.load("first", item_access=replace(OPTIONS, weight=-1))
    second = await workshop.load("second", item_access=OPTIONS)
    async with open_scope(first, second) as scope:
        (decision,) = await decide_access(scope, [make_item("deny-view")], "view")
        assert [step.plugin for step in decision.steps] == ["first", ""]
    assert (count_calls(first), count_calls(second)) == (1, 0)


async def test_plugins_are_asked_about_their_types_alone_and_never_about_administrators(workshop):
    probe = await workshop.load("probe", item_access=replace(OPTIONS, types=frozenset({"blog"})))
    async with open_scope(probe) as scope:
        assert await titles(scope, [make_item("deny-view")]) == ["deny-view"]
    async with open_scope(probe, actor=Actor(is_admin=True)) as scope:
        assert await titles(scope, [make_item("deny-view", item_type="blog")]) == ["deny-view"]
    assert count_calls(probe) == 0
    async with open_scope(probe) as scope:
        assert await titles(scope, [make_item("deny-view", item_type="blog")]) == []
    assert count_calls(probe) == 1


async def test_one_that_cannot_answer_denies_and_nothing_of_it_is_kept(workshop):
    probe = await workshop.load("probe", item_access=OPTIONS)
    async with open_scope(probe) as scope:
        (decision,) = await decide_access(scope, [make_item("break-view")], "view")
        assert (decision.steps[0].plugin, decision.steps[0].says) == ("probe", "deny")
        assert scope.witness.record.obstacle == "a plugin that decides about access failed"
    _, (failure,) = probe.watch.take()
    assert (failure.plugin, failure.tap) == ("probe", "tap_item_access")
    stopped = replace(probe, stopped=frozenset({"tap_item_access"}))
    away = {"lost": {"tap_item_access": OPTIONS}}
    for scope in (open_scope(stopped), open_scope(absent=away)):
        async with scope:
            assert await titles(scope, [make_item("x")]) == []
            assert scope.witness.record.obstacle
    assert count_calls(probe) == 0


async def test_what_a_decision_depends_on_is_known(workshop):
    probe = await workshop.load("probe", item_access=OPTIONS)
    plain, personal = make_item("x"), make_item("for-strangers")
    async with open_scope(probe) as scope:
        (decision,) = await decide_access(scope, [plain], "view")
        assert decision.record.tags == {plain.tag}
        assert decision.record.permissions == {"access content": True, EVERYTHING: False}
        assert not decision.record.has_user
        assert not await titles(scope, [personal])
        assert scope.witness.record.has_user
        assert {plain.tag, personal.tag} <= scope.witness.record.tags
    # An administrator is not asked about, which is another answer to the same question.
    async with open_scope(probe, actor=Actor(is_admin=True)) as scope:
        (decision,) = await decide_access(scope, [plain], "view")
        assert decision.record.permissions == {EVERYTHING: True}


async def test_a_decision_has_its_steps_and_tells_what_else_would_have_decided(workshop):
    probe = await workshop.load("probe", item_access=OPTIONS)
    async with open_scope(probe) as scope:
        (denied,) = await decide_access(scope, [make_item("deny-edit", author=False)], "edit")
        assert [(step.plugin, step.says) for step in denied.steps] == [
            ("probe", "deny"),
            ("", "neutral"),
            ("", "neutral"),
            ("", "deny"),
        ]
        (hidden,) = await decide_access(scope, [make_item("deny-view")], "delete")
        assert [(step.plugin, step.says) for step in hidden.steps] == [
            ("", "neutral"),
            ("probe", "deny"),
            ("", "grant"),
        ]
        assert "decided first" in hidden.steps[0].reason


async def test_where_no_plugin_decides_nobody_is_asked():
    """Its artefact is not even there to be asked."""
    shows = TapPlugin("shows", SimpleNamespace(sha256=""), {"tap_item_view": OPTIONS})
    async with open_scope(shows) as scope:
        assert await titles(scope, [make_item("deny-view")]) == ["deny-view"]
        assert scope.decided == {}
        assert not scope.witness.record.permissions
