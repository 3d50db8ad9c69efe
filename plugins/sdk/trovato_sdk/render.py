"""Render elements: what a plugin shows, as a tree that the kernel turns into safe HTML.

Children are other elements. Those given in order get names by themselves; those given by keyword keep their
name, under which other plugins find them. Texts are escaped unless a text format is named.
"""

from collections.abc import Iterable, Sequence
from typing import Any

Attributes = dict[str, str | int | bool | list[str]]


class RenderElement(dict[str, Any]):
    """A tree's element in the kernel's own form: `#type`, `#tag`, `#value`, … and children by name."""

    def add(self, child: "RenderElement | None", name: str | None = None) -> "RenderElement":
        """Put a child behind the others; None adds nothing. The element itself, to go on with."""
        if child is not None:
            self[name or f"child_{len(self)}"] = child
        return self


def container(
    *children: RenderElement | None,
    tag: str | None = None,
    classes: str | Sequence[str] = (),
    attributes: Attributes | None = None,
    weight: float | None = None,
    **named: RenderElement | None,
) -> RenderElement:
    """A box around children, `<div>` unless `tag` says otherwise. Children that are None are left out."""
    element = _element("container", tag=tag, classes=classes, attributes=attributes, weight=weight)
    return _with_children(element, children, named)


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
    element = _element("markup", tag=tag, classes=classes, attributes=attributes, weight=weight)
    element["#value"] = value
    if format is not None:
        element["#format"] = format
    return _with_children(element, children, {})


def link(
    text: str | float,
    href: str,
    *children: RenderElement | None,
    classes: str | Sequence[str] = (),
    attributes: Attributes | None = None,
    weight: float | None = None,
) -> RenderElement:
    """A link; `href` is a path of this site or an http, https or mailto address."""
    element = _element(
        "link", classes=classes, attributes={"href": href, **(attributes or {})}, weight=weight
    )
    element["#value"] = text
    return _with_children(element, children, {})


def image(
    src: str,
    alt: str,
    *,
    classes: str | Sequence[str] = (),
    attributes: Attributes | None = None,
    weight: float | None = None,
) -> RenderElement:
    """An image; `alt` says what it shows, and is empty for one that only decorates."""
    given: Attributes = {"src": src, "alt": alt, **(attributes or {})}
    return _element("image", classes=classes, attributes=given, weight=weight)


def list_(
    items: Iterable[RenderElement | str | float],
    *,
    ordered: bool = False,
    classes: str | Sequence[str] = (),
    attributes: Attributes | None = None,
    weight: float | None = None,
) -> RenderElement:
    """A list of elements or texts; `ordered` numbers them."""
    tag = "ol" if ordered else None
    element = _element("list", tag=tag, classes=classes, attributes=attributes, weight=weight)
    element["#items"] = list(items)
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
    element = _element("table", classes=classes, attributes=attributes, weight=weight)
    if caption is not None:
        element["#caption"] = caption
    if header:
        element["#header"] = list(header)
    element["#rows"] = [list(row) for row in rows]
    return element


def _element(
    kind: str,
    *,
    tag: str | None = None,
    classes: str | Sequence[str] = (),
    attributes: Attributes | None = None,
    weight: float | None = None,
) -> RenderElement:
    element = RenderElement({"#type": kind})
    if tag is not None:
        element["#tag"] = tag
    if weight is not None:
        element["#weight"] = weight
    if classes or attributes:
        given: Attributes = dict(attributes or {})
        if classes:
            given["class"] = classes.split() if isinstance(classes, str) else list(classes)
        element["#attributes"] = given
    return element


def _with_children(
    element: RenderElement, children: Iterable[RenderElement | None], named: dict[str, RenderElement | None]
) -> RenderElement:
    for number, child in enumerate(children, 1):
        if child is not None:
            element[f"child_{number}"] = child
    for name, child in named.items():
        if child is not None:
            element[name] = child
    return element
