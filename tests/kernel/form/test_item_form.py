"""The form of an item follows the definitions of its type, and its values come back as fields."""

from dataclasses import replace
from uuid import UUID

import pytest

from kernel.clock import now
from kernel.context import Actor
from kernel.form.item_form import (
    build_item_delete_form,
    build_item_form,
    find_expected_revision,
    item_form_values,
    to_fields,
)
from kernel.form.taps import apply_changes
from kernel.form.validate import read_values
from kernel.item.model import Item
from kernel.item.values import check_values
from kernel.item_type.model import FieldDefinition, ItemType

BLOG = ItemType(
    "blog",
    "Blog post",
    fields=(
        FieldDefinition("field_lead", "Lead", "text", required=True, help="One sentence.", max_length=80),
        FieldDefinition("field_body", "Body", "text_long"),
        FieldDefinition("field_minutes", "Minutes", "integer", default=3),
        FieldDefinition("field_guest", "Guest post", "boolean", required=True),
        FieldDefinition("field_day", "Day", "date"),
    ),
)
EDITOR = Actor(id=UUID(int=7), name="ada")
ITEM = Item(
    id=UUID("01900000-0000-7000-8000-0000000000a1"),
    type="blog",
    title="Bread",
    author_id=EDITOR.id,
    status=0,
    promote=True,
    sticky=False,
    created=now(),
    changed=now(),
    fields={
        "field_lead": {"value": "How to bake."},
        "field_body": {"value": "<p>Flour</p>", "format": "filtered_html"},
        "field_guest": {"value": False},
        "field_minutes": {"value": 0},
        "field_day": {"value": "2024-02-29"},
    },
    revision_id=UUID("01900000-0000-7000-8000-0000000000a2"),
)


def send(values):
    """What a browser sends for these values."""
    sent = {}
    for name, value in values.items():
        if isinstance(value, dict):
            sent[name], sent[f"{name}__format"] = [value["value"]], [value["format"]]
        elif value is True:
            sent[name] = ["1"]
        elif value is not False and value is not None:
            sent[name] = [str(value)]
    return sent


def elements(form):
    return {element.name: element for element in form.inputs()}


def test_the_form_of_a_new_item_has_the_fields_of_its_type():
    form = build_item_form(BLOG, None, EDITOR)
    assert form.action == "/item/add/blog"
    assert [element.name for element in form.inputs()] == [
        "title",
        "field_lead",
        "field_body",
        "field_minutes",
        "field_guest",
        "field_day",
        "status",
        "promote",
        "sticky",
        "log_message",
        "revision",
    ]
    found = elements(form)
    assert (found["field_lead"].kind, found["field_lead"].required, found["field_lead"].max_length) == (
        "textfield",
        True,
        80,
    )
    assert found["field_lead"].help == "One sentence."
    assert found["field_minutes"].default == 3
    assert found["status"].default is True
    # A box that had to be ticked would leave no answer but yes.
    assert not found["field_guest"].required


def test_an_item_comes_back_from_its_form_as_it_was():
    form = build_item_form(BLOG, ITEM, EDITOR)
    assert form.action == f"/item/{ITEM.id}/edit"
    submission = read_values(form, send(item_form_values(ITEM)))
    assert submission.problems == {}
    values = submission.values
    assert to_fields(values) == ITEM.fields
    assert (values["title"], values["status"], values["promote"], values["sticky"]) == (
        "Bread",
        False,
        True,
        False,
    )
    assert find_expected_revision(values) == ITEM.revision_id
    assert check_values(BLOG, values["title"], to_fields(values), EDITOR).problems == {}


@pytest.mark.story("9.5")
@pytest.mark.parametrize("stored", [ITEM, replace(ITEM, fields={"field_lead": ITEM.fields["field_lead"]})])
def test_what_plugins_remove_from_the_form_of_an_item_stays_as_it_is_stored(stored):
    removed = ["field_body", "field_minutes", "field_guest", "field_day", "status", "promote", "log_message"]
    form = apply_changes(
        build_item_form(BLOG, stored, EDITOR), "p", {"add": [], "change": {}, "remove": removed}
    )
    forged = {**dict.fromkeys(removed, "7"), "title": "Bread", "field_lead": "How to bake."}
    values = read_values(form, send(forged)).values
    assert to_fields(values) == stored.fields
    assert (values["status"], values["promote"], values["log_message"]) == (False, True, "")


def test_empty_fields_are_left_out_and_a_no_and_a_nought_are_kept():
    form = build_item_form(BLOG, None, EDITOR)
    sent = {
        "title": ["Bread"],
        "field_lead": ["x"],
        "field_body__format": ["filtered_html"],
        "field_minutes": ["0"],
    }
    submission = read_values(form, sent)
    assert submission.problems == {}
    assert to_fields(submission.values) == {
        "field_lead": {"value": "x"},
        "field_minutes": {"value": 0},
        "field_guest": {"value": False},
    }


@pytest.mark.parametrize(
    ("permissions", "formats"),
    [
        pytest.param(set(), ["plain_text", "filtered_html"], id="editor"),
        pytest.param({"use full_html format"}, ["plain_text", "filtered_html", "full_html"], id="trusted"),
    ],
)
def test_only_formats_that_the_actor_may_use_are_offered_and_accepted(permissions, formats):
    form = build_item_form(BLOG, None, replace(EDITOR, permissions=frozenset(permissions)))
    assert [option.value for option in elements(form)["field_body"].options] == formats
    sent = {"title": ["B"], "field_lead": ["x"], "field_body": ["<p>"], "field_body__format": ["full_html"]}
    assert ("field_body" in read_values(form, sent).problems) is ("full_html" not in formats)


def test_a_text_in_a_format_that_the_actor_may_not_use_stays_as_it_is():
    stored = {"value": "<iframe>", "format": "full_html"}
    item = replace(ITEM, fields={**ITEM.fields, "field_body": stored})
    form = build_item_form(BLOG, item, EDITOR)
    assert elements(form)["field_body"].locked
    assert "Full HTML, which you may not use" in elements(form)["field_body"].help
    sent = {**send(item_form_values(item)), "field_body": ["mine"], "field_body__format": ["full_html"]}
    fields = to_fields(read_values(form, sent).values)
    assert fields["field_body"] == stored
    assert check_values(BLOG, "Bread", fields, EDITOR, item.fields).problems == {}
    trusted = replace(EDITOR, permissions=frozenset({"use full_html format"}))
    assert not elements(build_item_form(BLOG, item, trusted))["field_body"].locked


@pytest.mark.parametrize("sent", ["", "x", "\ud800", "01900000-0000-7000-8000-0000000000A2"])
def test_a_revision_that_is_none_is_none(sent):
    assert find_expected_revision({"revision": sent}) is None


def test_deleting_names_the_revision_it_was_decided_on():
    form = build_item_delete_form(ITEM)
    assert (form.action, form.cancel, form.danger) == (f"/item/{ITEM.id}/delete", ITEM.path, True)
    values = read_values(form, {"revision": [elements(form)["revision"].default]}).values
    assert find_expected_revision(values) == ITEM.revision_id
