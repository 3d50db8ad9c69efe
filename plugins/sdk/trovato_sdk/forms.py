"""Forms of the site as a plugin is shown them: it adds inputs of its own and changes words of others.

Inputs of a plugin belong to it: their values come to its `form_validate` and `form_submit`. It can take away what
nobody has to fill in, but neither make a required input optional, nor see a password.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

FormElementKind = Literal[
    "textfield",
    "textarea",
    "number",
    "checkbox",
    "checkboxes",
    "radios",
    "select",
    "date",
    "markup",
]
_CHOICES: Final = frozenset({"select", "radios", "checkboxes"})


@dataclass(frozen=True, slots=True)
class FormElement:
    """One input. `options` are (value, label) pairs of a select, of radios and of checkboxes; `max_length` is in
    characters. A "markup" element is a sentence, its `label`."""

    kind: FormElementKind
    name: str
    label: str
    help: str = ""
    required: bool = False
    weight: int = 0
    default: Any = None
    options: tuple[tuple[str, str], ...] = ()
    max_length: int | None = None

    def as_data(self) -> dict[str, Any]:
        """For the kernel, without what is as usual."""
        data: dict[str, Any] = {"kind": self.kind, "name": self.name, "label": self.label}
        for key, usual in (("help", ""), ("required", False), ("weight", 0), ("default", None)):
            if (value := getattr(self, key)) != usual:
                data[key] = value
        if self.kind in _CHOICES:
            data["options"] = [list(option) for option in self.options]
        if self.max_length is not None:
            data["max_length"] = self.max_length
        return data


class Form:
    """What `form_alter(form)` is handed. `elements` are data as the kernel gives them: `{"kind", "name", "label", …}`,
    those within groups included."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.id: str = data["id"]
        self.title: str = data.get("title", "")
        self.elements: list[dict[str, Any]] = data.get("elements", [])
        self._added: list[FormElement] = []
        self._changed: dict[str, dict[str, Any]] = {}
        self._removed: list[str] = []

    def add(self, *elements: FormElement) -> None:
        """Put inputs of the plugin into the form, by weight among the others."""
        self._added += elements

    def change(
        self,
        name: str,
        *,
        label: str | None = None,
        help: str | None = None,  # noqa: A002  # the kernel's word for it
        required: bool | None = None,
        weight: int | None = None,
    ) -> None:
        """Other words, another place, or that an input must be filled in. Raises KeyError where there is none."""
        self._require(name)
        wanted = {"label": label, "help": help, "required": required, "weight": weight}
        changed = self._changed.setdefault(name, {})
        changed.update({key: value for key, value in wanted.items() if value is not None})

    def remove(self, name: str) -> None:
        """Ask for it no more; what is stored stays. Raises KeyError where there is none."""
        self._require(name)
        self._removed.append(name)

    def _require(self, name: str) -> None:
        if all(element["name"] != name for element in self.elements):
            raise KeyError(f"{self.id} has no element {name}")

    @property
    def changes(self) -> dict[str, Any] | None:
        """What the kernel is told; None when nothing was changed."""
        if not self._added and not self._changed and not self._removed:
            return None
        added = [element.as_data() for element in self._added]
        return {"add": added, "change": self._changed, "remove": self._removed}
