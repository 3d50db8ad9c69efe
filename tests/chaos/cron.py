"""Cron under faults: slots that are asked for twice, each with an effect that shows how often it was completed."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial

from kernel.context import Context
from kernel.cron.run import run_cron
from kernel.cron.schedule import EVERY_MINUTE
from kernel.db.connect import DISCONNECTED
from kernel.errors import Unavailable
from kernel.jobs import RUN_CRON, RunCron
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from tests.chaos.judge import Violation
from tests.fixtures.cron import make_task
from tests.fixtures.ledger import add_effect, open_ledger

_TASKS = ("count", "count slowly")
_ASK_EVERY_S = 1.2
_LAST_S = 20.0
# Slots that no minute of the run has.
_FIRST_SLOT = datetime(2020, 1, 1, tzinfo=UTC)


async def _count(_rt, turn):
    """Slow enough to be killed in the middle. The effect and the end of the slot are one commit."""
    await asyncio.sleep(0.4 if turn.name == "count slowly" else 0.05)
    async with turn.step() as step:
        await add_effect(step.conn, f"{turn.name} {turn.slot.isoformat()}")
        step.finish()


async def list_tasks(_rt):
    return [make_task(name, _count, schedule=EVERY_MINUTE) for name in _TASKS]


# What a worker of a run has for cron: the shipped handler with tasks that can be counted.
CRON_HANDLERS = {RUN_CRON: partial(run_cron, list_all=list_tasks)}


class CronLoad:
    """`asked` are the slots, as (task, slot), that at least one job was accepted for."""

    def __init__(self, config):
        self._config = config
        self.asked = []

    async def ask(self, until):
        """Two jobs at once for each slot, as two schedulers may submit that do not know of each other."""
        async with open_ledger(self._config, "worker") as ledger:
            number = 0
            while not until.is_set():
                slot = _FIRST_SLOT + timedelta(minutes=number)
                task = _TASKS[number % len(_TASKS)]
                submits = [_submit(ledger, RunCron(slot, task)) for _ in range(2)]
                if any(await asyncio.gather(*submits)):
                    self.asked.append((task, slot))
                number += 1
                await asyncio.sleep(_ASK_EVERY_S)

    async def ask_for_one_more(self):
        """After everything: cron must still come to an end, and what is asked for now be done."""
        async with open_ledger(self._config, "worker") as ledger:
            job_id = await _submit(ledger, RunCron(_FIRST_SLOT - timedelta(minutes=1), _TASKS[0]))
            job = await wait_for_job(ledger, job_id, _LAST_S)
        done = job.result is not None and job.result["outcome"] == "done"
        return [] if done else [Violation("cron stands still", f"{job.status}, {job.result}, {job.error}")]


async def _submit(ledger, payload):
    """The job's id; None when PostgreSQL did not take it, or may not have."""
    try:
        return await submit_job(ledger, Context(), RUN_CRON, payload)
    except (Unavailable, *DISCONNECTED):
        return None


async def check_cron(conn, asked, counts: Counter):
    """Each slot was completed once at most, and its row says so exactly when it was.

    A run that finds the lock in other hands does nothing, so not every slot that was asked for is completed; every
    minute of the run itself is, or is counted as missed by the run that made good for it.
    """
    rows = {
        f"{row['task']} {row['slot'].isoformat()}": row["status"]
        for row in await conn.fetch(
            "SELECT task, slot, status FROM cron_run WHERE task = ANY($1)", list(_TASKS)
        )
    }
    effects = {
        row["name"].removeprefix("effect "): row["value"]
        for row in await conn.fetch(
            "SELECT name, value::int AS value FROM variable WHERE name LIKE 'effect count%'"
        )
    }
    done = {slot for slot, status in rows.items() if status == "done"}
    found = [
        Violation("slot completed twice", f"{slot}: {count} times")
        for slot, count in effects.items()
        if count > 1
    ]
    found += [Violation("slot said to be done", f"{slot} has no effect") for slot in done - effects.keys()]
    found += [Violation("slot not said to be done", slot) for slot in effects.keys() - done]
    missing = await conn.fetch(
        """
        SELECT task, count(*) + sum(missed) AS known,
            1 + extract(epoch FROM max(slot) - min(slot))::int / 60 AS minutes
        FROM cron_run WHERE task = ANY($1) AND slot > $2 GROUP BY task
        HAVING count(*) + sum(missed) <> 1 + extract(epoch FROM max(slot) - min(slot))::int / 60
        """,
        list(_TASKS),
        _FIRST_SLOT + timedelta(days=1000),
    )
    found += [Violation("minutes of cron are lost", str(dict(row))) for row in missing]
    counts["cron slots asked for, twice each"] = len(asked)
    counts["cron slots completed"] = len(done)
    counts["cron slots taken up again"] = await conn.fetchval(
        "SELECT count(*) FROM cron_run WHERE task = ANY($1) AND attempt > 1", list(_TASKS)
    )
    return found
