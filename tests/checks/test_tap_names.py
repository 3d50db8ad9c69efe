"""Taps are dispatched by their constants in the catalogue, never by a text."""

import re
from collections.abc import Iterable
from typing import Final

import pytest

from tests.checks.sources import Source, parse_all, refuse, texts

TAP: Final = re.compile(r"tap_[a-z][a-z_]*")
# The catalogue gives the names; the host answers plugins, which know a tap by nothing else.
PLACES: Final = ("kernel/tap/catalogue.py", "kernel/host/")


def check_tap_names(tree: Iterable[Source]) -> list[str]:
    return [
        source.at(line, f'"{text}": use the constant in kernel/tap/catalogue.py')
        for source in tree
        if not source.path.startswith(PLACES)
        for line, text in texts(source)
        if TAP.fullmatch(text)
    ]


def test_the_tree_names_taps_in_the_catalogue_alone(product):
    refuse(check_tap_names(product))


@pytest.mark.parametrize(
    "code",
    ['await dispatch(rt, ctx, "tap_item_view", payload)', 'TAPS = {"tap_menu": 1}', 'x = tap == "tap_perm"'],
)
def test_a_tap_named_by_a_text_is_caught(code):
    code = f"async def run(rt, ctx, tap, payload):\n    {code}"
    assert len(check_tap_names(parse_all({"kernel/item/view.py": code}))) == 1


def test_the_catalogue_constants_and_sentences_pass():
    files = {
        "kernel/tap/catalogue.py": 'ITEM_VIEW = Tap("tap_item_view")',
        "kernel/host/items.py": 'x = "tap_item_access"',
        "kernel/item/view.py": '"""Calls tap_item_view."""\nx = "tap_item_view failed"\ny = x.strip("tap_")',
    }
    assert check_tap_names(parse_all(files)) == []
