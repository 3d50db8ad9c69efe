"""The table of docs/observe.md is what the code counts."""

import re

from kernel.jobs import JOB_KINDS
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


def test_alarms_are_made_of_series_and_labels_that_there_are():
    text = (ROOT / "docs/observe.md").read_text(encoding="utf-8")
    part = text.partition("## What to be woken for")[2].partition("## The log")[0]
    alarms = re.findall(r"^\|[^|`]+\| (.*`.+) \|$", part, re.MULTILINE)
    assert len(alarms) == 10
    labels = {series.name: series.labels for series in (*RECORDED, *OF_THE_LEDGER)}
    for name, given in re.findall(r"(trovato_\w+)(?:{([^}]*)})?", " ".join(alarms)):
        series = re.sub(r"_(total|bucket|count)$", "", name) if name not in labels else name
        assert series in labels
        assert {pair.split("=")[0].rstrip("!") for pair in given.split(",") if pair} <= set(labels[series])
    # A batch waits for hours behind others, and nothing is wrong.
    limited = {kind.name for kind in JOB_KINDS.values() if (kind.at_once or 1) > 1}
    (piled,) = [alarm for alarm in alarms if "oldest_wait" in alarm]
    assert set(re.findall(r'kind!="(\w+)"', piled)) == limited
