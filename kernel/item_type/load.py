"""Item types, kept in each process until one changes."""

from typing import Final

from kernel.context import Context
from kernel.errors import NotFound
from kernel.item_type.model import ItemType
from kernel.item_type.store import select_item_types
from kernel.runtime import Runtime

ITEM_TYPES_TAG: Final = "item_types"
_CACHE_KEY: Final = "item_types"


async def list_item_types(rt: Runtime, _ctx: Context) -> tuple[ItemType, ...]:
    """All of them, by label."""
    cached = rt.cache.get_local(_CACHE_KEY)
    if isinstance(cached, tuple):
        return cached
    generation = rt.cache.generation()
    async with rt.db.acquire() as conn:
        types = await select_item_types(conn)
    rt.cache.put_local(_CACHE_KEY, types, [ITEM_TYPES_TAG], rt.config.cache_ttl_s, generation)
    return types


async def get_item_type(rt: Runtime, ctx: Context, name: str) -> ItemType:
    """Raises NotFound, naming the types that exist."""
    types = await list_item_types(rt, ctx)
    for item_type in types:
        if item_type.type == name:
            return item_type
    known = ", ".join(t.type for t in types)
    raise NotFound(f"There is no item type {name[:40]!r}. This site has: {known}.")
