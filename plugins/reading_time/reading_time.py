"""Says how long it takes to read an item: "3 min read", for every type with a long text."""

import re
from functools import cache

from trovato_sdk import Item, RenderElement, markup, tap, variables

# The manifest has to name them, and fields of another type's plugin are seen by no other way.
LONG_TEXTS = ("field_body", "field_text", "field_description")
HTML_TAG = re.compile(r"<[^>]*>")


@tap
def item_view(item: Item) -> RenderElement | None:
    if item.integer("field_reading_minutes"):
        return None  # An author who knows better has said it, and the plugin of the type shows it.
    words = sum(count_words(item.text(name) or "") for name in LONG_TEXTS)
    if words == 0:
        return None
    minutes = max(1, round(words / get_words_per_minute()))
    return markup(f"{minutes} min read", tag="p", classes="reading-time")


def count_words(html: str) -> int:
    return len(HTML_TAG.sub(" ", html).split())


@cache  # An instance is of one request: a list of a hundred items asks once.
def get_words_per_minute() -> int:
    given = variables.get("reading_time_words_per_minute", "200")
    return int(given) if given.isdecimal() and int(given) > 0 else 200
