"""Every place of a render tree where somebody else's text can stand."""

from kernel.render.formats import TEXT_FORMATS


def build_trees(text):
    """Name and tree of each position that takes any text."""
    for name in ("plain_text", "filtered_html", "full_html", "no_such_format", None):
        yield f"markup {name}", {"#type": "markup", "#value": text, **({"#format": name} if name else {})}
    yield "container value", {"#type": "container", "#value": text}
    yield "link text", {"#type": "link", "#value": text, "#attributes": {"href": "/"}}
    yield "table", {"#type": "table", "#caption": text, "#header": [text], "#rows": [[text]]}
    yield "list", {"#type": "list", "#items": [text]}
    yield "child name", {"#type": "container", text: {"#type": "markup", "#value": "x"}}
    yield "type", {"#type": text}
    yield "tag", {"#type": "markup", "#tag": text, "#value": "x"}
    yield "weight", {"#type": "container", "x": {"#type": "markup", "#value": "x", "#weight": text}}
    yield "attribute name", {"#type": "markup", "#value": "x", "#attributes": {text: "x"}}
    for name in (
        "class",
        "id",
        "title",
        "lang",
        "dir",
        "role",
        "style",
        "onclick",
        "aria-label",
        "data-x",
        "data-js",
    ):
        yield f"attribute {name}", {"#type": "markup", "#value": "x", "#attributes": {name: text}}
    yield "class list", {"#type": "markup", "#value": "x", "#attributes": {"class": [text, "good"]}}
    yield (
        "alt",
        {"#type": "image", "#attributes": {"src": "/x.png", "alt": text, "width": text, "srcset": text}},
    )
    yield "datetime", {"#type": "markup", "#tag": "time", "#value": "x", "#attributes": {"datetime": text}}


def build_url_trees(url):
    yield "href", {"#type": "link", "#value": "x", "#attributes": {"href": url}}
    yield "href on container", {"#type": "container", "#attributes": {"href": url}}
    yield "src", {"#type": "image", "#attributes": {"src": url, "alt": ""}}
    yield "cite", {"#type": "markup", "#tag": "blockquote", "#value": "x", "#attributes": {"cite": url}}
    yield "action", {"#type": "markup", "#value": "x", "#attributes": {"action": url, "formaction": url}}
    for quote in ("'", '"', ""):
        for tag in (
            f"<a href={quote}{url}{quote}>x</a>",
            f"<img src={quote}{url}{quote}>",
            f"<q cite={quote}{url}{quote}>x</q>",
        ):
            for name in TEXT_FORMATS:
                yield f"{name} {tag[:8]}", {"#type": "markup", "#value": tag, "#format": name}
