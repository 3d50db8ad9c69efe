"""An item as it was loaded, and the same as plain data for plugins and JSON."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kernel.names import LIVE, item_tag

Fields = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Item:
    """`fields` maps a field's name to `{"value": …}` and, for formatted text, `"format"`; treat it as frozen."""

    id: UUID
    type: str
    title: str
    author_id: UUID
    status: int
    promote: bool
    sticky: bool
    created: datetime
    changed: datetime
    fields: Fields
    revision_id: UUID
    author_name: str = ""
    stage_id: str = LIVE

    @property
    def is_published(self) -> bool:
        return self.status == 1

    @property
    def path(self) -> str:
        return f"/item/{self.id}"

    @property
    def tag(self) -> str:
        """The cache tag of everything that shows this item."""
        return item_tag(self.id)

    def value(self, field_name: str) -> Any:
        """The value of a field, None when it has none."""
        field = self.fields.get(field_name)
        return None if field is None else field.get("value")

    def as_data(self) -> dict[str, Any]:
        """What plugins and JSON readers see: ids and times as text."""
        return {
            "id": str(self.id),
            "type": self.type,
            "title": self.title,
            "author_id": str(self.author_id),
            "status": self.status,
            "promote": self.promote,
            "sticky": self.sticky,
            "created": self.created.isoformat(),
            "changed": self.changed.isoformat(),
            "fields": self.fields,
        }


def list_tags(item_type: str) -> tuple[str, str]:
    """The cache tags of every listing that may hold an item of this type."""
    return ("items", f"items:{item_type}")
