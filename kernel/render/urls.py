"""Decides whether an address that somebody else wrote may stand in a link or an image."""

import html
import re
from typing import Final

LINK_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})
IMAGE_SCHEMES: Final = frozenset({"http", "https"})

_LONGEST: Final = 2_000
# Browsers skip control characters and some blanks inside an address, and read a backslash as a slash: none of
# these belongs in an address, so what holds one was written to be misread.
_MISLEADING: Final = re.compile(
    r"[\x00-\x20\x7f-\xa0\\\u00ad\u1680\u180e\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u3000\ufeff\ud800-\udfff]"
)
_BEFORE_PATH: Final = re.compile(r"[^/?#]*")


def is_safe_url(url: str, schemes: frozenset[str] = LINK_SCHEMES) -> bool:
    """Whether it is relative or has one of these schemes, however it is disguised."""
    if not url or len(url) > _LONGEST:
        return False
    # An entity is text to us and would be escaped; it is undone all the same, only a trick would hold one.
    return _has_scheme_of(url, schemes) and ("&" not in url or _has_scheme_of(html.unescape(url), schemes))


def _has_scheme_of(url: str, schemes: frozenset[str]) -> bool:
    if _MISLEADING.search(url):
        return False
    start = _BEFORE_PATH.match(url)
    scheme, colon, _ = start.group().partition(":") if start else ("", "", "")
    return not colon or scheme.lower() in schemes
