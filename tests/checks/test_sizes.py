"""Modules and functions stay small enough to be read in one go."""

from collections.abc import Iterable
from typing import Final

from tests.checks.sources import Source, functions, parse, refuse

MODULE_LINES: Final = 400
FUNCTION_LINES: Final = 60
TEST_LINES: Final = 600
CONFTEST_LINES: Final = 150
# Path, or path and function with "::": why it is better whole. Keep this list short.
WAIVERS: Final[dict[str, str]] = {}


def limit_of(source: Source) -> int:
    if source.stem == "conftest":
        return CONFTEST_LINES
    return TEST_LINES if source.top == "tests" else MODULE_LINES


def check_sizes(tree: Iterable[Source]) -> list[str]:
    """A complaint for each module and function over its limit and without a waiver."""
    complaints = []
    for source in tree:
        lines, limit = source.text.count("\n"), limit_of(source)
        if lines > limit and source.path not in WAIVERS:
            complaints.append(source.at(1, f"{lines} lines, over {limit}; it holds more than one idea"))
        for name, function in functions(source):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES and f"{source.path}::{name}" not in WAIVERS:
                complaints.append(
                    source.at(function.lineno, f"{name} has {lines} lines, over {FUNCTION_LINES}")
                )
    return complaints


def find_stale_waivers(tree: Iterable[Source]) -> list[str]:
    """Waivers for what is gone."""
    known = set()
    for source in tree:
        known |= {source.path, *(f"{source.path}::{name}" for name, _ in functions(source))}
    return sorted(set(WAIVERS) - known)


def test_the_tree_is_in_small_pieces(everything):
    refuse(check_sizes(everything))


def test_every_waiver_names_something_that_exists(everything):
    refuse(find_stale_waivers(everything))


def lines_of(count: int) -> str:
    return "x = 1\n" * count


def function_of(count: int) -> str:
    return "class A:\n    async def run(self):\n" + "        x = 1\n" * (count - 1)


def test_what_is_too_long_is_caught():
    sources = [
        parse("kernel/item/save.py", lines_of(MODULE_LINES + 1)),
        parse("tests/kernel/test_save.py", lines_of(TEST_LINES + 1)),
        parse("tests/conftest.py", lines_of(CONFTEST_LINES + 1)),
        parse("web/pages.py", function_of(FUNCTION_LINES + 1)),
    ]
    assert check_sizes(sources) == [
        "kernel/item/save.py:1: 401 lines, over 400; it holds more than one idea",
        "tests/kernel/test_save.py:1: 601 lines, over 600; it holds more than one idea",
        "tests/conftest.py:1: 151 lines, over 150; it holds more than one idea",
        "web/pages.py:2: A.run has 61 lines, over 60",
    ]


def test_what_just_fits_passes():
    sources = [
        parse("kernel/item/save.py", lines_of(MODULE_LINES)),
        parse("tests/kernel/test_save.py", lines_of(TEST_LINES)),
        parse("tests/conftest.py", lines_of(CONFTEST_LINES)),
        parse("web/pages.py", function_of(FUNCTION_LINES)),
    ]
    assert check_sizes(sources) == []
