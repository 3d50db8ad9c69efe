"""A worker with plugins that write as a script tells them, each into tables of its own."""

from dataclasses import dataclass, replace
from functools import partial

import pytest

from kernel.app.open import open_kernel
from kernel.context import Actor, Context
from kernel.ids import uuid7
from kernel.ledger.attempt import Attempts
from kernel.ledger.submit import submit_job
from kernel.plugin.live import LivePlugins
from kernel.plugin.model import PluginSet
from kernel.plugin_data.store import apply_tables
from kernel.runtime import Runtime
from kernel.tap.answers import QueueInfo
from kernel.tap.registry import TapOptions, TapRegistry
from tests.fixtures.ledger import get_job
from tests.fixtures.plugins import make_item_data
from tests.fixtures.tables import TABLES
from workers.handlers import HANDLERS

ALL = TapOptions(fields=frozenset({"field_body"}))
CTX = Context(actor=Actor(), request_id="request-1")


@dataclass
class Writers:
    """`first` and `second` are the same plugin twice, called in this order."""

    rt: Runtime

    async def run(self, kind, payload, *, tries=1, work=None, **options):
        """The job as it is after so many tries."""
        job_id = await submit_job(self.rt.ledger, CTX, kind, payload, **options)
        await self.attempt(job_id, kind, tries=tries, work=work)
        return await get_job(self.rt.ledger, job_id)

    async def attempt(self, job_id, kind, *, tries=1, work=None):
        handler = work or partial(HANDLERS[kind], self.rt)
        for _ in range(tries):
            async with self.rt.db.acquire() as conn:
                await conn.execute("UPDATE job SET run_at = now() WHERE id = $1", job_id)
            await Attempts(self.rt.ledger, {kind.name: (kind, handler)}).make(job_id)

    async def notes(self, plugin="first"):
        async with self.rt.db.acquire() as conn:
            rows = await conn.fetch(f"SELECT note FROM plugin_{plugin}.vote ORDER BY note")
        return [row["note"] for row in rows]

    async def variable(self, name):
        async with self.rt.db.acquire() as conn:
            return await conn.fetchval("SELECT value FROM variable WHERE name = $1", name)

    async def set_variable(self, name, value):
        async with self.rt.db.acquire() as conn:
            await conn.execute(
                """
                INSERT INTO variable (name, value) VALUES ($1, $2)
                ON CONFLICT (name) DO UPDATE SET value = excluded.value
                """,
                name,
                value,
            )


def make_scripted(script, **more):
    """An item with a script in its body; each has an id of its own."""
    return {**make_item_data("A", "note", field_body=script), "id": str(uuid7()), **more}


@pytest.fixture
async def writers(config, renderer, workshop, owner):
    plugins = []
    for name in ("first", "second"):
        await apply_tables(owner, name, TABLES)
        taps = dict.fromkeys(
            ("cron", "item_insert", "item_presave", "item_update_index", "item_view", "page", "queue_worker"),
            ALL,
        )
        may = {"tables": TABLES, "variables": frozenset({"ledgerling_script", "ledgerling_cron"})}
        plugins.append(await workshop.load(name, "ledgerling", may=may, **taps))
    queues = {(plugin.name, "work"): QueueInfo("work", "Work") for plugin in plugins}
    ready = replace(config, lease_s=30.0)
    async with open_kernel(ready, role="worker", with_plugins=False, renderer=renderer) as rt:
        registry = TapRegistry(tuple(plugins), {}, queues)
        yield Writers(replace(rt, live_plugins=LivePlugins(PluginSet(registry=registry))))
