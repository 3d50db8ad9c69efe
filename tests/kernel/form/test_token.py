"""A form is accepted from the session it was made for; two presses of a button are one submission."""

from dataclasses import replace
from uuid import UUID

import pytest

from kernel.errors import StaleForm
from kernel.form.build import build_form
from kernel.form.model import Element
from kernel.form.token import (
    BUILD_ID_FIELD,
    STALE_MESSAGE,
    TOKEN_FIELD,
    build_dedupe_key,
    build_form_token,
    build_id,
)
from kernel.form.validate import read_values, validate_form

ADA = UUID("01900000-0000-7000-8000-00000000000a")
BOB = UUID("01900000-0000-7000-8000-00000000000b")


def test_a_token_is_good_for_its_session_and_form_however_often_it_is_shown(form, session, good):
    good[TOKEN_FIELD] = [build_form_token(session, "example")]
    assert validate_form(form, session, good).is_valid
    assert validate_form(form, session, good).is_valid


def test_a_script_sends_its_token_in_a_header(form, session, good):
    token = build_form_token(session, "example")
    assert validate_form(form, session, good, header_token=token).values["title"] == "Bread"


@pytest.mark.parametrize("token", ["", "0" * 64, "é", "\ud800", "a" * 100_000])
def test_a_missing_or_forged_token_is_refused_with_what_to_do(form, session, good, token):
    good[TOKEN_FIELD] = [token]
    with pytest.raises(StaleForm) as raised:
        validate_form(form, session, good)
    assert raised.value.message == STALE_MESSAGE
    assert raised.value.status == 403
    # What was entered is still to be had, to show the form again with a fresh token.
    assert read_values(form, good).raw["title"] == "Bread"


def test_a_token_of_another_session_form_or_time_before_the_login_is_refused(
    form, session, other_session, good
):
    for stale in (build_form_token(other_session, "example"), build_form_token(session, "user_login")):
        good[TOKEN_FIELD] = [stale]
        with pytest.raises(StaleForm):
            validate_form(form, session, good)


def test_without_a_session_no_token_fits(form, session, good):
    good[TOKEN_FIELD] = [build_form_token(session, "example")]
    with pytest.raises(StaleForm):
        validate_form(form, None, good)


def test_a_form_that_only_asks_needs_no_token():
    form = build_form(
        "find", action="/find", elements=[Element("textfield", "q", "For")], submit="Find", method="get"
    )
    assert validate_form(form, None, {"q": ["bread"]}).values == {"q": "bread"}


def submit(form, good, **changes):
    return read_values(form, {**good, **{name: [value] for name, value in changes.items()}})


def test_two_presses_have_one_key_and_a_corrected_submission_another(form, session, good):
    good[BUILD_ID_FIELD] = [build_id()]
    first = build_dedupe_key(form, ADA, submit(form, good), session)
    assert first is not None
    assert len(first) == 64
    assert build_dedupe_key(form, ADA, submit(form, good, title=" Bread "), session) == first
    others = {
        build_dedupe_key(form, ADA, submit(form, good, title="Butter"), session),
        build_dedupe_key(form, ADA, submit(form, good, **{BUILD_ID_FIELD: build_id()}), session),
        build_dedupe_key(form, BOB, submit(form, good), session),
        build_dedupe_key(replace(form, action="/example/2"), ADA, submit(form, good), session),
        build_dedupe_key(replace(form, id="example_2"), ADA, submit(form, good), session),
    }
    assert len(others - {first}) == 5


def test_a_corrected_password_has_another_key_which_a_session_hides(form, session, other_session, good):
    good[BUILD_ID_FIELD] = [build_id()]
    typed = [submit(form, good, password=password) for password in ("one", "two", "one")]
    first, corrected, again = [build_dedupe_key(form, ADA, one, session) for one in typed]
    assert first == again != corrected
    assert build_dedupe_key(form, ADA, typed[0], other_session) != first
    # Nothing to hide it with: it is no second press then.
    assert build_dedupe_key(form, ADA, typed[0]) is None


@pytest.mark.parametrize("sent", [None, "", "short", "x" * 23, "\x00" * 22])
def test_without_a_build_id_of_ours_nothing_is_taken_for_a_second_press(form, good, sent):
    if sent is not None:
        good[BUILD_ID_FIELD] = [sent]
    assert build_dedupe_key(form, ADA, read_values(form, good)) is None
