"""The item that a tap is given: one way to read and change it, whichever data mode the manifest asks for."""

import json
from abc import ABC, abstractmethod
from typing import Any, NotRequired, TypedDict

from trovato_sdk.kernel import item_api

Value = str | int | bool | None


class Field(TypedDict):
    """A field as stored. `format` is the text format of a formatted text."""

    value: Value
    format: NotRequired[str]


class Item(ABC):
    """Reading what is not there, or is of another kind, gives None. Setters say whether the kernel takes the
    change: only taps that come before a save may change an item. A change is seen by later reads."""

    __slots__ = ()

    @property
    @abstractmethod
    def id(self) -> str:
        """The UUID."""

    @property
    @abstractmethod
    def type(self) -> str:
        """The machine name of the item's type."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The title."""

    @abstractmethod
    def field(self, name: str) -> Field | None:
        """The field as it is stored, with its text format; None where the item has none of that name."""

    @abstractmethod
    def text(self, name: str) -> str | None:
        """The field's value when it is a text, a long text or a date (ISO 8601), else None."""

    @abstractmethod
    def integer(self, name: str) -> int | None:
        """The field's value when it is a whole number, else None."""

    @abstractmethod
    def boolean(self, name: str) -> bool | None:
        """The field's value when it is true or false, else None."""

    @abstractmethod
    def set_title(self, title: str) -> bool:
        """Replace the title."""

    @abstractmethod
    def set_field(self, name: str, value: Value, *, format: str | None = None) -> bool:  # noqa: A002  # as in markup
        """Without `format` the field keeps its own."""

    @abstractmethod
    def set_text(self, name: str, value: str) -> bool:
        """Set the value to a text; the field keeps its format."""

    @abstractmethod
    def set_integer(self, name: str, value: int) -> bool:
        """Set the value to a whole number."""

    @abstractmethod
    def set_boolean(self, name: str, value: bool) -> bool:
        """Set the value to true or false."""


class ItemData(Item):
    """Data mode "full": everything is here already, and changes leave with the answer.

    Whether they are taken is decided then, so setters answer True. The other properties of an item exist in
    this mode alone.
    """

    __slots__ = ("_data", "_fields", "_new_fields", "_new_title")

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._fields: dict[str, Field] = data.get("fields", {})
        self._new_title: str | None = None
        self._new_fields: dict[str, Field] = {}

    @property
    def id(self) -> str:
        return self._text("id")

    @property
    def type(self) -> str:
        return self._text("type")

    @property
    def title(self) -> str:
        return self._text("title") if self._new_title is None else self._new_title

    @property
    def author_id(self) -> str:
        """The UUID of the user who wrote it; that of nobody is all zeros."""
        return self._text("author_id")

    @property
    def created(self) -> str:
        """ISO 8601."""
        return self._text("created")

    @property
    def changed(self) -> str:
        """ISO 8601."""
        return self._text("changed")

    @property
    def is_published(self) -> bool:
        """Whether visitors may see it."""
        return bool(self._data.get("status"))

    @property
    def is_promoted(self) -> bool:
        """Whether it stands on the front page."""
        return bool(self._data.get("promote"))

    @property
    def is_sticky(self) -> bool:
        """Whether it stands above the others in lists."""
        return bool(self._data.get("sticky"))

    def field(self, name: str) -> Field | None:
        old, new = self._fields.get(name), self._new_fields.get(name)
        return {**old, **new} if old and new else new or old

    def text(self, name: str) -> str | None:
        value = self._value(name)
        return value if isinstance(value, str) else None

    def integer(self, name: str) -> int | None:
        value = self._value(name)
        # A boolean is an integer to Python and to nobody else.
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def boolean(self, name: str) -> bool | None:
        value = self._value(name)
        return value if isinstance(value, bool) else None

    def set_title(self, title: str) -> bool:
        self._new_title = title
        return True

    def set_field(self, name: str, value: Value, *, format: str | None = None) -> bool:  # noqa: A002  # as above
        new: Field = {"value": value}
        if format is not None:
            new["format"] = format
        self._new_fields[name] = new
        return True

    def set_text(self, name: str, value: str) -> bool:
        return self.set_field(name, value)

    def set_integer(self, name: str, value: int) -> bool:
        return self.set_field(name, value)

    def set_boolean(self, name: str, value: bool) -> bool:
        return self.set_field(name, value)

    @property
    def changes(self) -> dict[str, Any]:
        """What was set, in the form in which the kernel takes it."""
        changes: dict[str, Any] = {}
        if self._new_title is not None:
            changes["title"] = self._new_title
        if self._new_fields:
            changes["fields"] = self._new_fields
        return changes

    def _text(self, key: str) -> str:
        value = self._data.get(key)
        return value if isinstance(value, str) else ""

    def _value(self, name: str) -> Value:
        field = self._new_fields.get(name) or self._fields.get(name)
        return field["value"] if field else None


class ItemHandle(Item):
    """Data mode "handle": each read and each change asks the kernel, during this call only."""

    __slots__ = ("_handle",)

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @property
    def id(self) -> str:
        return item_api.get_id(self._handle) or ""

    @property
    def type(self) -> str:
        return item_api.get_type(self._handle) or ""

    @property
    def title(self) -> str:
        return item_api.get_title(self._handle) or ""

    def field(self, name: str) -> Field | None:
        text = item_api.get_field(self._handle, name)
        if text is None:
            return None
        field: Field = json.loads(text)
        return field

    def text(self, name: str) -> str | None:
        return item_api.get_field_string(self._handle, name)

    def integer(self, name: str) -> int | None:
        return item_api.get_field_int(self._handle, name)

    def boolean(self, name: str) -> bool | None:
        return item_api.get_field_bool(self._handle, name)

    def set_title(self, title: str) -> bool:
        return item_api.set_title(self._handle, title)

    def set_field(self, name: str, value: Value, *, format: str | None = None) -> bool:  # noqa: A002  # as above
        field: Field = {"value": value}
        if format is not None:
            field["format"] = format
        return item_api.set_field(self._handle, name, json.dumps(field, ensure_ascii=False))

    def set_text(self, name: str, value: str) -> bool:
        return item_api.set_field_string(self._handle, name, value)

    def set_integer(self, name: str, value: int) -> bool:
        return item_api.set_field_int(self._handle, name, value)

    def set_boolean(self, name: str, value: bool) -> bool:
        return item_api.set_field_bool(self._handle, name, value)


def read_item(data: dict[str, Any]) -> ItemData | ItemHandle:
    """From a payload, in whichever mode it is."""
    handle = data.get("handle")
    return ItemData(data) if handle is None else ItemHandle(handle)
