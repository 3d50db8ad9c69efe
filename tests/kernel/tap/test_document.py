"""The table of taps in docs/plugins.md is that of the catalogue."""

import pytest

from kernel.tap.catalogue import TAPS
from kernel.tap.document import BEGIN, DOCUMENT, END, update_document


def test_the_document_is_current():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert update_document(text) == text, "run: python -m kernel.tap.document"
    assert all(f"| `{tap.signature}` |" in text for tap in TAPS)


def test_what_stands_between_the_marks_is_replaced_and_the_rest_kept():
    updated = update_document(f"before\n{BEGIN}\nold\n{END}\nafter")
    assert updated.startswith(f"before\n{BEGIN}\n| function |")
    assert updated.endswith(f"|\n{END}\nafter")


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}{BEGIN}"])
def test_a_document_without_the_marks_is_refused(text):
    with pytest.raises(ValueError, match="not marked"):
        update_document(text)
