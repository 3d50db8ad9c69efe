"""Waiting for a job: by message, by the row when the message is lost, and not for ever."""

import asyncio
from dataclasses import replace
from time import monotonic

import pytest

from kernel.errors import NotFound
from kernel.ids import uuid7
from kernel.jobs import INDEX_ITEM, IndexItem
from kernel.ledger.attempt import Attempts
from kernel.ledger.model import JobStatus
from kernel.ledger.run import JobRun
from kernel.ledger.wait import submit_and_wait, wait_for_job
from tests.fixtures.ledger import EDITOR, claim, set_job, submit


async def finish(ledger, job_id):
    run = JobRun(ledger, await claim(ledger, job_id), {})
    async with run.finish() as finishing:
        finishing.result = {"outcome": "saved"}


async def test_the_waiter_has_the_result_when_the_job_is_done(ledger, web_ledger):
    job_id = await submit(web_ledger)
    waiting = asyncio.create_task(wait_for_job(web_ledger, job_id, 5))
    await finish(ledger, job_id)
    job = await waiting
    assert (job.id, job.status, job.result) == (job_id, JobStatus.DONE, {"outcome": "saved"})


async def test_a_job_that_is_over_is_answered_at_once(ledger, web_ledger):
    job_id = await submit(web_ledger)
    await finish(ledger, job_id)
    assert (await wait_for_job(web_ledger, job_id, 0)).status is JobStatus.DONE


class DeafBus:
    """Hears nothing, as when every message is lost."""

    def subscribe(self, _topic, _handler):
        return lambda: None


async def test_the_row_is_looked_at_when_no_message_comes(ledger, web_ledger):
    job_id = await submit(web_ledger)
    waiting = asyncio.create_task(wait_for_job(replace(web_ledger, bus=DeafBus()), job_id, 5))
    await finish(ledger, job_id)
    assert (await waiting).status is JobStatus.DONE


@pytest.mark.parametrize("status", ["failed", "dead", "cancelled"])
async def test_a_job_that_ended_badly_is_over_too(ledger, web_ledger, status):
    job_id = await submit(web_ledger)
    await set_job(ledger, job_id, f"status = '{status}'")
    assert (await wait_for_job(web_ledger, job_id, 5)).status == status


async def test_when_the_time_is_over_the_job_is_answered_as_it_stands(web_ledger):
    job_id = await submit(web_ledger)
    started = monotonic()
    job = await wait_for_job(web_ledger, job_id, 0.3)
    assert (job.status, job.is_finished) == (JobStatus.QUEUED, False)
    assert 0.3 <= monotonic() - started < 1


async def test_an_unknown_job_is_not_waited_for(web_ledger):
    with pytest.raises(NotFound):
        await wait_for_job(web_ledger, uuid7(), 5)


async def test_submitting_and_waiting_misses_nothing(ledger, web_ledger):
    """The worker is as quick as it can be: it starts in the moment of the wake-up message."""

    async def work(run):
        async with run.finish() as finishing:
            finishing.result = {"outcome": "done"}

    attempts = Attempts(ledger, {"index_item": (INDEX_ITEM, work)})
    running = set()

    async def take_all(_message):
        async with ledger.db.acquire() as conn:
            rows = await conn.fetch("SELECT id FROM job WHERE status = 'queued'")
        for row in rows:
            await attempts.make(row["id"])

    ledger.bus.subscribe("work-queued", lambda message: running.add(asyncio.create_task(take_all(message))))
    for _ in range(5):
        job = await submit_and_wait(web_ledger, EDITOR, INDEX_ITEM, IndexItem([uuid7()]), timeout_s=5)
        assert (job.status, job.result) == (JobStatus.DONE, {"outcome": "done"})
    await asyncio.gather(*running)


async def test_submitting_a_known_key_answers_the_earlier_job(ledger, web_ledger):
    job_id = await submit(web_ledger, dedupe_key="form")
    await finish(ledger, job_id)
    job = await submit_and_wait(
        web_ledger, EDITOR, INDEX_ITEM, IndexItem([uuid7()]), timeout_s=5, dedupe_key="form"
    )
    assert (job.id, job.result) == (job_id, {"outcome": "saved"})
