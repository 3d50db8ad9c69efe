"""Names once the HTML elements that content may use, by what they may do."""

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Render trees. Elements that may hold blocks, and so formatted text, come first.
FLOW_TAGS: Final = _words("article aside blockquote details div figcaption figure footer header nav section")
CONTAINER_TAGS: Final = FLOW_TAGS | _words("address p span summary")
# No li, dt or dd: a browser would close the page's own list entry around the tree at them.
MARKUP_TAGS: Final = CONTAINER_TAGS | _words(
    "abbr b cite code del dfn em h1 h2 h3 h4 h5 h6 i ins kbd mark pre q s samp small strong sub sup time"
    " u var"
)
LIST_TAGS: Final = _words("ol ul")

# Text formats.
FILTERED_TAGS: Final = _words(
    "a abbr b blockquote br cite code dd del dl dt em h2 h3 h4 h5 h6 hr i ins kbd li mark ol p pre q s samp"
    " small strong sub sup u ul var"
)
FULL_TAGS: Final = FILTERED_TAGS | _words(
    "article aside bdi bdo caption col colgroup details dfn div figcaption figure footer h1 header img nav"
    " section span summary table tbody td tfoot th thead time tr wbr"
)
# What stands inside these is never meant to be read, so it goes with them.
DROPPED_WHOLE_TAGS: Final = _words("embed iframe math noscript object script style svg template title")

# What may stand in the middle of a line, and what has no end tag.
INLINE_TAGS: Final = _words(
    "a abbr b bdi bdo cite code del dfn em i img ins kbd mark q s samp small span strong sub sup time u var"
)
VOID_TAGS: Final = _words("br col hr img wbr")
