"""An item type and its field definitions, read from data that a plugin or a row gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from kernel.names import is_machine_name

FieldKind = Literal["text", "text_long", "integer", "boolean", "date"]
FIELD_KINDS: Final[tuple[str, ...]] = get_args(FieldKind)

# Lengths in characters. A title is also a link text and a browser tab; a field is bounded by what one page can carry.
TITLE_MAX: Final = 255
TEXT_MAX: Final = 1_000
TEXT_LONG_MAX: Final = 200_000
FIELDS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """`name` starts with `field_`; `max_length` is in characters and concerns text kinds only."""

    name: str
    label: str
    kind: FieldKind
    required: bool = False
    help: str = ""
    max_length: int | None = None
    weight: int = 0
    default: Any = None

    @property
    def length_limit(self) -> int:
        ceiling = TEXT_LONG_MAX if self.kind == "text_long" else TEXT_MAX
        return min(self.max_length or ceiling, ceiling)

    def as_data(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label": self.label,
            "kind": self.kind,
            "required": self.required,
            "help": self.help,
            "max_length": self.max_length,
            "weight": self.weight,
            "default": self.default,
        }


@dataclass(frozen=True, slots=True)
class ItemType:
    """`fields` stand in the order in which forms and displays show them; `plugin` is who defines the type."""

    type: str
    label: str
    description: str = ""
    plugin: str | None = None
    fields: tuple[FieldDefinition, ...] = ()

    def find_field(self, name: str) -> FieldDefinition | None:
        return next((f for f in self.fields if f.name == name), None)


def read_field_definition(data: object) -> FieldDefinition:
    """From a plugin's or a row's data. Raises ValueError with a sentence that names the field and the mistake."""
    if not isinstance(data, Mapping):
        raise ValueError(f"a field must be an object, not {type(data).__name__}")  # noqa: TRY004  # one kind of complaint
    name = data.get("name")
    if not isinstance(name, str) or not name.startswith("field_") or not is_machine_name(name):
        raise ValueError(
            f"field name {name!r} must start with field_ and hold a-z, 0-9 and _ only, 32 at most"
        )
    kind = data.get("kind")
    if kind not in FIELD_KINDS:
        raise ValueError(f"{name}: kind {kind!r} is none of {', '.join(FIELD_KINDS)}")
    max_length = data.get("max_length")
    if max_length is not None and (type(max_length) is not int or max_length < 1):
        raise ValueError(f"{name}: max_length must be a positive whole number, not {max_length!r}")
    weight = data.get("weight", 0)
    if type(weight) is not int:
        raise ValueError(f"{name}: weight must be a whole number, not {weight!r}")
    return FieldDefinition(
        name=name,
        label=_short_text(data, "label", name),
        kind=kind,
        required=data.get("required") is True,
        help=_short_text(data, "help", ""),
        max_length=max_length,
        weight=weight,
        default=data.get("default"),
    )


def read_item_type(data: object, plugin: str | None) -> ItemType:
    """From one answer of `tap_item_info`. Raises ValueError with a sentence that names the mistake."""
    if not isinstance(data, Mapping):
        raise ValueError(f"an item type must be an object, not {type(data).__name__}")  # noqa: TRY004  # as above
    name = data.get("type")
    if not isinstance(name, str) or not is_machine_name(name):
        raise ValueError(f"type {name!r} must be a machine name: a-z, 0-9 and _, 32 characters at most")
    raw_fields = data.get("fields", [])
    if not isinstance(raw_fields, Sequence) or isinstance(raw_fields, str) or len(raw_fields) > FIELDS_MAX:
        raise ValueError(f"{name}: fields must be a list of {FIELDS_MAX} at most")
    return ItemType(
        type=name,
        label=_short_text(data, "label", name),
        description=_short_text(data, "description", ""),
        plugin=plugin,
        fields=order_fields([read_field_definition(f) for f in raw_fields]),
    )


def order_fields(fields: Sequence[FieldDefinition]) -> tuple[FieldDefinition, ...]:
    """By weight, then as given. Raises ValueError when a name stands twice."""
    names = [f.name for f in fields]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} is defined twice")
    return tuple(sorted(fields, key=lambda f: f.weight))


def merge_item_types(stored: ItemType, declared: ItemType) -> ItemType:
    """What a plugin declares, added to what stands: missing fields come in, nothing that stands is changed."""
    known = {f.name for f in stored.fields}
    added = [f for f in declared.fields if f.name not in known]
    return ItemType(
        type=stored.type,
        label=stored.label,
        description=stored.description,
        plugin=stored.plugin or declared.plugin,
        fields=order_fields([*stored.fields, *added]),
    )


def _short_text(data: Mapping[str, Any], key: str, default: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str) or len(value) > 500:
        raise ValueError(f"{key} must be text of 500 characters at most")
    return value or default
