"""Writes the table of host functions for people, from kernel.wit and the kernel's own, into docs/plugins.md."""

import inspect
import re
from typing import Any, Final, Self, cast

from kernel.host.table import list_host_functions
from kernel.ledger.ledger import Ledger
from kernel.sandbox.contract import WIT_FILE, read_contract
from kernel.sandbox.host import HostFunction
from kernel.tap.document import DOCUMENT, replace_table

BEGIN: Final = "<!-- host functions: written by `python -m kernel.app.host_table` -->"
END: Final = "<!-- end of host functions -->"

_INTERFACE: Final = re.compile(r"interface\s+([\w-]+)\s*\{(.*?)\n\}", re.DOTALL)
_FUNCTION: Final = re.compile(r"((?:[ \t]*///[^\n]*\n)+)[ \t]*([\w-]+)\s*:\s*func(\([^)]*\)[^;]*);")
_ERRORS: Final = re.compile(r"\s*Error codes:([^.]*)\.?", re.DOTALL)
_QUOTED: Final = re.compile(r'"([a-z-]+)"')
_WORD: Final = re.compile(r"[a-z]+(?:-[a-z]+)*")
_WRITES: Final = "all but `item_presave`, `item_access` and those that declare something"
# Where not every tap may call a function; the function itself refuses.
_TAPS: Final = {
    "item-api.save": _WRITES,
    "db.insert": _WRITES,
    "db.update": _WRITES,
    "db.delete": _WRITES,
    "variables.set": _WRITES,
    "queue-api.push": "all but `item_presave` and `item_access`",
    "http-api.fetch": "in the background, but `item_presave`",
}


class _Nothing:
    """Stands where the functions hold what they work with: they are described here, and never called."""

    def __getattr__(self, name: str) -> Self:
        return self


def build_host_table() -> str:
    """A row for each function that this release brings, in the order of kernel.wit."""
    functions = {f.full_name: f for f in list_host_functions(cast("Ledger", _Nothing()))}
    rows = ["| function | what it does | error codes | waits | taps |", "|---|---|---|---|---|"]
    described = _read_descriptions()
    for signature in read_contract().functions:
        function = functions.get(signature.full_name)
        if function is not None:
            rows.append(_build_row(function, *described[signature.full_name]))
    return "\n".join(rows)


def update_document(text: str) -> str:
    """The document with the table as it is now. Raises ValueError when its place is not marked."""
    return replace_table(text, BEGIN, END, build_host_table())


def _read_descriptions() -> dict[str, tuple[str, str]]:
    """Comment and signature of each function, by its full name."""
    text = WIT_FILE.read_text(encoding="utf-8")
    return {
        f"{interface}.{name}": (" ".join(re.sub(r"\s*///\s?", " ", comment).split()), signature)
        for interface, body in _INTERFACE.findall(text)
        for comment, name, signature in _FUNCTION.findall(body)
    }


def _build_row(function: HostFunction, comment: str, signature: str) -> str:
    told = _ERRORS.search(comment) or _ERRORS.search(_read_docstring(function.call))
    codes = _QUOTED.findall(told[1]) or _WORD.findall(told[1]) if told else []
    cells = (
        f"`{function.full_name}{' '.join(signature.split())}`",
        _ERRORS.sub("", comment).replace("|", "\\|"),
        ", ".join(f"`{code}`" for code in codes),
        "yes" if inspect.iscoroutinefunction(function.call) else "",
        _TAPS.get(function.full_name, "all"),
    )
    return f"| {' | '.join(cells)} |"


def _read_docstring(call: Any) -> str:
    return inspect.getdoc(call) or ""


if __name__ == "__main__":
    DOCUMENT.write_text(update_document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
