"""Turns a render tree, hostile until shown otherwise, into safe HTML and a list of complaints."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from time import perf_counter
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from kernel.profile import note_time
from kernel.render.attributes import find_check, is_switch, split_classes
from kernel.render.formats import TEXT_FORMATS, format_text
from kernel.render.tags import CONTAINER_TAGS, FLOW_TAGS, LIST_TAGS, MARKUP_TAGS


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """`chars` counts text and attributes after escaping; `depth` counts elements inside elements."""

    depth: int = 24
    elements: int = 5_000
    chars: int = 1_000_000
    complaints: int = 20


@dataclass(frozen=True, slots=True)
class Rendered:
    """`complaints` say what was left out and why: for the log and for administrators, never for visitors."""

    html: Markup
    complaints: tuple[str, ...] = ()


DEFAULT_LIMITS: Final = TreeLimits()
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_LARGEST_NUMBER: Final = 2**63

# Any, since nothing of it is checked yet: names may be no text at all.
Element = dict[Any, Any]


def render_tree(tree: object, *, name: str = "tree", limits: TreeLimits = DEFAULT_LIMITS) -> Rendered:
    """Never raises: what is wrong is left out and complained of. `name` starts each complaint's path."""
    if tree is None:
        return Rendered(Markup(""))
    started = perf_counter()
    writer = _Writer(limits)
    writer.element(tree, _At(name))
    html = "".join(writer.out)
    if not html.isascii() or "\x00" in html:
        html = _UNSTORABLE.sub("\ufffd", html)
    note_time("render", perf_counter() - started)
    return Rendered(Markup(html), tuple(writer.complaints))  # noqa: S704  # every piece was escaped or cleaned


class _At(NamedTuple):
    """Where an element stands: its path for complaints, its depth for the limit."""

    path: str
    depth: int = 0
    in_link: bool = False

    def child(self, name: str) -> "_At":
        return _At(f"{self.path}/{name}", self.depth + 1, self.in_link)


