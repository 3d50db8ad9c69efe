"""Writes down failures of plugins, and stops a tap that fails too often."""

from typing import Final

from kernel.jobs import NotePluginFailures, PluginFailures
from kernel.ledger.run import Finish, JobRun
from kernel.log import get_logger
from kernel.names import PAGES_TAG, PLUGINS_TAG
from kernel.plugin.live import PLUGINS_CHANGED
from kernel.plugin.store import advance_generation, insert_stop
from kernel.runtime import Runtime
from kernel.supervision.store import (
    count_failures,
    delete_old_failures,
    delete_old_recordings,
    insert_failures,
)
from kernel.supervision.window import WINDOW_S
from kernel.tap.catalogue import DISABLE, ENABLE, INSTALL, QUEUE_WORKER, UNINSTALL, UPGRADE

log = get_logger(__name__)

# A tap is stopped when in this time so many of its calls failed, and at least this share of them.
STOP_AFTER: Final = 20
STOP_SHARE: Final = 0.2
# What is called once or has tries of its own, after which it waits for somebody.
_NEVER_STOPPED: Final = frozenset(
    tap.name for tap in (QUEUE_WORKER, INSTALL, ENABLE, DISABLE, UPGRADE, UNINSTALL)
)
# Of one tap; older ones go.
ROWS_KEPT: Final = 50
# Calls that can be made again: of one plugin, and of all together. One has 300 KB at most.
RECORDINGS_KEPT: Final = 50
RECORDINGS_BYTES: Final = 20_000_000


async def run_note_plugin_failures(rt: Runtime, run: JobRun) -> None:
    """The work of a `note_plugin_failures` job."""
    payload: NotePluginFailures = run.payload
    async with run.finish() as finish:
        await insert_failures(finish.conn, payload.seen)
        stopped = [one for one in payload.seen if await _stop_where_needed(finish, one)]
        for one in payload.seen:
            await delete_old_failures(finish.conn, one.plugin, one.tap, ROWS_KEPT)
        await delete_old_recordings(finish.conn, RECORDINGS_KEPT, RECORDINGS_BYTES)
        if stopped:
            await advance_generation(finish.conn)
            finish.drop_tags(PLUGINS_TAG, PAGES_TAG)
        finish.result = {"outcome": "done", "stopped": [f"{one.plugin} {one.tap}" for one in stopped]}
    if stopped:
        await rt.bus.publish(PLUGINS_CHANGED, {})


async def _stop_where_needed(finish: Finish, seen: PluginFailures) -> bool:
    if seen.tap in _NEVER_STOPPED:
        return False
    calls, failures = await count_failures(finish.conn, seen.plugin, seen.tap, WINDOW_S)
    if failures < STOP_AFTER or failures < calls * STOP_SHARE:
        return False
    is_new = await insert_stop(finish.conn, seen.plugin, seen.tap, seen.message)
    if is_new:
        log.error("a tap is stopped, the plugin failed there too often", plugin=seen.plugin, tap=seen.tap)
    return is_new
