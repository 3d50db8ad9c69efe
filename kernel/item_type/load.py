"""Item types, kept in each process until one changes."""

from typing import Final

from kernel.context import Context
from kernel.errors import NotFound
from kernel.item_type.model import ItemType
from kernel.item_type.store import select_item_types
from kernel.runtime import Runtime

ITEM_TYPES_TAG: Final = "item_types"


async def list_item_types(rt: Runtime, _ctx: Context) -> tuple[ItemType, ...]:
    """All of them, by label."""

    async def load() -> tuple[ItemType, ...]:
        async with rt.db.acquire() as conn:
            return await select_item_types(conn)

    return await rt.cache.remember("item_types", [ITEM_TYPES_TAG], rt.config.cache_ttl_s, load)


async def list_type_labels(rt: Runtime, ctx: Context) -> dict[str, str]:
    """What people call each type, by its name."""
    return {item_type.type: item_type.label for item_type in await list_item_types(rt, ctx)}


async def get_item_type(rt: Runtime, ctx: Context, name: str) -> ItemType:
    """Raises NotFound, naming the types that exist."""
    types = await list_item_types(rt, ctx)
    for item_type in types:
        if item_type.type == name:
            return item_type
    known = ", ".join(t.type for t in types)
    raise NotFound(f"There is no item type {name[:40]!r}. This site has: {known}.")
