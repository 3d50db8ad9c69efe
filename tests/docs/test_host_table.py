"""The table of host functions in docs/plugins.md is that of kernel.wit and the kernel."""

import inspect
import re

from kernel.app.host_table import BEGIN, END, build_host_table, update_document
from kernel.host.table import list_host_functions
from kernel.tap.document import DOCUMENT


def test_the_document_is_current():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert update_document(text) == text, "run: python -m kernel.app.host_table"


def test_every_function_of_this_release_has_a_row_that_says_whether_it_waits(ledger):
    rows = dict(re.findall(r"^\| `([\w.-]+)\(.*\| (yes)? ?\| [^|]+ \|$", build_host_table(), re.MULTILINE))
    assert {name: waits == "yes" for name, waits in rows.items()} == {
        function.full_name: inspect.iscoroutinefunction(function.call)
        for function in list_host_functions(ledger)
    }


def test_a_function_that_may_refuse_has_its_codes():
    without = [
        row for row in build_host_table().splitlines()[2:] if "result<" in row and row.split(" | ")[2] == ""
    ]
    assert without == []


def test_what_stands_between_the_marks_is_replaced():
    assert update_document(f"before\n{BEGIN}\nold\n{END}\nafter").endswith(f" |\n{END}\nafter")
