"""Render elements: what a plugin shows, as a tree that the kernel turns into safe HTML.

Children are other elements. Those given in order get names by themselves; those given by keyword keep their
name, under which other plugins find them. Texts are escaped unless a text format is named.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# A plain dict, in the kernel's own form: `#type`, `#tag`, `#value`, … and children by name. A class of its own
# would double the time that it takes to send an answer.
RenderElement = dict[str, Any]
Attributes = Mapping[str, str | int | bool | list[str]]


def container(
    *children: RenderElement | None,
    tag: str | None = None,
    classes: str | Sequence[str] = (),
    attributes: Attributes | None = None,
    weight: float | None = None,
    **named: RenderElement | None,
) -> RenderElement:
    """A box around children, `<div>` unless `tag` says otherwise. Children that are None are left out."""
    element: RenderElement = {"#type": "container"}
    if tag is not None:
        element["#tag"] = tag
    if classes or attributes or weight is not None:
        _dress(element, classes, attributes, weight)
    if children:
        _adopt(element, children)
    for name, child in named.items():
        if child is not None:
            element[name] = child
    return element


def markup(
    value: str | float,
    *children: RenderElement | None,
    format: str | None = None,  # noqa: A002  # it is the name that the kernel uses
    tag: str | None = None,
    classes: str | Sequence[str] = (),
    attributes: Attributes | None = None,
    weight: float | None = None,
) -> RenderElement:
    """A text. With `format` ("filtered_html", "plain_text", "full_html") the kernel cleans its HTML."""
    element: RenderElement = {"#type": "markup", "#value": value}
    if format is not None:
        element["#format"] = format
    if tag is not None:
        element["#tag"] = tag
    if classes or attributes or weight is not None:
        _dress(element, classes, attributes, weight)
    if children:
        _adopt(element, children)
    return element


def link(
    text: str | float,
    href: str,
    *children: RenderElement | None,
    classes: str | Sequence[str] = (),
    attributes: Attributes | None = None,
    weight: float | None = None,
) -> RenderElement:
    """A link; `href` is a path of this site or an http, https or mailto address."""
    element: RenderElement = {"#type": "link", "#value": text}
    _dress(element, classes, {"href": href, **(attributes or {})}, weight)
    _adopt(element, children)
    return element


def image(
    src: str,
    alt: str,
    *,
    classes: str | Sequence[str] = (),
    attributes: Attributes | None = None,
    weight: float | None = None,
) -> RenderElement:
    """An image; `alt` says what it shows, and is empty for one that only decorates."""
    element: RenderElement = {"#type": "image"}
    _dress(element, classes, {"src": src, "alt": alt, **(attributes or {})}, weight)
    return element


def list_(
    items: Iterable[RenderElement | str | float],
    *,
    ordered: bool = False,
    classes: str | Sequence[str] = (),
    attributes: Attributes | None = None,
    weight: float | None = None,
) -> RenderElement:
    """A list of elements or texts; `ordered` numbers them."""
    element: RenderElement = {"#type": "list", "#items": list(items)}
    if ordered:
        element["#tag"] = "ol"
    _dress(element, classes, attributes, weight)
    return element


def table(
    rows: Iterable[Sequence[RenderElement | str | float | None]],
    *,
    header: Sequence[RenderElement | str | float] = (),
    caption: str | None = None,
    classes: str | Sequence[str] = (),
    attributes: Attributes | None = None,
    weight: float | None = None,
) -> RenderElement:
    """A table; each cell is an element, a text or a number."""
    element: RenderElement = {"#type": "table", "#rows": [list(row) for row in rows]}
    if header:
        element["#header"] = list(header)
    if caption is not None:
        element["#caption"] = caption
    _dress(element, classes, attributes, weight)
    return element


def _dress(
    element: RenderElement,
    classes: str | Sequence[str],
    attributes: Attributes | None,
    weight: float | None,
) -> None:
    if weight is not None:
        element["#weight"] = weight
    if classes or attributes:
        given: dict[str, Any] = dict(attributes or {})
        if classes:
            given["class"] = classes.split() if isinstance(classes, str) else list(classes)
        element["#attributes"] = given


def _adopt(element: RenderElement, children: Iterable[RenderElement | None]) -> None:
    for number, child in enumerate(children, 1):
        if child is not None:
            element[f"child_{number}"] = child
