"""Writes the table of taps for people, from the catalogue, into plugins/README.md."""

from pathlib import Path
from typing import Final

from kernel.tap.catalogue import BACKGROUND_CPU_MS, TAPS, Tap

README: Final = Path(__file__).resolve().parents[2] / "plugins" / "README.md"
BEGIN: Final = "<!-- taps: written by `python -m kernel.tap.document` -->"
END: Final = "<!-- end of taps -->"

_COMBINED: Final = {
    "collect": "each on its own",
    "accumulate": "each plugin sees the changes of those before it",
    "one": "one plugin is asked",
}


def build_table() -> str:
    rows = ["| function | what it is for | answers | how answers combine | runs |", "|---|---|---|---|---|"]
    return "\n".join([*rows, *(_build_row(tap) for tap in TAPS)])


def update_document(text: str) -> str:
    """The document with the table as it is now. Raises ValueError when its place is not marked."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The place of the table is not marked by {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{build_table()}\n{END}{after}"


def _build_row(tap: Tap) -> str:
    time = (
        "in a request"
        if tap.where == "request"
        else f"in the background, up to {BACKGROUND_CPU_MS:,g} ms of CPU"
    )
    cells = (f"`{tap.signature}`", tap.summary, tap.answer, _COMBINED[tap.combine], time)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    README.write_text(update_document(README.read_text(encoding="utf-8")), encoding="utf-8")
