"""The plugin in an ordinary Python, with a stand-in for the kernel."""

import pytest
import reading_time
from trovato_sdk.testing import TestKernel


@pytest.fixture(autouse=True)
def new_instance():
    """Each test is a request of its own."""
    reading_time.get_words_per_minute.cache_clear()


def show(*, setting=None, **fields):
    """What is shown for an item with these values, or None."""
    variables = {} if setting is None else {"reading_time_words_per_minute": setting}
    with TestKernel(variables=variables) as kernel:
        item = {"fields": {name: {"value": value} for name, value in fields.items()}}
        shown = kernel.call(reading_time, "item_view", item=item)
    return shown and shown["#value"]


@pytest.mark.parametrize(("words", "told"), [(1, 1), (299, 1), (301, 2), (800, 4)])
def test_words_are_counted_without_their_tags(words, told):
    assert show(field_body="<p class='a b c'>word</p> " * words) == f"{told} min read"


@pytest.mark.parametrize(
    ("setting", "told"), [("100", 4), ("400", 1), ("0", 2), ("fast", 2), ("-5", 2), ("", 2), (None, 2)]
)
def test_the_site_says_how_fast_its_readers_are(setting, told):
    assert show(setting=setting, field_body="word " * 400) == f"{told} min read"


def test_all_long_texts_of_an_item_count():
    assert show(field_body="word " * 300, field_text="word " * 300) == "3 min read"


@pytest.mark.parametrize("fields", [{}, {"field_body": ""}, {"field_body": "<p></p>"}, {"field_other": "x"}])
def test_an_item_without_a_text_says_nothing(fields):
    assert show(**fields) is None


def test_what_the_author_says_is_not_said_again():
    assert show(field_body="word " * 400, field_reading_minutes=7) is None
