"""Safeguards that a worker can be made to go without, to show that the judge notices when one is missing.

Functions of the product are replaced here and nowhere else in the suite: not to imitate a part but to break it.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from kernel.cron import store as cron_store
from kernel.ledger import store
from kernel.ledger.model import Job
from kernel.ledger.run import JobRun


@dataclass(frozen=True, slots=True)
class Sabotage:
    """`meaning` is printed; `take_out` is called in a worker before it starts."""

    meaning: str
    take_out: Callable[[], None]


def _replace(original, broken):
    """Wherever the product has imported the function. The name is the proof that there was something to break."""
    places = [
        (module, name)
        for key, module in list(sys.modules.items())
        if key.startswith(("kernel.", "workers."))
        for name, value in list(vars(module).items())
        if value is original
    ]
    assert places, f"{original} is not imported by anybody"
    for module, name in places:
        setattr(module, name, broken)


def _take_out_fence():
    async def lock_attempt(_conn, _job):
        return True

    _replace(store.lock_attempt, lock_attempt)


def _take_out_claim():
    columns = ", ".join(field.name for field in fields(Job))

    async def claim_job(conn, job_id, _kinds, lease_s):
        row = await conn.fetchrow(
            f"""
            UPDATE job SET status = 'running', attempts = attempts + 1,
                lease_until = now() + make_interval(secs => $2), started = coalesce(started, now())
            WHERE id = $1 RETURNING {columns}
            """,
            job_id,
            lease_s,
        )
        return None if row is None else store.read_job(row)

    _replace(store.claim_job, claim_job)


def _take_out_sweeper():
    async def sweep_for_ever(_rt):
        await asyncio.Event().wait()

    _replace(sys.modules["workers.sweeper"].sweep_for_ever, sweep_for_ever)


def _take_out_follow_ups():
    async def insert_follow_ups(_conn, _parent, _jobs):
        """The queue is told of them all the same."""

    _replace(store.insert_follow_ups, insert_follow_ups)


def _take_out_tags():
    async def drop(_run, _tags):
        return True

    JobRun._drop = drop


def _take_out_checkpoint():
    begin = JobRun.__init__

    def begin_anew(run, ledger, job, payload):
        begin(run, ledger, replace(job, cursor=None, progress_done=0), payload)

    JobRun.__init__ = begin_anew


def _take_out_slot():
    find_pasts = cron_store.list_pasts

    async def list_pasts(conn, slots):
        return {task: replace(past, current=None) for task, past in (await find_pasts(conn, slots)).items()}

    async def begin_run(conn, task, slot, *, missed, job_id):
        await conn.execute(
            "INSERT INTO cron_run (task, slot, missed, job_id, started) VALUES ($1, $2, $3, $4, now())"
            " ON CONFLICT DO NOTHING",
            task,
            slot,
            missed,
            job_id,
        )
        return 1

    async def end_run(conn, task, slot, _attempt, status, **_texts):
        query = "UPDATE cron_run SET status = $3, finished = now() WHERE task = $1 AND slot = $2"
        await conn.execute(query, task, slot, status.value)
        return True

    _replace(cron_store.list_pasts, list_pasts)
    _replace(cron_store.begin_run, begin_run)
    _replace(cron_store.end_run, end_run)


SABOTAGES = {
    "fence": Sabotage("an attempt that is over may still write", _take_out_fence),
    "claim": Sabotage("a job is claimed whatever its status is", _take_out_claim),
    "sweeper": Sabotage("nobody repeats what was left undone", _take_out_sweeper),
    "follow-ups": Sabotage("follow-up jobs are published and not inserted", _take_out_follow_ups),
    "checkpoint": Sabotage("a batch that is taken up again begins anew", _take_out_checkpoint),
    "slot": Sabotage(
        "a slot of cron that is over does not keep another run from completing it", _take_out_slot
    ),
    "tags": Sabotage("cache tags are not dropped", _take_out_tags),
}
