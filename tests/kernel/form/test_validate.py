"""What was submitted becomes typed values and sentences, whatever was submitted."""

import time
from dataclasses import replace
from datetime import date

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.form.build import build_form
from kernel.form.model import Condition, Element
from kernel.form.token import BUILD_ID_FIELD, TOKEN_FIELD
from kernel.form.validate import read_values
from tests.kernel.form.conftest import ELEMENTS, GOOD


def test_good_values_are_typed(form, good):
    submission = read_values(form, good)
    assert submission.problems == {}
    assert submission.values == {
        "title": "Bread",
        "summary": "Two\nlines",
        "body": {"value": "<p>x</p>", "format": "filtered_html"},
        "amount": 7,
        "agreed": True,
        "colour": "blue",
        "sizes": ["s", "l"],
        "side": "left",
        "day": "2024-02-29",
        "password": " open sesame ",
        "note": "n",
        "revision": "r1",
        "attachment": "notes.txt",
        "preview": True,
    }


def test_nothing_sent_is_every_optional_value_empty_and_every_missing_one_named(form):
    submission = read_values(form, {})
    assert submission.values == {
        "summary": "",
        "amount": None,
        "agreed": False,
        "sizes": [],
        "side": "",
        "day": None,
        "password": "",
        "note": "",
        "revision": "",
        "attachment": "",
        "preview": False,
    }
    assert submission.problems == {
        "title": "Title is required.",
        "body": "Body has a text format that you may not use. Choose one from the list.",
        "colour": "Colour must be one of the options in the list.",
    }


@pytest.mark.parametrize(
    ("name", "sent", "value"),
    [
        pytest.param("title", "  Bread\n", "Bread", id="trimmed"),
        pytest.param("title", "Cafe\u0301", "Caf\u00e9", id="composed"),
        pytest.param("title", "x" * 20, "x" * 20, id="as-long-as-allowed"),
        pytest.param("title", "e\u0301" * 20, "\u00e9" * 20, id="as-long-as-allowed-once-composed"),
        pytest.param("title", "0", "0", id="nought-is-a-text"),
        pytest.param("summary", "a\rb\r\nc\nd", "a\nb\nc\nd", id="line-breaks"),
        pytest.param("summary", "  kept  ", "  kept  ", id="inner-space-of-a-long-text"),
        pytest.param("summary", " \n\t ", "", id="nothing-but-space"),
        pytest.param("amount", " 42 ", 42, id="number"),
        pytest.param("amount", "+7", 7, id="plus"),
        pytest.param("amount", "-0", 0, id="minus-nought"),
        pytest.param("amount", "007", 7, id="leading-noughts"),
        pytest.param("amount", "", None, id="no-number"),
        pytest.param("agreed", "", False, id="not-ticked"),
        pytest.param("agreed", "on", True, id="ticked-by-a-script"),
        pytest.param("day", "", None, id="no-date"),
        pytest.param("day", "0001-01-01", "0001-01-01", id="first-date"),
    ],
)
def test_values_are_brought_into_one_form(form, good, name, sent, value):
    submission = read_values(form, {**good, name: [sent]})
    assert submission.problems == {}
    assert submission.values[name] == value


STORABLE = "holds a character that cannot be stored. Type it again instead of pasting it."
CONTROL = "holds a line break or another control character. Remove it."
WHOLE = "must be a whole number, such as 42."
WRITTEN = "must be a date written as year-month-day, such as 2026-03-01."


