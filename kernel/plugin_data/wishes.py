"""What plugins asked to have written in a request comes to stand: as one job of that request."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from kernel.context import Context
from kernel.db.connect import DISCONNECTED
from kernel.errors import TrovatoError, WorkFailed
from kernel.ids import parse_uuid
from kernel.jobs import APPLY_PLUGIN_WRITES, ApplyPluginWrites, PluginWrite
from kernel.ledger.run import Effects, JobRun
from kernel.ledger.submit import submit_job
from kernel.log import get_logger
from kernel.plugin_data.model import Change
from kernel.plugin_data.read import read_delete, read_insert, read_update
from kernel.plugin_data.store import count_waiting, run_change, upsert_variable
from kernel.plugin_data.tags import name_table_tag, name_variable_tag
from kernel.plugin_data.variable import read_variable
from kernel.runtime import Runtime
from kernel.sandbox.host import HostError
from kernel.tap.capability import Table
from kernel.tap.effects import Wishes
from kernel.tap.fragment import Fragments
from kernel.tap.registry import TapRegistry
from kernel.tap.scope import TapScope
from kernel.tap.witness import Witness

# Jobs of this kind in the whole site; a page that is asked for faster than its writes are done must not fill the disk.
WAITING_MAX: Final = 10_000
# So often a worker that does not know a plugin yet leaves its writes to a later try.
AWAY_TRIES: Final = 3
REFUSALS_KEPT: Final = 20

log = get_logger(__name__)


@dataclass(slots=True)
class Applied:
    """`count` changes came to stand; `refused` says why others did not."""

    count: int = 0
    refused: list[str] = field(default_factory=list)


@asynccontextmanager
async def open_request_scope(
    rt: Runtime, ctx: Context, generation: int, witness: Witness
) -> AsyncIterator[TapScope]:
    """For the taps of a request, which cannot write: what they ask to have written becomes a job at the end.
    `generation` of the cache was current before anything was read for the request."""
    wishes = Wishes()
    fragments = Fragments(rt.cache, ctx, rt.config.cache_ttl_s, generation)
    try:
        async with TapScope(rt.plugins, ctx, effects=wishes, fragments=fragments, witness=witness) as scope:
            yield scope
    finally:
        if wishes.writes:
            await _submit(rt, ctx, wishes.writes)


async def _submit(rt: Runtime, ctx: Context, writes: list[PluginWrite]) -> None:
    """The page is made by then, and does not fail with this."""
    try:
        async with rt.ledger.db.acquire() as conn:
            waiting = await count_waiting(conn, APPLY_PLUGIN_WRITES.name, WAITING_MAX)
        if waiting >= WAITING_MAX:
            log.error(
                "writes of plugins are lost, too many wait already", writes=len(writes), waiting=waiting
            )
            return
        await submit_job(rt.ledger, ctx, APPLY_PLUGIN_WRITES, ApplyPluginWrites(writes))
    except (TrovatoError, *DISCONNECTED) as error:
        log.exception("writes of plugins are lost", writes=len(writes), error=str(error))


async def run_apply_plugin_writes(rt: Runtime, run: JobRun) -> None:
    """The work of an `apply_plugin_writes` job. Raises WorkFailed while a plugin is not there, which may be so for a
    moment after it was enabled."""
    payload: ApplyPluginWrites = run.payload
    registry = rt.plugins.registry
    away = sorted({write.plugin for write in payload.writes if not registry.has_plugin(write.plugin)})
    if away and run.failures < AWAY_TRIES:
        raise WorkFailed(f"Not loaded here: {', '.join(away)}.", tries=APPLY_PLUGIN_WRITES.max_attempts)
    async with run.finish() as finish:
        applied = await apply_writes(finish, registry, payload.writes)
        finish.result = {"outcome": "done", "applied": applied.count, "refused": applied.refused}
    for refusal in applied.refused:
        log.warning("a write of a plugin was refused", reason=refusal)


async def apply_writes(effects: Effects, registry: TapRegistry, writes: Sequence[PluginWrite]) -> Applied:
    """What one call of a plugin asked for stands together or not at all, whatever others did."""
    applied = Applied()
    tables = {plugin.name: plugin.may.tables for plugin in registry.plugins}
    for _, group in groupby(writes, key=lambda write: write.call):
        count = 0
        try:
            async with effects.conn.transaction():
                for write in group:
                    await _apply(effects, tables, write)
                    count += 1
        except _RefusedError as refusal:
            applied.refused = [*applied.refused, str(refusal)][:REFUSALS_KEPT]
        else:
            applied.count += count
    return applied


class _RefusedError(Exception):
    """Names the plugin and the reason."""


async def _apply(effects: Effects, tables: Mapping[str, Mapping[str, Table]], write: PluginWrite) -> None:
    """A tag that is dropped for a change that is then undone does no harm."""
    try:
        if write.plugin not in tables:
            raise HostError("not-available", "The plugin is not enabled any more.")
        told = write.change
        if told.get("kind") == "variable":
            variable = read_variable(told.get("name"), told.get("value"))
            await upsert_variable(effects.conn, write.plugin, variable)
            effects.drop_tags(name_variable_tag(variable.name))
        else:
            change = _read_change(tables[write.plugin], told)
            await run_change(effects.conn, write.plugin, change)
            effects.drop_tags(name_table_tag(write.plugin, change.table))
    except HostError as refusal:
        raise _RefusedError(f"{write.plugin}: {refusal.message}") from None


def _read_change(tables: Mapping[str, Table], told: Mapping[str, Any]) -> Change:
    """Checked again, since the plugin may have other tables by now than when it asked. Raises HostError."""
    match told:
        case {"kind": "insert", "table": table, "id": str(row_id), "row": row}:
            known = parse_uuid(row_id)
            if known is not None:
                return read_insert(tables, table, row, known)
        case {"kind": "update", "query": query}:
            return read_update(tables, query)
        case {"kind": "delete", "query": query}:
            return read_delete(tables, query)
    raise HostError("bad-payload", "This is no change that this release knows.")
