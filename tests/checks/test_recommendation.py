"""The recommendation on data access holds what whoever decides by it needs."""

import re

import pytest

from tests.checks.sources import ROOT

PAGE = ROOT / "docs" / "decisions" / "0001-data-access.md"


@pytest.mark.story("1.6")
def test_the_recommendation_has_numbers_a_verdict_and_a_way_back():
    text = PAGE.read_text()
    rows = {row.split("|")[1].strip(): row for row in text.splitlines() if row.startswith("| ")}
    for benchmark in (
        "500 calls, full JSON",
        "500 calls, handle",
        "100 parallel tasks",
        "100 concurrent calls",
    ):
        row = next(row for name, row in rows.items() if name.startswith(benchmark))
        assert re.search(r"\| [\d,]{2,}", row), f"{benchmark} has no number"
    assert "**Full JSON is the default.**" in text
    assert "The gate of the sandbox experiment: **passed**" in text
    assert re.search(r"## If it had failed.*Extism", text, re.DOTALL)


def test_every_benchmark_of_the_page_is_one_that_can_be_run():
    assert 'make bench args="sandbox"' in PAGE.read_text()
    assert (ROOT / "tests" / "bench" / "sandbox_bench.py").is_file()
