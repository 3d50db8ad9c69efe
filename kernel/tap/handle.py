"""One item as one plugin may see and change it during one call; both data modes go through it."""

from collections.abc import Mapping
from typing import Any, Final

from kernel.names import has_forbidden_text, is_machine_name
from kernel.tap.answers import LABEL_MAX
from kernel.tap.wire import PluginDataError

ItemData = Mapping[str, Any]

# In characters, and in fields per call. The save checks again, against the item type.
VALUE_MAX: Final = 200_000
CHANGES_MAX: Final = 64


class HandledItem:
    """`visible` are the names of the fields that exist for this plugin, None for all. Changes are kept apart
    from the item, so that a plugin which fails half-way has changed nothing. `refused` are the fields that it
    wanted to change and may not."""

    __slots__ = ("_changed_fields", "_changed_title", "_item", "_may_change", "_visible", "refused")

    def __init__(self, item: ItemData, visible: frozenset[str] | None, *, may_change: bool) -> None:
        self._item = item
        self._visible = visible
        self._may_change = may_change
        self._changed_title: str | None = None
        self._changed_fields: dict[str, dict[str, Any]] = {}
        self.refused: set[str] = set()

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
        if not self._may_change or not title.strip() or len(title) > LABEL_MAX or has_forbidden_text(title):
            return False
        self._changed_title = title
        return True

    def set_field(self, name: str, new: Mapping[str, Any]) -> bool:
        """`new` holds a value and perhaps a format; without one the field keeps its own. False when this tap
        may not change items, the field is none of the plugin's, or the value is too large."""
        value = new["value"]
        if not self._may_change or not is_machine_name(name) or not name.startswith("field_"):
            return False
        if not self._is_visible(name):
            if len(self.refused) < CHANGES_MAX:
                self.refused.add(name)
            return False
        if isinstance(value, str) and (len(value) > VALUE_MAX or has_forbidden_text(value)):
            return False
        if name not in self._changed_fields and len(self._changed_fields) >= CHANGES_MAX:
            return False
        self._changed_fields[name] = {**(self.find_field(name) or {}), **new}
        return True

    def take_change(self, answer: Mapping[str, Any]) -> None:
        """Adds what a plugin answered instead of setting it through the handle. Raises PluginDataError."""
        if "title" in answer and not self.set_title(answer["title"]):
            raise PluginDataError(f"the title must be text of 1 to {LABEL_MAX} characters")
        for name, new in answer.get("fields", {}).items():
            if not self.set_field(name, new) and name not in self.refused:
                raise PluginDataError(
                    f"{name[:64]!r} cannot be set: a field's name starts with field_, its text has"
                    f" {VALUE_MAX:,} characters at most, and {CHANGES_MAX} fields may change in one call"
                )

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
