"""Knows the static files: their addresses with a hash of the content, and the icons that may be drawn."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape

ICONS_FILE = "icons.svg"
_SYMBOL = re.compile(r'<symbol id="([a-z-]+)"')


@dataclass(frozen=True, slots=True)
class Assets:
    """`hashes` maps a path below the static folder to the start of its SHA-256: a changed file has a new
    address, so that a browser may keep the old one for ever."""

    hashes: Mapping[str, str]
    icons: frozenset[str]

    def url(self, path: str) -> str:
        """Raises LookupError for a file that does not exist."""
        return f"/static/{path}?v={self.hashes[path]}"

    def icon(self, name: str, label: str = "") -> Markup:
        """A symbol of icons.svg in the size and colour of the text. Without a label it only decorates.
        Raises LookupError for a symbol that does not exist."""
        if name not in self.icons:
            raise LookupError(f"{ICONS_FILE} has no symbol {name!r}")
        told = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
        target = escape(f"{self.url(ICONS_FILE)}#{name}")
        return Markup('<svg class="icon icon-{}" {}><use href="{}"></use></svg>').format(name, told, target)


def read_assets(static_dir: Path) -> Assets:
    hashes = {
        path.relative_to(static_dir).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        for path in sorted(static_dir.rglob("*"))
        if path.is_file()
    }
    icons = static_dir / ICONS_FILE
    names = _SYMBOL.findall(icons.read_text(encoding="utf-8")) if icons.is_file() else []
    return Assets(hashes, frozenset(names))
