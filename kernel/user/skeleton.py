"""What a name looks like: names that a reader takes for one another have the same skeleton.

As Unicode's technical standard 39 has it: each letter becomes the one that stands for all that look like it. Case does
not count, as nowhere with names. Skeletons are stored with the accounts, so another release of the table needs a
migration that empties the column; the next `trovato migrate` fills it.
"""

import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import confusable_homoglyphs
import orjson

# The table writes what runs from right to left between two of these.
_MARK: Final = "\u200e"


def build_skeleton(name: str) -> str:
    """Of a normalised name. Nothing to show, only to compare."""
    # In capitals other letters look alike than in small ones: I is taken for l, but i is not.
    return _replace(_replace(name).casefold()).casefold()


def _replace(text: str) -> str:
    table = _load_table()
    replaced = "".join(table.get(letter, letter) for letter in unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFD", replaced)


@cache
def _load_table() -> Mapping[str, str]:
    """The letter that stands for each that looks like it. Of the package only its table is read, and only once it is
    needed: its functions bring a client of HTTP with them."""
    document = orjson.loads((files(confusable_homoglyphs) / "confusables.json").read_bytes())
    similar = {
        letter.replace(_MARK, ""): [other["c"].replace(_MARK, "") for other in others]
        for letter, others in document.items()
    }
    return {letter: _choose(letter, similar) for letter in similar if len(letter) == 1}


def _choose(letter: str, similar: Mapping[str, list[str]]) -> str:
    """The table tells for each the one that stands for it, and for that one all the others."""
    (other, *more) = similar[letter]
    if more:
        return letter
    # Of two that have only each other any will do; one of several letters cannot be looked up.
    return other if len(similar[other]) > 1 else max(letter, other, key=lambda text: (len(text), text))
