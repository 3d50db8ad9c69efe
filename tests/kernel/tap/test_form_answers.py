"""What a plugin answers about a form is checked whole before any of it counts."""

import pytest

from kernel.tap.form_answers import ADDED_MAX, read_form_changes, read_form_problems
from kernel.tap.wire import PluginDataError

NOTE = {"kind": "textfield", "name": "p_note", "label": "Note"}


def test_nothing_is_no_change_and_no_complaint():
    assert read_form_changes(None) == {"add": [], "change": {}, "remove": []}
    assert read_form_problems(None) == {}


def test_what_is_right_comes_as_it_is():
    choice = {
        "kind": "select",
        "name": "p_size",
        "label": "Size",
        "options": [["s", "Small"]],
        "default": "s",
    }
    changes = {
        "add": [NOTE, choice],
        "change": {"title": {"label": "Headline", "required": True, "weight": 3}},
        "remove": ["sticky"],
    }
    assert read_form_changes(changes) == changes
    assert read_form_problems({"title": "Too loud.", "": "Not today."}) == {
        "title": "Too loud.",
        "": "Not today.",
    }


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param([], "must be an object", id="list"),
        pytest.param({"remove": "sticky"}, "'remove' must be a list", id="remove"),
        pytest.param({"remove": [["sticky"]]}, "'remove' must be a list", id="remove what"),
        pytest.param({"take": ["form_token"]}, "'take', which means nothing", id="key"),
        pytest.param({"add": [NOTE] * (ADDED_MAX + 1)}, "at most 20 elements", id="many"),
        pytest.param({"add": [{**NOTE, "kind": "password"}]}, "'kind' must be one of", id="password"),
        pytest.param({"add": [{**NOTE, "kind": ["x"]}]}, "'kind' must be one of", id="kind of another type"),
        pytest.param({"add": [{**NOTE, "kind": "hidden"}]}, "'kind' must be one of", id="hidden"),
        pytest.param({"add": [{**NOTE, "name": "p-note"}]}, "'name' must hold", id="name"),
        pytest.param({"add": [{**NOTE, "label": " "}]}, "'label' is missing", id="label"),
        pytest.param({"add": [{**NOTE, "locked": True}]}, "'locked', which means nothing", id="key"),
        pytest.param({"add": [{**NOTE, "help": "x" * 501}]}, "at most 500 characters", id="long"),
        pytest.param({"add": [{**NOTE, "weight": 1.5}]}, "'weight' must be", id="weight"),
        pytest.param({"add": [{**NOTE, "max_length": 0}]}, "'max_length' must be", id="length"),
        pytest.param({"add": [{**NOTE, "default": 3}]}, "'default' must be a str", id="default"),
        pytest.param(
            {"add": [{**NOTE, "kind": "select", "options": ["s"]}]}, "pairs of a value", id="options"
        ),
        pytest.param({"add": ["<b>"]}, "element 1 must be an object", id="text"),
        pytest.param({"change": {"title": {"required": False}}}, "can only become true", id="optional"),
        pytest.param({"change": {"title": {"kind": "markup"}}}, "'kind', which means nothing", id="kind"),
        pytest.param({"change": ["title"]}, "'change' must be an object", id="changes"),
    ],
)
def test_what_is_wrong_is_named(answer, words):
    with pytest.raises(PluginDataError, match=words):
        read_form_changes(answer)


@pytest.mark.parametrize("answer", [[], {"title": ""}, {"title": 3}, {"title": "x" * 501}, "wrong"])
def test_complaints_are_sentences_by_name(answer):
    with pytest.raises(PluginDataError):
        read_form_problems(answer)
