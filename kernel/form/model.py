"""What a form is: elements in order, where it is sent, and what came back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

ElementKind = Literal[
    "textfield",
    "textarea",
    "formatted",
    "number",
    "checkbox",
    "checkboxes",
    "radios",
    "select",
    "date",
    "password",
    "hidden",
    "file",
    "submit",
    "markup",
    "fieldset",
]
# What a person chooses from options.
CHOICES: Final = frozenset({"select", "radios", "checkboxes"})
# They stand for themselves and send nothing.
_WITHOUT_VALUE: Final = frozenset({"markup"})


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds while another element of the form has one of these values; of a checkbox that is ticked it is "1"."""

    name: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Element:
    """One input, or a fieldset around some.

    The kind of an element decides the type of its value: text kinds, `select` and `radios` have a str, `number` an int
    or None, `date` an ISO date (`"2026-03-01"`) or None, `checkbox` a bool, `checkboxes` a list of str in the order of
    the options, and `formatted` a dict `{"value": str, "format": str}`. `default` has that type too. A `file` is its
    name; what is in it is read by whoever takes the form. A `submit` is one more button beside the form's own, and true
    when it was pressed. A `markup` is a sentence, its label, and has no value. `accept` names the kinds of files that a
    browser offers, `maximum` how many bytes one may have.

    `max_length` is in characters; `minimum` and `maximum` concern numbers; `options` are those of choices,
    the formats of a formatted text, or what a `textfield` suggests to whoever types into it. A `locked` element is
    shown but not changed: whatever is sent, its value is its default. So is that of one whose condition `shown_when`
    does not hold, and of one that was `removed`, which is not shown. A `side` fieldset stands in the panel beside the
    main column.
    """

    kind: ElementKind
    name: str
    label: str = ""
    help: str = ""
    required: bool = False
    default: Any = None
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    options: tuple[Option, ...] = ()
    rows: int = 5
    weight: int = 0
    autocomplete: str = ""
    autofocus: bool = False
    locked: bool = False
    removed: bool = False
    side: bool = False
    accept: str = ""
    shown_when: Condition | None = None
    children: tuple["Element", ...] = ()

    @property
    def is_visible(self) -> bool:
        """Whether somebody sees it who is shown the form; of a group, whether anything is left in it."""
        if self.children:
            return any(child.is_visible for child in self.children)
        return not self.removed and self.kind != "hidden"

    @property
    def format_name(self) -> str:
        """The name under which a formatted text sends its format."""
        return f"{self.name}__format"


@dataclass(frozen=True, slots=True)
class Form:
    """Made by `kernel.form.build.build_form`, which checks it. `cancel` is the path of a way out that changes
    nothing; `danger` marks a form whose button destroys something."""

    id: str
    action: str
    elements: tuple[Element, ...]
    submit: str
    title: str = ""
    intro: str = ""
    method: Literal["post", "get"] = "post"
    cancel: str = ""
    danger: bool = False

    @property
    def has_file(self) -> bool:
        return any(element.kind == "file" for element in self.inputs())

    def inputs(self) -> Iterator[Element]:
        """Every element that has a value, also inside fieldsets, in the order in which they are shown."""
        return _inputs(self.elements)


def _inputs(elements: tuple[Element, ...]) -> Iterator[Element]:
    for element in elements:
        if element.kind == "fieldset":
            yield from _inputs(element.children)
        elif element.kind not in _WITHOUT_VALUE:
            yield element


@dataclass(frozen=True, slots=True)
class Submission:
    """What somebody sent. `values` holds the good values by element name, `problems` a sentence for every
    other one (under "" for the form as a whole), `raw` what was typed but for passwords and files, to show it again."""

    values: dict[str, Any]
    problems: dict[str, str]
    raw: dict[str, Any]
    build_id: str = ""

    @property
    def is_valid(self) -> bool:
        return not self.problems