class _Writer:
    """Writes HTML in pieces into one list; all text of the tree goes through `escape` or a format."""

    __slots__ = ("chars", "complaints", "count", "full", "limits", "out")

    def __init__(self, limits: TreeLimits) -> None:
        self.limits = limits
        self.out: list[str] = []
        self.complaints: list[str] = []
        self.count = 0
        self.chars = 0
        self.full = False

    # Elements ---------------------------------------------------------------------------------------------

    def element(self, element: object, at: _At) -> None:
        if self.full:
            return
        if type(element) is not dict:
            self.complain(at.path, f"must be an object, not {_kind(element)}")
            return
        if not self.counts(at.path):
            return
        if at.depth >= self.limits.depth:
            self.complain(at.path, f"is nested more than {self.limits.depth} deep")
            return
        kind = element.get("#type")
        write = _WRITERS.get(kind) if isinstance(kind, str) else None
        if write is None:
            self.complain(at.path, f"#type {_show(kind)} is none of {', '.join(_WRITERS)}")
            return
        write(self, element, at)

    def write_container(self, element: Element, at: _At) -> None:
        tag = self.tag(element, at.path, "div", CONTAINER_TAGS)
        self.around(tag, self.attributes(element, tag, at.path), element, at)

    def write_markup(self, element: Element, at: _At) -> None:
        formatted = element.get("#format") is not None
        tag = self.tag(element, at.path, "div" if formatted else "span", MARKUP_TAGS)
        if formatted and tag not in FLOW_TAGS:
            # A browser closes <p> at the first paragraph inside it; the class would stay on an empty element.
            self.complain(at.path, f"#tag {tag} cannot hold formatted text, div is used")
            tag = "div"
        self.around(tag, self.attributes(element, tag, at.path), element, at)

    def write_link(self, element: Element, at: _At) -> None:
        attributes = self.attributes(element, "a", at.path)
        if at.in_link or ' href="' not in attributes:
            self.complain(
                at.path, "is a link inside a link" if at.in_link else "has no usable href in #attributes"
            )
            self.around("span", "", element, at)
            return
        if ' target="' in attributes:
            attributes += ' rel="noopener"'
        self.around("a", attributes, element, at._replace(in_link=True))

    def around(self, tag: str, attributes: str, element: Element, at: _At) -> None:
        self.out.append(f"<{tag}{attributes}>")
        self.value(element, at.path)
        for name, child in self.sorted_children(element, at.path):
            self.element(child, at.child(name))
        self.out.append(f"</{tag}>")

    def write_image(self, element: Element, at: _At) -> None:
        attributes = self.attributes(element, "img", at.path)
        if ' src="' not in attributes:
            self.complain(at.path, "has no usable src in #attributes")
            return
        if " alt=" not in attributes:
            self.complain(at.path, 'has no alt text; "" is for an image that only decorates')
            attributes += ' alt=""'
        self.out.append(f'<img{attributes} loading="lazy" decoding="async">')

    def write_list(self, element: Element, at: _At) -> None:
        tag = self.tag(element, at.path, "ul", LIST_TAGS)
        self.out.append(f"<{tag}{self.attributes(element, tag, at.path)}>")
        for index, entry in enumerate(self.sequence(element, "#items", at.path)):
            self.cell("li", entry, at.child(f"#items[{index}]"))
        for name, child in self.sorted_children(element, at.path):
            self.cell("li", child, at.child(name))
        self.out.append(f"</{tag}>")

    def write_table(self, element: Element, at: _At) -> None:
        self.out.append(f"<table{self.attributes(element, 'table', at.path)}>")
        caption = self.text(element.get("#caption"), at.path)
        if caption:
            self.out.append(f"<caption>{caption}</caption>")
        header = self.sequence(element, "#header", at.path)
        if header:
            self.out.append("<thead>")
            self.row('th scope="col"', header, at.child("#header"))
            self.out.append("</thead>")
        self.out.append("<tbody>")
        for index, row in enumerate(self.sequence(element, "#rows", at.path)):
            if isinstance(row, list):
                self.row("td", row, at.child(f"#rows[{index}]"))
            else:
                self.complain(at.path, f"#rows[{index}] must be a list of cells, not {_kind(row)}")
        self.out.append("</tbody></table>")

    def row(self, tag: str, cells: list[object], at: _At) -> None:
        if not self.counts(at.path):
            return
        self.out.append("<tr>")
        for index, entry in enumerate(cells):
            self.cell(tag, entry, _At(f"{at.path}[{index}]", at.depth, at.in_link))
        self.out.append("</tr>")

    def cell(self, tag: str, entry: object, at: _At) -> None:
        """A table's cell or a list's entry: an element, or plain text."""
        if not self.counts(at.path):
            return
        self.out.append(f"<{tag}>")
        if isinstance(entry, dict):
            self.element(entry, at)
        else:
            self.out.append(self.text(entry, at.path))
        self.out.append(f"</{tag.partition(' ')[0]}>")

    # Parts of an element ----------------------------------------------------------------------------------

    def tag(self, element: Element, path: str, default: str, allowed: frozenset[str]) -> str:
        tag = element.get("#tag")
        if tag is None:
            return default
        if isinstance(tag, str) and tag in allowed:
            return tag
        self.complain(path, f"#tag {_show(tag)} is not allowed here, {default} is used")
        return default

    def value(self, element: Element, path: str) -> None:
        value = element.get("#value")
        if value is None:
            return
        name = element.get("#format")
        if name is None:
            self.out.append(self.text(value, path))
        elif isinstance(name, str) and name in TEXT_FORMATS and isinstance(value, str):
            if self.has_room(len(value), path):
                html = str(format_text(value, name))
                if self.has_room(len(html), path):
                    self.chars += len(html)
                    self.out.append(html)
        else:
            if isinstance(value, str):
                self.complain(path, f"#format {_show(name)} does not exist, the text is escaped")
            self.out.append(self.text(value, path))

    def text(self, value: object, path: str) -> str:
        """A text or a number, escaped; the empty text for what is neither."""
        kind = type(value)
        if kind is str:
            text = escape(value)  # type: ignore[arg-type]  # narrowed by `kind`, quicker than isinstance
        elif value is None:
            return ""
        elif (kind is int or kind is float) and -_LARGEST_NUMBER < value < _LARGEST_NUMBER:  # type: ignore[operator]  # as above
            text = str(value)
        else:
            self.complain(path, f"must be text or a number, not {_kind(value)}")
            return ""
        if not self.has_room(len(text), path):
            return ""
        self.chars += len(text)
        return text

    def attributes(self, element: Element, tag: str, path: str) -> str:
        raw = element.get("#attributes")
        if raw is None:
            return ""
        if not isinstance(raw, dict):
            self.complain(path, f"#attributes must be an object, not {_kind(raw)}")
            return ""
        pieces: list[str] = []
        for name, value in raw.items():
            if name == "class":
                good, bad = split_classes(value)
                if bad:
                    self.complain(path, f"class {_show(bad[0])} is not allowed")
                text = " ".join(good)
                if not text:
                    continue
            else:
                checked = self.attribute(tag, name, value, path)
                if checked is None:
                    continue
                text = checked
            if not self.has_room(len(text), path):
                break
            self.chars += len(text)
            pieces.append(f' {name}="{escape(text)}"' if text or not is_switch(tag, name) else f" {name}")
        return "".join(pieces)

    def attribute(self, tag: str, name: object, value: object, path: str) -> str | None:
        if not isinstance(name, str):
            self.complain(path, f"attribute names must be text, not {_kind(name)}")
            return None
        if is_switch(tag, name):
            return "" if value is True else None
        check = find_check(tag, name)
        if check is None:
            self.complain(path, f"attribute {_show(name)} is not allowed on {tag}")
            return None
        text = str(value) if type(value) is int and abs(value) < _LARGEST_NUMBER else value
        if not isinstance(text, str) or not check(text):
            self.complain(path, f"attribute {name} cannot be {_show(value)}")
            return None
        return text

    def sorted_children(self, element: Element, path: str) -> list[tuple[str, object]]:
        """By #weight, then as they stand; absent ones (null) are left out without a complaint."""
        found: list[tuple[float, str, object]] = []
        for name, child in element.items():
            if not isinstance(name, str):
                self.complain(path, f"names of children must be text, not {_kind(name)}")
            elif name[:1] != "#" and child is not None:
                found.append((self.weight(child, path, name), name, child))
        if len(found) > 1:
            found.sort(key=_by_weight)
        return [(name, child) for _, name, child in found]

    def weight(self, child: object, path: str, name: str) -> float:
        weight = child.get("#weight") if type(child) is dict else None
        if weight is None:
            return 0
        if (type(weight) is int or type(weight) is float) and -_LARGEST_NUMBER < weight < _LARGEST_NUMBER:
            return weight
        self.complain(f"{path}/{name}", f"#weight must be a number, not {_show(weight)}")
        return 0

    def sequence(self, element: Element, key: str, path: str) -> list[object]:
        value = element.get(key)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        self.complain(path, f"{key} must be a list, not {_kind(value)}")
        return []

    # Limits and complaints --------------------------------------------------------------------------------

    def counts(self, path: str) -> bool:
        """One more element; False when there are too many."""
        self.count += 1
        if self.count > self.limits.elements:
            self.stop(path, f"more than {self.limits.elements} elements")
        return not self.full

    def has_room(self, chars: int, path: str) -> bool:
        if self.chars + chars > self.limits.chars:
            self.stop(path, f"more than {self.limits.chars} characters")
        return not self.full

    def stop(self, path: str, why: str) -> None:
        if not self.full:
            self.complain(path, f"and the rest is left out: {why}")
        self.full = True

    def complain(self, path: str, what: str) -> None:
        room = self.limits.complaints - len(self.complaints)
        if room > 1:
            self.complaints.append(f"{path[:200]} {what}")
        elif room == 1:
            self.complaints.append("and there is more")


_Write = Callable[[_Writer, Element, _At], None]
_WRITERS: Final[Mapping[str, _Write]] = {
    "container": _Writer.write_container,
    "markup": _Writer.write_markup,
    "link": _Writer.write_link,
    "table": _Writer.write_table,
    "list": _Writer.write_list,
    "image": _Writer.write_image,
}


def _by_weight(child: tuple[float, str, object]) -> float:
    return child[0]


def _kind(value: object) -> str:
    """The type's name as a person who writes JSON knows it."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _show(value: object) -> str:
    """A value as it may stand in a complaint: short, on one line, printable."""
    return ascii(value[:60]) if isinstance(value, str) else _kind(value)
