"""The table of docs/observe.md is what the code counts."""

import re

from kernel.metrics import OF_THE_LEDGER, RECORDED
from tests.checks.sources import ROOT


def build_table():
    lines = ["| series | kind | labels | meaning |", "|---|---|---|---|"]
    for series in (*RECORDED, *OF_THE_LEDGER):
        name = f"{series.name}_total" if series.kind == "counter" else series.name
        labels = ", ".join(f"`{label}`" for label in series.labels) or "none"
        lines.append(f"| `{name}` | {series.kind} | {labels} | {series.meaning} |")
    return "\n".join(lines)


def test_the_series_are_those_of_the_code():
    text = (ROOT / "docs/observe.md").read_text(encoding="utf-8")
    part = re.search(r"<!-- series: made from [\w/.]+ -->\n(.*?)\n<!-- end of series -->", text, re.DOTALL)
    assert part, "docs/observe.md has lost its table of series"
    assert part[1] == build_table()
