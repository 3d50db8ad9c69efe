"""Whoever silences a tool, or catches every exception, says why in a sentence."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable
from typing import Final

import pytest

from tests.checks.sources import Source, parse_all, refuse

SILENCED: Final = re.compile(
    r"#\s*(?P<what>type:\s*ignore|noqa|pragma:\s*no cover|fmt:\s*(?:off|skip))"
    r"(?P<codes>\[[\w\-, ]+\]|:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?"
    r"(?P<rest>.*)"
)
# Formatting and coverage have no codes to name.
CODELESS: Final = ("fmt", "pragma")
SENTENCE_WORDS: Final = 2


def comments(source: Source) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def is_sentence(text: str) -> bool:
    return len(re.findall(r"\w+", text)) >= SENTENCE_WORDS


def check_suppressions(tree: Iterable[Source]) -> list[str]:
    """A complaint for each silenced complaint of a tool without its code, or without a reason behind it."""
    complaints = []
    for source in tree:
        for line, comment in comments(source).items():
            found = SILENCED.search(comment)
            if not found:
                continue
            what = found["what"]
            if not found["codes"] and not what.startswith(CODELESS):
                complaints.append(source.at(line, f"{what} silences everything; name the code"))
            elif not is_sentence(SILENCED.sub(r"\g<rest>", found["rest"])):
                complaints.append(source.at(line, f"{what} without a sentence that says why"))
    return complaints


def check_broad_excepts(tree: Iterable[Source]) -> list[str]:
    """A complaint for each handler that keeps every exception to itself, with no comment beside it."""
    complaints = []
    for source in tree:
        notes = comments(source)
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = ast.unparse(node.type) if node.type else "BaseException"
            last = node.body[-1]
            if isinstance(last, ast.Raise) and last.exc is None:
                continue  # it clears up and lets the exception go on
            if re.search(r"\b(?:Base)?Exception\b", caught):
                near = " ".join(
                    notes.get(line, "") for line in range(node.lineno - 1, node.body[0].lineno + 1)
                )
                if not is_sentence(re.sub(r"#\s*noqa:\s*[A-Z]+\d+", "", near)):
                    complaints.append(
                        source.at(node.lineno, f"except {caught} without a sentence that says why")
                    )
    return complaints


def test_suppressions_of_the_tree_say_why(everything):
    refuse(check_suppressions(everything))


def test_broad_excepts_of_the_tree_say_why(product):
    refuse(check_broad_excepts(product))


@pytest.mark.parametrize(
    "comment",
    [
        "# type: ignore",
        "# type: ignore[arg-type]",
        "# type: ignore[arg-type]  # checked",
        "# noqa",
        "# noqa: B018",
        "# noqa: B018, E501  # long",
        "# type: ignore[arg-type]  # noqa: B018",
        "# pragma: no cover",
        "# fmt: off",
    ],
)
def test_a_suppression_without_a_reason_is_caught(comment):
    assert len(check_suppressions(parse_all({"kernel/item/save.py": f"x = 1  {comment}"}))) == 1


@pytest.mark.parametrize(
    "comment",
    [
        "# type: ignore[arg-type]  # the reader has checked it",
        "# noqa: B018  # a port that is not a number raises here",
        "# noqa: B018, E501  # the URL cannot be broken",
        "# type: ignore[arg-type]  # noqa: E501  # the stub of the library is wrong",
        "# the type: ignored is kept as it is",
    ],
)
def test_a_suppression_with_a_reason_passes(comment):
    assert check_suppressions(parse_all({"kernel/item/save.py": f"x = 1  {comment}"})) == []


@pytest.mark.parametrize(
    "handler",
    ["except Exception:", "except BaseException as error:", "except:", "except (ValueError, Exception):"],
)
def test_a_broad_except_without_a_reason_is_caught(handler):
    code = f"try:\n    x = 1\n{handler}\n    x = 2\n"
    assert len(check_broad_excepts(parse_all({"kernel/item/save.py": code}))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    x = 1\nexcept Exception:  # the commit stands whatever happens\n    x = 2\n",
        "try:\n    x = 1\nexcept Exception:\n    # The commit stands whatever happens.\n    x = 2\n",
        "try:\n    x = 1\nexcept BaseException:\n    x = 2\n    raise\n",
        "try:\n    x = 1\nexcept ValueError:\n    x = 2\n",
    ],
)
def test_a_broad_except_with_a_reason_passes(code):
    assert check_broad_excepts(parse_all({"kernel/item/save.py": code})) == []
