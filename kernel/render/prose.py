"""Makes paragraphs and links of what people typed; works on HTML that is clean already."""

import html
import re
from typing import Final

from kernel.render.tags import INLINE_TAGS, VOID_TAGS
from kernel.render.urls import is_safe_url

# Clean HTML quotes every attribute with ", so a tag ends at the first > outside quotes.
_ANY_TAG: Final = r'<[^>"]*(?:"[^"]*"[^>"]*)*>'
# A paragraph cannot hold another one, so it may be taken whole.
_TOKEN: Final = re.compile(rf"<p[ >].*?</p>|{_ANY_TAG}|[^<]+", re.DOTALL)
_TAG: Final = re.compile(r"<(/?)([a-z0-9]+)")
_BLANK_LINES: Final = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
# An address inside these is shown, not followed. In clean text & stands only in entities; &amp; is part of an
# address, every other entity ends it.
_ADDRESS: Final = re.compile(
    rf"<(a|code|kbd|pre|samp)[ >].*?</\1>|{_ANY_TAG}|\b(?P<address>(?:https?://|www\.)(?:[^\s<>\"'&]|&amp;)+)",
    re.DOTALL | re.IGNORECASE,
)


def add_links(clean: str) -> str:
    """Web addresses become links, except inside links and code."""
    if "://" not in clean and "www." not in clean.lower():
        return clean
    return _ADDRESS.sub(_link, clean)


def add_paragraphs(clean: str) -> str:
    """Blank lines outside blocks part paragraphs, single line ends there become breaks."""
    return _Paragraphs().build(clean)


def _link(match: re.Match[str]) -> str:
    found = match["address"]
    if found is None:
        return match.group()
    address = found.rstrip(".,;:!?*_")
    if address.endswith(")") and "(" not in address:
        address = address.rstrip(")")
    target = address if "://" in address[:8] else f"https://{address}"
    if not is_safe_url(html.unescape(target)):
        return found
    return f'<a href="{target}" rel="noopener nofollow">{address}</a>{found[len(address) :]}'


class _Paragraphs:
    """One pass over the tokens: `run` gathers what stands between two blocks until it is wrapped."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.run: list[str] = []
        self.run_holds_block = False
        self.blocks = 0
        self.inlines = 0

    def build(self, clean: str) -> str:
        for match in _TOKEN.finditer(clean):
            token = match.group()
            tag = _TAG.match(token)
            if tag is None:
                self._text(token)
            else:
                self._tag(token, tag.group(2), self._step(token, tag))
        self._flush()
        return "".join(self.out)

    def _text(self, text: str) -> None:
        if self.blocks:
            self.out.append(text)
        elif self.inlines:
            self.run.append(text.replace("\n", "<br>\n"))
        else:
            first, *others = _BLANK_LINES.split(text)
            self._append_line(first)
            for part in others:
                self._flush()
                self._append_line(part)

    def _append_line(self, text: str) -> None:
        text = text if self.run else text.lstrip()
        self.run.append(text.replace("\n", "<br>\n"))

    def _step(self, token: str, tag: re.Match[str]) -> int:
        """What the token does to the depth."""
        is_whole = tag.group(2) in VOID_TAGS or (token.endswith("</p>") and not tag.group(1))
        return 0 if is_whole else -1 if tag.group(1) else 1

    def _tag(self, token: str, name: str, step: int) -> None:
        if self.blocks:
            self.out.append(token)
            self.blocks += step if name not in INLINE_TAGS else 0
        elif name in INLINE_TAGS or name in {"br", "wbr"}:
            self.run.append(token)
            self.inlines += step
        elif self.inlines:
            # A block cannot be parted from the inline element around it; the run stays as it was written.
            self.run.append(token)
            self.run_holds_block = True
        else:
            self._flush()
            self.out.append(token)
            self.blocks += step

    def _flush(self) -> None:
        while self.run and self.run[-1].strip() in {"", "<br>"}:
            self.run.pop()
        text = "".join(self.run).rstrip().removesuffix("<br>")
        if text:
            self.out.append(text if self.run_holds_block else f"<p>{text}</p>\n")
        self.run.clear()
        self.run_holds_block = False
