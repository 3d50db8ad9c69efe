"""Names that look the same are the same, and what cannot be seen is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.user.name import NAME_MAX, check_name, check_new_name, normalise_name


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        pytest.param("  Ada  Lovelace ", "Ada Lovelace", id="spaces"),
        pytest.param("Ada\u00a0Lovelace", "Ada Lovelace", id="no-break-space"),
        pytest.param("Ada\u2003Lovelace", "Ada Lovelace", id="wide-space"),
        pytest.param("Ada\u3000Lovelace", "Ada Lovelace", id="ideographic-space"),
        pytest.param("\uff21da", "Ada", id="full-width"),
        pytest.param("\ufb01n", "fin", id="ligature"),
        pytest.param("Zoe\u0308", "Zo\u00eb", id="composed"),
        pytest.param("李明", "李明", id="another-script"),
    ],
)
def test_one_spelling_for_what_looks_the_same(typed, name):
    assert normalise_name(typed) == name
    assert check_name(name) == ""


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("Ad\u200ba", id="zero-width-space"),
        pytest.param("Ad\u200da", id="joiner"),
        pytest.param("\u202eadA", id="right-to-left-override"),
        pytest.param("Ad\x00a", id="nul"),
        pytest.param("Ad\na", id="line-break"),
        pytest.param("Ad\ta", id="tab"),
        pytest.param("Ad\u2028a", id="line-separator"),
        pytest.param("Ad\u1680a", id="ogham-space"),
        pytest.param("Ad\u3164a", id="hangul-filler"),
        pytest.param("Ad\u2800a", id="empty-braille"),
        pytest.param("Ad\ud800a", id="lone-surrogate"),
        pytest.param("Ad\ue000a", id="private-use"),
        pytest.param("Ad\u0378a", id="unassigned"),
    ],
)
def test_what_cannot_be_seen_is_named_and_refused(typed):
    assert "which cannot be seen" in check_name(normalise_name(typed))


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        pytest.param("", "A username is required.", id="empty"),
        pytest.param(" \u2003 ", "A username is required.", id="spaces-alone"),
        pytest.param("n" * 61, "A username may have 60 characters; this one has 61.", id="long"),
        pytest.param("n" * 9000, "A username may have 60 characters; this one has 9000.", id="endless"),
    ],
)
def test_a_name_has_1_to_60_characters(typed, complaint):
    assert check_name(normalise_name(typed)) == complaint
    assert check_name("n" * NAME_MAX) == ""


@given(st.text(st.characters(exclude_categories=()), max_size=80))
def test_any_text_has_one_spelling_or_a_complaint(typed):
    name = normalise_name(typed)
    assert normalise_name(name) == name
    if not check_name(name):
        assert 1 <= len(name) <= NAME_MAX
        name.encode()


def test_no_account_is_called_what_stands_where_none_is():
    for name in ("The  Command Line", "Deleted User", "ANONYMOUS", "anonym0us", "deIeted user"):
        assert "is kept for" in check_new_name(normalise_name(name)), name
    assert check_new_name("The commander") == ""
