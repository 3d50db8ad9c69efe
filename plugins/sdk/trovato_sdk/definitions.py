"""What a plugin declares: item types with their fields, pages in the menu, permissions, queues."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from trovato_sdk.render import RenderElement


class FieldType(StrEnum):
    """The kinds of fields; the value is what the kernel calls them."""

    TEXT = "text"
    TEXT_LONG = "text_long"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE = "date"


class AccessResult(StrEnum):
    """One Deny wins; without one, a Grant; without that, the role's permission decides."""

    GRANT = "grant"
    DENY = "deny"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """`name` begins with `field_`; `max_length` is in characters, for texts only; low weights come first."""

    name: str
    label: str
    type: FieldType = FieldType.TEXT
    required: bool = False
    help: str = ""
    max_length: int | None = None
    weight: int = 0
    default: str | int | bool | None = None

    def __post_init__(self) -> None:
        if not self.name.startswith("field_"):
            raise ValueError(f"A field's name begins with field_, so {self.name!r} cannot be one.")

    def as_data(self) -> dict[str, Any]:
        """In the form that the kernel reads."""
        return {
            "name": self.name,
            "label": self.label,
            "kind": self.type.value,
            "required": self.required,
            "help": self.help,
            "max_length": self.max_length,
            "weight": self.weight,
            "default": self.default,
        }


@dataclass(frozen=True, slots=True)
class ContentTypeDefinition:
    """An item type; `type` is its machine name."""

    type: str
    label: str
    description: str = ""
    fields: Sequence[FieldDefinition] = ()

    def as_data(self) -> dict[str, Any]:
        """In the form that the kernel reads."""
        return {
            "type": self.type,
            "label": self.label,
            "description": self.description,
            "fields": [definition.as_data() for definition in self.fields],
        }


@dataclass(frozen=True, slots=True)
class MenuDefinition:
    """A page of the plugin. `path` may hold `{name}` segments, or `{name:int}`, `{name:uuid}` and `{name:name}` ones,
    which take nothing else; `function` reaches the plugin's `page` tap as
    `request.function` and tells it which of its pages is wanted; without one the path leads to a page that
    exists anyway. `lists` names an item type whose newest items the kernel lists below. Without a permission
    everybody may see it. A task is a tab on the page of its parent."""

    path: str
    title: str
    function: str = ""
    lists: str = ""
    permission: str = ""
    parent: str = ""
    weight: int = 0
    is_task: bool = False

    def as_data(self) -> dict[str, Any]:
        """In the form that the kernel reads."""
        return {
            "path": self.path,
            "title": self.title,
            "function": self.function,
            "lists": self.lists,
            "permission": self.permission,
            "parent": self.parent,
            "weight": self.weight,
            "is_task": self.is_task,
        }


@dataclass(frozen=True, slots=True)
class PermissionDefinition:
    """`name` is what code asks for, for example "edit own blog content"; `title` is for administrators."""

    name: str
    title: str = ""
    description: str = ""

    def as_data(self) -> dict[str, Any]:
        """In the form that the kernel reads."""
        return {"name": self.name, "title": self.title or self.name, "description": self.description}


@dataclass(frozen=True, slots=True)
class QueueDefinition:
    """A queue; `name` belongs to the plugin, `label` is for administrators. `max_attempts` (1 to 10) is how often a
    piece of work is tried in all, `timeout_s` (1 to 60) how long one try may take. Left out, they are what the kernel
    thinks fit."""

    name: str
    label: str
    max_attempts: int | None = None
    timeout_s: int | None = None

    def as_data(self) -> dict[str, Any]:
        """In the form that the kernel reads."""
        data: dict[str, Any] = {"name": self.name, "label": self.label}
        if self.max_attempts is not None:
            data["max_attempts"] = self.max_attempts
        if self.timeout_s is not None:
            data["timeout_s"] = self.timeout_s
        return data


@dataclass(frozen=True, slots=True)
class Page:
    """What the `page` tap answers."""

    title: str
    content: RenderElement | None = field(default=None)

    def as_data(self) -> dict[str, Any]:
        """In the form that the kernel reads."""
        return {"title": self.title, "content": self.content}
