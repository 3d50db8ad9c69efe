"""Deletes what a plugin kept that was removed together with its data."""

from collections.abc import Sequence
from uuid import UUID

from kernel.errors import Conflict, Unavailable
from kernel.ledger.run import Finish
from kernel.ledger.store import request_cancel
from kernel.lifecycle.asked import Asked
from kernel.lifecycle.owner import open_owner
from kernel.plugin.store import list_waiting_forgets
from kernel.plugin_data.store import drop_tables
from kernel.supervision.store import delete_failures


async def run_forget(asked: Asked) -> None:
    """In a job of its own: what the plugin wrote when it was told still holds its tables. Somebody who has installed it
    again meanwhile has seen to it; then the rows are its again."""
    is_gone = asked.find_installed() is None
    if is_gone:
        try:
            await _drop(asked)
        except Conflict as busy:
            # Nobody waits for this, so it can wait for others.
            raise Unavailable(busy.message) from busy
    async with asked.run.finish() as finish:
        if is_gone:
            await delete_failures(finish.conn, asked.name)
        finish.result = {"outcome": "done", "path": "/admin/plugins", "title": asked.name}


async def forget_before_install(asked: Asked) -> Sequence[UUID]:
    """One that was removed with its data, and comes back before those are deleted, begins without them all the same.
    The jobs that should have done it, for `cancel_forgets`. Raises Conflict."""
    async with asked.rt.db.acquire() as conn:
        waiting = await list_waiting_forgets(conn, asked.name)
    if waiting:
        await _drop(asked)
    return waiting


async def cancel_forgets(finish: Finish, plugin: str, job_ids: Sequence[UUID]) -> None:
    """In the transaction that installs the plugin: they would delete what it keeps from now on."""
    for job_id in job_ids:
        await request_cancel(finish.conn, job_id)
    if job_ids:
        await delete_failures(finish.conn, plugin)


async def _drop(asked: Asked) -> None:
    async with open_owner(asked.rt.config) as conn:
        await drop_tables(conn, asked.name)
