"""Writes the table of taps for people, from the catalogue, into docs/plugins.md."""

from pathlib import Path
from typing import Final

from kernel.tap.catalogue import BACKGROUND_CPU_MS, TAPS, Tap

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"
BEGIN: Final = "<!-- taps: written by `python -m kernel.tap.document` -->"
END: Final = "<!-- end of taps -->"

_COMBINED: Final = {
    "collect": "each on its own",
    "accumulate": "each plugin sees the changes of those before it",
    "one": "one plugin is asked",
    "deny_wins": "one Deny wins; without one, a Grant",
}


def build_table() -> str:
    rows = ["| function | what it is for | answers | how answers combine | runs |", "|---|---|---|---|---|"]
    return "\n".join([*rows, *(_build_row(tap) for tap in TAPS)])


def update_document(text: str) -> str:
    """The document with the table as it is now. Raises ValueError when its place is not marked."""
    return replace_table(text, BEGIN, END, build_table())


def replace_table(text: str, begin: str, end: str, table: str) -> str:
    """The text with the table between two marks. Raises ValueError when they are not there."""
    before, begins, rest = text.partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f"The place of the table is not marked by {begin} and {end}.")
    return f"{before}{begin}\n{table}\n{end}{after}"


def _build_row(tap: Tap) -> str:
    time = (
        "in a request"
        if tap.where == "request"
        else f"in the background, up to {BACKGROUND_CPU_MS:,g} ms of CPU"
    )
    cells = (f"`{tap.signature}`", tap.summary, tap.answer, _COMBINED[tap.combine], time)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    DOCUMENT.write_text(update_document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
