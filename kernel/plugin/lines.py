"""Finds the line on which something stands in a TOML file; the standard library's parser keeps none."""

import re
from collections import Counter
from typing import Final

_TABLE: Final = re.compile(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?")
_KEY: Final = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"))*)\s*="""
)
_POSITION: Final = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


class Lines:
    """Line numbers of keys by their dotted name: `taps.options.tap_item_view.data_mode`. A table of a list has its
    number in the name, from 0: `tables.votes.indexes.0.columns`."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._places: dict[str, int] = {}
        table = ""
        counts: Counter[str] = Counter()
        for number, line in enumerate(self._lines, 1):
            header, key = _TABLE.fullmatch(line), _KEY.match(line)
            if header:
                table = _plain(header[1])
                self._note_table(table, number)
                if line.lstrip().startswith("[["):
                    counts[table] += 1
                    table = f"{table}.{counts[table] - 1}"
                    self._places[table] = number
            elif key:
                name = _plain(key[1])
                self._places.setdefault(f"{table}.{name}" if table else name, number)

    def _note_table(self, name: str, number: int) -> None:
        """The first table within another one is also where that one begins, unless it has a line of its own."""
        while name:
            self._places.setdefault(name, number)
            name = name.rpartition(".")[0]

    def find(self, name: str, value: object = None) -> int:
        """The line of the key, or of the text `value` in its list; else that of the table it belongs in."""
        while name and name not in self._places:
            name = name.rpartition(".")[0]
        line = self._places.get(name, 1)
        if isinstance(value, str):
            quoted = (f'"{value}"', f"'{value}'")
            for number in range(line, len(self._lines) + 1):
                if any(text in self._lines[number - 1] for text in quoted):
                    return number
        return line


def read_syntax_error(message: str, text: str) -> tuple[int, str]:
    """Line and sentence of what tomllib complains about."""
    found = _POSITION.search(message)
    line = int(found[1]) if found and found[1] else max(1, len(text.splitlines()))
    return line, _POSITION.sub("", message)


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
