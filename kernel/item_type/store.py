"""Reads and writes rows of `item_type`."""

from typing import Any

from kernel.db.pool import Connection, Record
from kernel.item_type.model import ItemType, order_fields, read_field_definition


def _read_row(row: Record) -> ItemType:
    settings: dict[str, Any] = row["settings"]
    return ItemType(
        type=row["type"],
        label=row["label"],
        description=row["description"],
        plugin=row["plugin"],
        fields=order_fields([read_field_definition(f) for f in settings.get("fields", [])]),
    )


async def select_item_types(conn: Connection) -> tuple[ItemType, ...]:
    rows = await conn.fetch(
        "SELECT type, label, description, plugin, settings FROM item_type ORDER BY label, type"
    )
    return tuple(_read_row(row) for row in rows)


async def select_item_type_for_update(conn: Connection, name: str) -> ItemType | None:
    row = await conn.fetchrow(
        "SELECT type, label, description, plugin, settings FROM item_type WHERE type = $1 FOR UPDATE", name
    )
    return _read_row(row) if row is not None else None


async def upsert_item_type(conn: Connection, item_type: ItemType) -> None:
    await conn.execute(
        """
        INSERT INTO item_type (type, label, description, plugin, settings) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (type) DO UPDATE SET plugin = excluded.plugin,
            settings = item_type.settings || jsonb_build_object('fields', excluded.settings -> 'fields')
        """,
        item_type.type,
        item_type.label,
        item_type.description,
        item_type.plugin,
        {"fields": [f.as_data() for f in item_type.fields]},
    )


async def insert_search_fields(conn: Connection, item_type: ItemType) -> None:
    """Search the text fields of a new type, unless somebody has already decided about them."""
    for field in item_type.fields:
        if field.kind in ("text", "text_long"):
            await conn.execute(
                "INSERT INTO search_field_config (type, field_name, weight) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                item_type.type,
                field.name,
                b"C" if field.kind == "text_long" else b"B",
            )


async def release_item_types(conn: Connection, plugin: str) -> None:
    """Types of a plugin that goes belong to nobody; their items stay."""
    await conn.execute("UPDATE item_type SET plugin = NULL WHERE plugin = $1", plugin)
