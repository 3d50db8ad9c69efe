"""The text formats: what each lets an author write, and how the text becomes safe HTML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import nh3
from markupsafe import Markup, escape

from kernel.render.prose import add_links, add_paragraphs
from kernel.render.tags import DROPPED_WHOLE_TAGS, FILTERED_TAGS, FULL_TAGS
from kernel.render.urls import LINK_SCHEMES, is_safe_url

PLAIN_TEXT: Final = "plain_text"
FILTERED_HTML: Final = "filtered_html"
FULL_HTML: Final = "full_html"


@dataclass(frozen=True, slots=True)
class TextFormat:
    """`cleaner` is None where no markup is allowed at all."""

    cleaner: nh3.Cleaner | None
    makes_links: bool
    makes_paragraphs: bool


_FILTERED_ATTRIBUTES: Final = {
    "*": {"lang", "dir", "title"},
    "a": {"href", "hreflang"},
    "ol": {"start", "reversed", "type"},
    "blockquote": {"cite"},
    "q": {"cite"},
}
_FULL_ATTRIBUTES: Final = {
    **_FILTERED_ATTRIBUTES,
    "*": {"lang", "dir", "title", "class"},
    "img": {"src", "alt", "width", "height", "loading"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
    "details": {"open"},
    "col": {"span"},
    "colgroup": {"span"},
}


_URL_ATTRIBUTES: Final = frozenset({"cite", "href", "src"})


def _keep_attribute(_tag: str, name: str, value: str) -> str | None:
    """The cleaner's own check knows schemes; ours also knows disguises, and every attribute that holds an address."""
    return None if name in _URL_ATTRIBUTES and not is_safe_url(value) else value


def _cleaner(tags: frozenset[str], attributes: Mapping[str, set[str]], rel: str) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(tags),
        clean_content_tags=set(DROPPED_WHOLE_TAGS),
        attributes=dict(attributes),
        attribute_filter=_keep_attribute,
        url_schemes=set(LINK_SCHEMES),
        link_rel=rel,
        strip_comments=True,
    )


TEXT_FORMATS: Final[Mapping[str, TextFormat]] = {
    PLAIN_TEXT: TextFormat(None, makes_links=True, makes_paragraphs=True),
    FILTERED_HTML: TextFormat(
        _cleaner(FILTERED_TAGS, _FILTERED_ATTRIBUTES, "noopener nofollow"),
        makes_links=True,
        makes_paragraphs=True,
    ),
    FULL_HTML: TextFormat(
        _cleaner(FULL_TAGS, _FULL_ATTRIBUTES, "noopener"), makes_links=False, makes_paragraphs=False
    ),
}

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_FORMATTING: Final = re.compile(
    r"<(/?)(?:a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?=[\s/>])", re.IGNORECASE
)

# An HTML parser's work grows with the square of how deep elements nest, and of how many open formatting
# elements it must repeat in every paragraph. Real articles stay far below; these take about 50 ms.
_MOST_ELEMENTS: Final = 5_000
_MOST_REPEATED: Final = 200_000
_DEEPEST_FORMATTING: Final = 32


def format_text(value: str, name: str) -> Markup:
    """Text as safe HTML. A format that does not exist allows nothing: the text is shown as it was typed."""
    text = _UNSTORABLE.sub("\ufffd", value).replace("\r\n", "\n")
    chosen = TEXT_FORMATS.get(name)
    if chosen is None:
        return escape(text)
    html = str(escape(text)) if chosen.cleaner is None or _is_tangled(text) else chosen.cleaner.clean(text)
    if chosen.makes_links:
        html = add_links(html)
    if chosen.makes_paragraphs:
        html = add_paragraphs(html)
    return Markup(html)  # noqa: S704  # escaped or cleaned above; the two steps after that add only fixed tags


def _is_tangled(text: str) -> bool:
    """Whether parsing this could take out of proportion to its length."""
    opened = text.count("<") - text.count("</")
    if opened > _MOST_ELEMENTS:
        return True
    if opened * opened <= _MOST_REPEATED:
        return False
    depth = deepest = formatting = 0
    for match in _FORMATTING.finditer(text):
        if match.group(1):
            depth = max(0, depth - 1)
        else:
            depth += 1
            formatting += 1
            deepest = max(deepest, depth)
    return deepest > _DEEPEST_FORMATTING and formatting * opened > _MOST_REPEATED
