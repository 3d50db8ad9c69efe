"""One item as one plugin may see and change it during one call; both data modes go through it."""

from collections.abc import Mapping
from typing import Any, Final

from kernel.names import has_forbidden_text, is_machine_name
from kernel.tap.answers import LABEL_MAX

ItemData = Mapping[str, Any]

# In characters, and in fields per call. The save checks again, against the item type.
VALUE_MAX: Final = 200_000
CHANGES_MAX: Final = 64
_NAME_SHOWN: Final = 64

NOT_ASKED_FOR: Final = "the plugin's manifest does not ask for it"


class HandledItem:
    """`visible` are the names of the fields that exist for this plugin, None for all. Changes are kept apart
    from the item, so that a plugin which fails half-way has changed nothing. `refused` maps what a plugin that
    may change the item could not change to the reason."""

    __slots__ = ("_changed_fields", "_changed_title", "_item", "_may_change", "_visible", "refused")

    def __init__(self, item: ItemData, visible: frozenset[str] | None, *, may_change: bool) -> None:
        self._item = item
        self._visible = visible
        self._may_change = may_change
        self._changed_title: str | None = None
        self._changed_fields: dict[str, dict[str, Any]] = {}
        self.refused: dict[str, str] = {}

    @property
    def id(self) -> str:
        return str(self._item["id"])

    @property
    def type(self) -> str:
        return str(self._item["type"])

    @property
    def title(self) -> str:
        return str(self._item["title"]) if self._changed_title is None else self._changed_title

    def find_field(self, name: str) -> Mapping[str, Any] | None:
        if not self._is_visible(name):
            return None
        field: Mapping[str, Any] | None = self._changed_fields.get(name) or self._item["fields"].get(name)
        return field

    def set_title(self, title: str) -> bool:
        """False when this tap may not change items, or the text cannot be a title."""
        if not self._may_change:
            return False
        if not title.strip() or len(title) > LABEL_MAX or has_forbidden_text(title):
            return self._refuse("title", f"it must be text of 1 to {LABEL_MAX} characters")
        self._changed_title = title
        return True

    def set_field(self, name: str, new: Mapping[str, Any]) -> bool:
        """`new` holds a value and perhaps a format; without one the field keeps its own. False when this tap
        may not change items, the field is none of the plugin's, or the value is too large."""
        if not self._may_change:
            return False
        reason = self._find_reason(name, new["value"])
        if reason is not None:
            return self._refuse(name[:_NAME_SHOWN], reason)
        self._changed_fields[name] = {**(self.find_field(name) or {}), **new}
        return True

    def take_change(self, answer: Mapping[str, Any]) -> None:
        """Adds what a plugin answered instead of setting it through the handle, by the same rules."""
        if "title" in answer:
            self.set_title(answer["title"])
        for name, new in answer.get("fields", {}).items():
            self.set_field(name, new)

    def _find_reason(self, name: str, value: Any) -> str | None:
        if not is_machine_name(name) or not name.startswith("field_"):
            return "it is no field, whose name starts with field_"
        if not self._is_visible(name):
            return NOT_ASKED_FOR
        if isinstance(value, str) and len(value) > VALUE_MAX:
            return f"its text is longer than {VALUE_MAX:,} characters"
        if isinstance(value, str) and has_forbidden_text(value):
            return "its text holds a character that cannot be stored"
        if name not in self._changed_fields and len(self._changed_fields) >= CHANGES_MAX:
            return f"one call may change {CHANGES_MAX} fields"
        return None

    def _refuse(self, name: str, reason: str) -> bool:
        if len(self.refused) < CHANGES_MAX:
            self.refused[name] = reason
        return False

    @property
    def change(self) -> dict[str, Any]:
        """`{"title"?, "fields"?}`, empty when nothing was changed; a field is whole, format included."""
        change: dict[str, Any] = {}
        if self._changed_title is not None:
            change["title"] = self._changed_title
        if self._changed_fields:
            change["fields"] = self._changed_fields
        return change

    def _is_visible(self, name: str) -> bool:
        return self._visible is None or name in self._visible


def apply_change(item: ItemData, change: Mapping[str, Any]) -> ItemData:
    """The item as it is after the change; neither argument is touched."""
    if not change:
        return item
    return {**item, **change, "fields": {**item["fields"], **change.get("fields", {})}}
