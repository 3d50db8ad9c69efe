"""Reads HTML as a suspicious person: collects every element and attribute, and says what could run."""

import html
import re
from html.parser import HTMLParser

NAMES = """
a abbr address article aside b bdi bdo blockquote br caption cite code col colgroup dd del details dfn div dl dt
em figcaption figure footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li mark nav ol p pre q s samp section
small span strong sub summary sup table tbody td tfoot th thead time tr u ul var wbr
"""
ALLOWED = frozenset(NAMES.split())
URL_ATTRIBUTES = frozenset(
    {"href", "src", "cite", "action", "formaction", "srcset", "xlink:href", "poster", "data"}
)
SAFE_SCHEME = re.compile(r"(?:https?|mailto|tel):|[^:]*(?:[/?#]|$)", re.IGNORECASE)


class StrictReader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.dangers = []
        self.elements = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ALLOWED:
            self.dangers.append(f"<{tag}>")
        for name, value in attrs:
            squeezed = re.sub(r"[\x00-\x20\x7f-\xa0\u200b-\u202e\ufeff]", "", html.unescape(value or ""))
            if name.startswith(("on", "data-js")) or name in {"style", "srcdoc"}:
                self.dangers.append(f"{tag} {name}")
            if name in URL_ATTRIBUTES and not SAFE_SCHEME.match(squeezed):
                self.dangers.append(f"{tag} {name}={value!r}")

    def handle_comment(self, data):
        self.dangers.append(f"<!--{data}")

    def handle_decl(self, decl):
        self.dangers.append(f"<!{decl}")

    def unknown_decl(self, data):
        self.dangers.append(f"<![{data}")

    def handle_pi(self, data):
        self.dangers.append(f"<?{data}")


def read_strictly(text):
    reader = StrictReader()
    reader.feed(str(text))
    reader.close()
    return reader


def find_dangers(text):
    return read_strictly(text).dangers
