"""Brings the types that plugins declare into `item_type`, without touching what an administrator changed."""

from collections.abc import Sequence
from typing import TypeAlias

from kernel.context import Context
from kernel.db.pool import Transaction
from kernel.item_type.load import ITEM_TYPES_TAG
from kernel.item_type.model import ItemType, merge_item_types, read_item_type
from kernel.item_type.store import insert_search_fields, select_item_type_for_update, upsert_item_type
from kernel.ledger.run import Effects
from kernel.log import get_logger
from kernel.plugin.model import PluginSet
from kernel.runtime import Runtime
from kernel.tap.catalogue import ITEM_INFO
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope

log = get_logger(__name__)

# Of this function alone, or the one that ends a job.
Writing: TypeAlias = Transaction | Effects


async def register_item_types(rt: Runtime, ctx: Context, plugins: PluginSet) -> tuple[str, ...]:
    """Runs where the worker role writes. Returns the names of the types that are new or gained fields."""
    declared = await list_declared_types(ctx, plugins)
    async with rt.db.transaction() as tx:
        changed = await write_item_types(tx, declared)
    if changed:
        await rt.cache.drop([ITEM_TYPES_TAG])
    return changed


async def list_declared_types(ctx: Context, plugins: PluginSet) -> tuple[ItemType, ...]:
    """By name, those that can be read; the log says why of the others."""
    async with TapScope(plugins, ctx) as scope:
        dispatched = await dispatch(scope, ITEM_INFO)
    declared: list[ItemType] = []
    for plugin, answer in dispatched.answers:
        for data in answer or []:
            try:
                declared.append(read_item_type(data, plugin))
            except ValueError as mistake:
                log.warning("an item type was refused", plugin=plugin, reason=str(mistake))
    return tuple(sorted(declared, key=lambda item_type: item_type.type))


async def write_item_types(tx: Writing, declared: Sequence[ItemType]) -> tuple[str, ...]:
    """In the order of their names, so that two who do this do not wait for each other. The names of those that are new
    or gained fields; their tag is to be dropped."""
    return tuple([item_type.type for item_type in declared if await _write(tx, item_type)])


async def _write(tx: Writing, declared: ItemType) -> bool:
    stored = await select_item_type_for_update(tx.conn, declared.type)
    if stored is not None and stored.plugin not in (None, declared.plugin):
        log.warning(
            "an item type belongs to another plugin",
            type=declared.type,
            plugin=declared.plugin,
            owner=stored.plugin,
        )
        return False
    merged = declared if stored is None else merge_item_types(stored, declared)
    if merged == stored:
        return False
    await upsert_item_type(tx.conn, merged)
    await insert_search_fields(tx.conn, merged)
    return True
