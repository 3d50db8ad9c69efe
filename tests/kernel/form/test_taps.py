"""Plugins add to a form and look at what was entered; what they may not touch stays as it was."""

from dataclasses import replace

import pytest

from kernel.form.build import build_form
from kernel.form.model import Element, Option, Submission
from kernel.form.taps import (
    alter_form,
    apply_changes,
    check_with_plugins,
    list_visible_values,
    note_submitted,
)
from kernel.form.validate import read_values
from kernel.tap.registry import TapOptions

FORM = build_form(
    "example",
    action="/example",
    submit="Send",
    elements=[
        Element("textfield", "title", "Title"),
        Element("password", "password", "Password"),
        Element("hidden", "revision", default="r1"),
        Element("checkbox", "colour", "In colour", required=True),
        Element(
            "fieldset",
            "more",
            "More",
            children=(Element("select", "size", "Size", options=(Option("s", "S"),)),),
        ),
    ],
)
PLAIN = replace(FORM, elements=tuple(element for element in FORM.elements if element.kind != "password"))
VALUES = {"title": "Bread", "password": "secret", "revision": "r1", "size": "s", "probe_note": "complain"}
ON_EXAMPLE = TapOptions(forms=frozenset({"example"}))
NOTE = {"kind": "textfield", "name": "p_note", "label": "Note"}


@pytest.fixture
async def scope(workshop):
    plugin = await workshop.load(
        "probe", form_alter=ON_EXAMPLE, form_validate=ON_EXAMPLE, form_submit=ON_EXAMPLE
    )
    async with workshop.scope(plugin) as opened:
        yield opened


@pytest.mark.story("9.3")
async def test_a_plugin_adds_an_input_and_complains_about_what_is_entered(scope):
    altered = await alter_form(scope, PLAIN)
    assert altered.failures == ()
    note, title, revision, colour, more = altered.form.elements
    # It was not told of what is hidden.
    assert (note.name, note.help, note.max_length) == ("probe_note", "title, colour, size", 20)
    assert (title.label, title.required) == ("Headline", True)
    assert (revision, colour, more) == PLAIN.elements[1:]

    sent = Submission(VALUES, {"title": "The form's own words."}, {})
    checked, failures = await check_with_plugins(scope, altered.form, sent)
    assert failures == ()
    assert checked.problems == {
        "probe_note": "Not <this>.",
        "": "Something unseen.",
        "title": "The form's own words.",
    }
    told = note_submitted(scope.registry, altered.form, sent)
    assert told.values == {"title": "Bread", "size": "s", "probe_note": "complain"}


async def test_a_plugin_that_fails_complains_of_nothing_and_other_forms_are_not_asked_about(scope):
    form = (await alter_form(scope, PLAIN)).form
    sent = Submission({**VALUES, "title": "break"}, {}, {})
    checked, (failure,) = await check_with_plugins(scope, form, sent)
    assert checked == sent
    assert (failure.plugin, failure.reason) == ("probe", "tap-error")
    other = build_form("other", action="/o", submit="Send", elements=[Element("textfield", "title", "Title")])
    assert (await alter_form(scope, other)).form is other
    assert note_submitted(scope.registry, other, sent) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param(
            {"add": [{**NOTE, "name": "note"}], "change": {}}, "must begin with p_", id="another's name"
        ),
        pytest.param({"add": [NOTE, NOTE], "change": {}}, "is used 2 times", id="twice"),
        pytest.param({"add": [{**NOTE, "kind": "radios"}], "change": {}}, "needs options", id="no options"),
        pytest.param({"add": [], "change": {"missing": {"weight": 1}}}, "no element 'missing'", id="missing"),
        pytest.param({"add": [], "change": {"password": {"weight": 1}}}, "may change", id="password"),
        pytest.param({"add": [], "change": {"revision": {"weight": 1}}}, "may change", id="hidden"),
        pytest.param({"add": [], "change": {"title": {"label": "Name"}}}, "stay as they are", id="label"),
        pytest.param({"add": [], "change": {}, "remove": ["password"]}, "may change", id="remove a password"),
        pytest.param({"add": [], "change": {}, "remove": ["revision"]}, "may change", id="remove the hidden"),
        pytest.param(
            {"add": [], "change": {}, "remove": ["form_token"]}, "no element", id="remove the proof"
        ),
        pytest.param(
            {"add": [], "change": {}, "remove": ["colour"]}, "must be filled in", id="remove a must"
        ),
        pytest.param(
            {"add": [], "change": {"title": {"required": True}}, "remove": ["title"]},
            "must be filled in",
            id="remove what it asks for",
        ),
    ],
)
def test_what_a_plugin_may_not_do_to_a_form_changes_nothing(changes, words):
    with pytest.raises(ValueError, match=words):
        apply_changes(FORM, "p", changes)


def test_in_a_form_with_a_password_it_is_said_who_asks():
    changed = apply_changes(FORM, "p", {"add": [NOTE], "change": {"title": {"weight": -1}}})
    assert [e.help for e in changed.elements if e.name == "p_note"] == ["Asked by the plugin p."]
    plain = apply_changes(PLAIN, "p", {"add": [NOTE], "change": {"title": {"label": "Name"}}})
    assert [(e.label, e.help) for e in plain.elements if e.kind == "textfield"] == [
        ("Name", ""),
        ("Note", ""),
    ]


@pytest.mark.story("9.5")
def test_what_a_plugin_removes_is_not_asked_for_and_keeps_its_value():
    form = replace(
        PLAIN,
        elements=tuple(replace(e, default="as stored") if e.name == "title" else e for e in PLAIN.elements),
    )
    first = apply_changes(form, "p", {"add": [NOTE], "change": {}, "remove": ["title", "size"]})
    # The next plugin hears nothing of it, and a group with nothing in it is not shown.
    assert list_visible_values(first, {"title": "x", "colour": True, "p_note": "y"}) == {
        "colour": True,
        "p_note": "y",
    }
    with pytest.raises(ValueError, match="no element 'title'"):
        apply_changes(first, "q", {"add": [], "change": {"title": {"help": "Hello"}}})
    assert [element.name for element in first.elements if element.is_visible] == ["colour", "p_note"]
    sent = {"title": ["forged"], "size": ["s"], "colour": ["1"], "p_note": ["y"]}
    read = read_values(first, sent)
    assert (read.problems, read.values["title"], read.values["size"]) == ({}, "as stored", None)
    # An input of its own it may take back.
    assert (
        not apply_changes(first, "p", {"add": [], "change": {}, "remove": ["p_note"]}).elements[-1].is_visible
    )


def test_no_plugin_takes_the_place_of_a_field():
    with pytest.raises(ValueError, match="must begin"):
        apply_changes(FORM, "field", {"add": [{**NOTE, "name": "field_body"}], "change": {}})


def test_what_plugins_are_shown_of_values_is_what_people_see_but_passwords():
    assert list_visible_values(FORM, VALUES) == {"title": "Bread", "size": "s"}
