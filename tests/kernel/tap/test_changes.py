"""Changes before a save accumulate, mean the same in both data modes, and stop at what a manifest asks for."""

import pytest

from kernel.tap.catalogue import ITEM_PRESAVE
from kernel.tap.dispatch import dispatch
from kernel.tap.registry import TapOptions
from tests.fixtures.plugins import ALL_FIELDS, make_item_data

MODES = pytest.mark.parametrize("mode", ["full", "handle"])
UPDATE = {"op": "update"}


def options(mode, *, fields=ALL_FIELDS.fields, weight=0):
    return TapOptions(mode, fields=fields, weight=weight)


def make_item(item_type="blog"):
    return make_item_data(
        "T",
        item_type,
        field_body={"value": "b", "format": "filtered_html"},
        field_minutes=4,
        field_featured=True,
        field_secret="s",
    )


@MODES
async def test_a_change_is_the_same_in_both_modes_and_keeps_formats(workshop, mode):
    probe = await workshop.load("probe", item_presave=options(mode))
    item = make_item()
    async with workshop.scope(probe) as scope:
        dispatched = await dispatch(scope, ITEM_PRESAVE, item=item, extra=UPDATE)
    assert dispatched.failures == ()
    assert dispatched.answers == (
        (
            "probe",
            {
                "title": "T+update",
                "fields": {
                    "field_body": {"value": "b+", "format": "filtered_html"},
                    "field_minutes": {"value": 5},
                    "field_featured": {"value": False},
                    "field_missing": {"value": "new", "format": "plain_text"},
                },
            },
        ),
    )
    assert item == make_item()


@pytest.mark.parametrize("first", ["full", "handle"])
@pytest.mark.parametrize("second", ["full", "handle"])
@pytest.mark.story("3.15")
async def test_the_next_plugin_sees_what_the_ones_before_it_changed(workshop, first, second):
    late = await workshop.load("late", item_presave=options(second, weight=1))
    early = await workshop.load("early", item_presave=options(first))
    async with workshop.scope(late, early) as scope:
        dispatched = await dispatch(scope, ITEM_PRESAVE, item=make_item(), extra={"op": "insert"})
    assert [name for name, _ in dispatched.answers] == ["early", "late"]
    change = dispatched.answers[1][1]
    assert change["title"] == "T+insert+insert"
    assert change["fields"]["field_body"] == {"value": "b++", "format": "filtered_html"}
    assert change["fields"]["field_minutes"] == {"value": 6}


@MODES
async def test_a_field_that_the_manifest_does_not_ask_for_stays_and_the_rest_changes(workshop, mode):
    fields = frozenset({"field_body", "field_minutes", "field_featured", "field_missing"})
    probe = await workshop.load("probe", item_presave=options(mode, fields=fields))
    async with workshop.scope(probe, owners={"locked": "another"}) as scope:
        dispatched = await dispatch(scope, ITEM_PRESAVE, item=make_item("locked"), extra=UPDATE)
    ((_, change),) = dispatched.answers
    assert sorted(change["fields"]) == ["field_body", "field_featured", "field_minutes", "field_missing"]
    (failure,) = dispatched.failures
    assert failure.reason == "refused-capability"
    assert "field_secret: the plugin's manifest does not ask for it" in failure.message


@MODES
async def test_what_cannot_be_a_title_is_told_and_the_rest_changes(workshop, mode):
    probe = await workshop.load("probe", item_presave=options(mode))
    item = {**make_item(), "title": "x" * 250}
    async with workshop.scope(probe) as scope:
        dispatched = await dispatch(scope, ITEM_PRESAVE, item=item, extra=UPDATE)
    ((_, change),) = dispatched.answers
    assert (change.get("title"), change["fields"]["field_minutes"]) == (None, {"value": 5})
    (failure,) = dispatched.failures
    assert failure.reason == "bad-answer"
    assert "title: it must be text of 1 to 255 characters" in failure.message


@MODES
async def test_a_plugin_that_fails_half_way_has_changed_nothing(workshop, mode):
    hostile = await workshop.load("hostile", "hostile", item_presave=options(mode, weight=-1))
    probe = await workshop.load("probe", item_presave=options(mode))
    async with workshop.scope(hostile, probe) as scope:
        dispatched = await dispatch(scope, ITEM_PRESAVE, item=make_item(), extra=UPDATE)
    assert [failure.plugin for failure in dispatched.failures] == ["hostile"]
    ((_, change),) = dispatched.answers
    assert change["title"] == "T+update"