@pytest.mark.parametrize(
    ("name", "sent", "problem"),
    [
        pytest.param("title", " \u00a0\n", "Title is required.", id="only-space"),
        pytest.param("title", "x" * 21, "Title is 21 characters long; 20 are allowed at most.", id="long"),
        pytest.param(
            "title", "x" * 5000, "Title is 5000 characters long; 20 are allowed at most.", id="very-long"
        ),
        pytest.param("title", "a\x00b", f"Title {STORABLE}", id="nul"),
        pytest.param("title", "a\ud800b", f"Title {STORABLE}", id="lone-surrogate"),
        pytest.param("title", "a\nb", f"Title {CONTROL}", id="line-break"),
        pytest.param("title", "a\x1bb", f"Title {CONTROL}", id="escape"),
        pytest.param("title", "a\u2028b", f"Title {CONTROL}", id="line-separator"),
        pytest.param(
            "summary", "y" * 41, "Summary is 41 characters long; 40 are allowed at most.", id="long-text"
        ),
        pytest.param("summary", "\x00", f"Summary {STORABLE}", id="nul-in-text"),
        pytest.param("body", "\udfff", f"Body {STORABLE}", id="surrogate-in-formatted"),
        pytest.param(
            "body__format",
            "full_html",
            "Body has a text format that you may not use. Choose one from the list.",
            id="format",
        ),
        pytest.param("amount", "1.5", f"Amount {WHOLE}", id="fraction"),
        pytest.param("amount", "1e3", f"Amount {WHOLE}", id="exponent"),
        pytest.param("amount", "1_000", f"Amount {WHOLE}", id="underscore"),
        pytest.param("amount", "٣", f"Amount {WHOLE}", id="digits-of-another-script"),
        pytest.param("amount", "9" * 5000, f"Amount {WHOLE}", id="endless-number"),
        pytest.param("amount", "100", "Amount must be a number from 0 to 99.", id="above"),
        pytest.param("amount", "-1", "Amount must be a number from 0 to 99.", id="below"),
        pytest.param("colour", "green", "Colour must be one of the options in the list.", id="option"),
        pytest.param("day", "2023-02-29", "Day is no date of the calendar: 2023-02-29.", id="no-such-day"),
        pytest.param("day", "0000-01-01", "Day is no date of the calendar: 0000-01-01.", id="year-nought"),
        pytest.param("day", "20240229", f"Day {WRITTEN}", id="date-without-hyphens"),
        pytest.param("day", "2024-W09-4", f"Day {WRITTEN}", id="week-date"),
        pytest.param("day", "2024-02-29T00:00", f"Day {WRITTEN}", id="date-with-time"),
        pytest.param(
            "password",
            "p" * 1001,
            "Password is 1001 characters long; 1000 are allowed at most.",
            id="password",
        ),
        pytest.param(
            "revision", "r" * 1001, "revision is 1001 characters long; 1000 are allowed at most.", id="hidden"
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_to_do_and_the_others_are_kept(form, good, name, sent, problem):
    submission = read_values(form, {**good, name: [sent]})
    element = name.removesuffix("__format")
    assert submission.problems == {element: problem}
    assert set(submission.values) == {*GOOD} - {"body__format", element}


def test_a_number_without_bounds_is_one_that_a_browser_holds_exactly():
    form = build_form("example", action="/e", elements=[Element("number", "n", "N")], submit="Send")
    assert read_values(form, {"n": ["9007199254740991"]}).values == {"n": 2**53 - 1}
    assert read_values(form, {"n": ["9007199254740992"]}).problems == {
        "n": "N must be a number from -9007199254740991 to 9007199254740991."
    }


def test_what_is_required_is_asked_for_in_every_kind():
    elements = [
        replace(e, required=True) for e in ELEMENTS if e.kind not in ("fieldset", "formatted", "select")
    ]
    form = build_form("example", action="/e", elements=elements, submit="Send")
    assert read_values(form, {}).problems == {
        "title": "Title is required.",
        "summary": "Summary is required.",
        "amount": "Amount is required.",
        "agreed": "Agreed must be ticked.",
        "sizes": "Sizes is required.",
        "side": "Side is required.",
        "day": "Day is required.",
        "password": "Password is required.",
        "revision": "revision is required.",
        "attachment": "Attachment is required.",
    }


def test_names_the_form_does_not_know_are_ignored_and_the_last_of_several_counts(form, good):
    extra = {
        "is_admin": ["1"],
        TOKEN_FIELD: ["x"],
        BUILD_ID_FIELD: ["A" * 22],
        "": [""],
        "note": ["one", "two"],
    }
    submission = read_values(form, {**good, **extra})
    assert set(submission.values) == {*GOOD} - {"body__format"}
    assert submission.values["note"] == "two"
    assert submission.build_id == "A" * 22


def test_a_locked_element_keeps_its_value_whatever_is_sent():
    locked = Element("textfield", "title", "Title", default="Theirs", max_length=3, locked=True)
    form = build_form("example", action="/e", elements=[locked], submit="Send")
    submission = read_values(form, {"title": ["Mine"]})
    assert (submission.values, submission.problems) == ({"title": "Theirs"}, {})


def test_choices_are_checked_and_come_in_the_order_of_their_options(form, good):
    assert read_values(form, {**good, "sizes": ["l", "s", "l"]}).values["sizes"] == ["s", "l"]
    submission = read_values(form, {**good, "sizes": ["s", "xxl"], "side": ["middle"]})
    assert submission.problems == {
        "sizes": "Sizes must be among the options in the list.",
        "side": "Side must be one of the options in the list.",
    }
    assert (submission.raw["sizes"], submission.raw["side"]) == (["s", "xxl"], "middle")


@pytest.mark.parametrize("ticked", [True, False])
def test_what_depends_on_an_answer_is_asked_for_while_that_is_given(ticked):
    group = Element(
        "fieldset",
        "address",
        "Address",
        shown_when=Condition("wants_post", frozenset({"1"})),
        children=(Element("textfield", "street", "Street", required=True),),
    )
    elements = [Element("checkbox", "wants_post", "By post"), group]
    form = build_form("example", action="/e", elements=elements, submit="Send")
    submission = read_values(form, {"wants_post": ["1"] if ticked else [], "street": [""]})
    assert submission.problems == ({"street": "Street is required."} if ticked else {})
    # What nobody was asked for is not taken either.
    hidden = read_values(form, {"street": ["Elm Street"]})
    assert hidden.values == {"wants_post": False, "street": None}


def test_a_condition_on_what_the_form_has_not_is_refused():
    lonely = Element("textfield", "a", "A", shown_when=Condition("b", frozenset({"1"})))
    with pytest.raises(ValueError, match="'a' depends on 'b', which the form has not"):
        build_form("example", action="/e", elements=[lonely], submit="Send")


def test_what_was_typed_is_kept_to_be_shown_again_but_for_passwords(form):
    sent = {
        "title": ["a\x00\ud800b"],
        "body": ["<b>"],
        "body__format": ["none"],
        "amount": ["many"],
        "agreed": ["1"],
    }
    raw = read_values(form, {**sent, "password": ["secret"]}).raw
    assert raw == {
        "title": "a\ufffd?b",
        "summary": "",
        "body": {"value": "<b>", "format": "none"},
        "amount": "many",
        "agreed": True,
        "colour": "",
        "sizes": [],
        "side": "",
        "day": "",
        "note": "",
        "revision": "",
    }


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
LIKELY = st.sampled_from(
    ["", "0", "-1", "99999999999999999999", "2024-02-30", "1", "red", "plain_text", "\x00", "\ud800"]
)
NAMES = st.sampled_from([*GOOD, TOKEN_FIELD, BUILD_ID_FIELD, "unknown"]) | ANY_TEXT
SUBMITTED = st.dictionaries(NAMES, st.lists(ANY_TEXT | LIKELY, max_size=3), max_size=14)


@given(SUBMITTED)
@settings(max_examples=400, deadline=None)
def test_no_input_raises_and_what_is_good_can_be_stored(form, submitted):
    submission = read_values(form, submitted)
    expected = {element.name for element in form.inputs()}
    assert set(submission.values) | set(submission.problems) == expected
    assert not set(submission.values) & set(submission.problems)
    orjson.dumps(submission.raw)
    stored = orjson.dumps(submission.values).decode()
    assert "\\u0000" not in stored
    for name, value in submission.values.items():
        if name == "amount":
            assert value is None or 0 <= value <= 99
        if name == "day":
            assert value is None or date.fromisoformat(value).isoformat() == value


@pytest.mark.parametrize(
    "text", ["a\u0301\u0316" * 600_000, "\x00" * 2_000_000, "9" * 2_000_000, "\u00e9" * 2_000_000]
)
def test_a_huge_value_is_refused_quickly(form, text):
    begun = time.process_time()
    submission = read_values(form, {name: [text] for name in GOOD})
    # Of this process, which a busy machine does not stretch; a quadratic step would take minutes.
    assert time.process_time() - begun < 1.0
    assert set(submission.problems) == {*GOOD} - {"body__format", "agreed", "preview"}
