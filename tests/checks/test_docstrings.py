"""Every module says in its first sentence what it is for, and a package's `__init__` says only that."""

import ast
import re
from collections.abc import Iterable
from typing import Final

import pytest

from tests.checks.sources import PRODUCT, Source, parse_all, refuse

# A full stop, question or exclamation mark that ends a sentence, with another one after it.
SECOND_SENTENCE: Final = re.compile(r"[.?!]\s+[A-Z]")


def check_docstrings(tree: Iterable[Source]) -> list[str]:
    """A complaint for each module whose first paragraph is not one sentence."""
    complaints = []
    for source in tree:
        first = (ast.get_docstring(source.tree) or "").split("\n\n", 1)[0]
        if not first:
            complaints.append(source.at(1, "starts without a sentence that says what it is for"))
        elif not first.rstrip().endswith("."):
            complaints.append(source.at(1, "its first sentence has no full stop"))
        elif SECOND_SENTENCE.search(first):
            complaints.append(source.at(1, "says more than one sentence; put an empty line after the first"))
    return complaints


def check_package_files(tree: Iterable[Source]) -> list[str]:
    """A complaint for each `__init__.py` of the product that holds more than its docstring."""
    return [
        source.at(source.tree.body[1].lineno, "a package's __init__ holds its docstring alone")
        for source in tree
        if source.top in PRODUCT and source.stem == "__init__" and len(source.tree.body) > 1
    ]


def test_modules_of_the_tree_say_what_they_are_for(everything):
    refuse(check_docstrings(everything))


def test_packages_of_the_tree_have_nothing_to_import(product):
    refuse(check_package_files(product))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("", id="empty"),
        pytest.param("import json", id="no-docstring"),
        pytest.param("# Saves an item.\nimport json", id="a-comment-instead"),
        pytest.param('"""Saves an item"""', id="no-full-stop"),
        pytest.param('"""Saves an item. Also deletes it."""', id="two-sentences"),
        pytest.param('"""\n\nTakes a while to begin"""', id="no-full-stop-after-empty-lines"),
    ],
)
def test_a_module_that_does_not_say_what_it_is_for_is_caught(code):
    assert len(check_docstrings(parse_all({"kernel/item/save.py": code}))) == 1


@pytest.mark.parametrize(
    "code",
    [
        pytest.param('"""Saves an item."""', id="one-sentence"),
        pytest.param(
            '"""Saves an item.\n\nTwice, if need be. Never thrice."""', id="more-after-an-empty-line"
        ),
        pytest.param('"""Makes UUIDv7 ids (RFC 9562): sortable, to the\nmillisecond."""', id="two-lines"),
        pytest.param('"""Reads `{name}.info.toml`, version 1.5 and newer."""', id="stops-inside-words"),
    ],
)
def test_a_module_that_says_what_it_is_for_passes(code):
    assert check_docstrings(parse_all({"kernel/item/save.py": code})) == []


def test_a_package_file_with_something_to_import_is_caught():
    code = '"""Items."""\n\nfrom kernel.item.save import save_item\n'
    assert len(check_package_files(parse_all({"kernel/item/__init__.py": code}))) == 1


def test_a_package_file_with_its_docstring_passes_and_the_sdk_may_export():
    files = {
        "kernel/item/__init__.py": '"""Items."""',
        "plugins/sdk/x/__init__.py": '"""X."""\nfrom x.a import b',
    }
    assert check_package_files(parse_all(files)) == []
