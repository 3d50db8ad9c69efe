"""Item types, kept in each process until one changes."""

from typing import Final, Protocol

from kernel.config import Config
from kernel.context import Context
from kernel.db.pool import Database
from kernel.errors import NotFound
from kernel.item_type.model import ItemType
from kernel.item_type.store import select_item_types
from kernel.shared.cache import Cache

ITEM_TYPES_TAG: Final = "item_types"


class Sources(Protocol):
    """The part of a runtime that is needed here, which a ledger has too."""

    @property
    def config(self) -> Config: ...
    @property
    def db(self) -> Database: ...
    @property
    def cache(self) -> Cache: ...


async def list_item_types(rt: Sources, _ctx: Context) -> tuple[ItemType, ...]:
    """All of them, by label."""

    async def load() -> tuple[ItemType, ...]:
        async with rt.db.acquire() as conn:
            return await select_item_types(conn)

    return await rt.cache.remember("item_types", [ITEM_TYPES_TAG], rt.config.cache_ttl_s, load)


async def list_type_labels(rt: Sources, ctx: Context) -> dict[str, str]:
    """What people call each type, by its name."""
    return {item_type.type: item_type.label for item_type in await list_item_types(rt, ctx)}


async def get_item_type(rt: Sources, ctx: Context, name: str) -> ItemType:
    """Raises NotFound, naming the types that exist."""
    types = await list_item_types(rt, ctx)
    for item_type in types:
        if item_type.type == name:
            return item_type
    known = ", ".join(t.type for t in types)
    raise NotFound(f"There is no item type {name[:40]!r}. This site has: {known}.")
