"""Reads documents the way their tests need them: rows of tables, blocks of code."""

import re
from dataclasses import dataclass

from tests.fixtures.database import ROOT


@dataclass(frozen=True)
class Row:
    """`looks` matches the message that the document shows."""

    code: str
    looks: re.Pattern
    written: str


def read_rows(path, section):
    """Rows of the first table under a heading, by their first cell; the second holds a message with `…` for what
    differs."""
    text = (ROOT / path).read_text(encoding="utf-8")
    body = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    rows = {}
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| ") and cells[0] != "code":
            written = cells[1].removeprefix("`").removesuffix("`")
            pattern = ".*".join(map(re.escape, written.split("…")))
            assert cells[0] not in rows
            rows[cells[0]] = Row(cells[0], re.compile(pattern, re.DOTALL), written)
    assert rows
    return rows
