"""Claiming: one winner, a growing token, a fresh lease, and nobody else's work."""

import asyncio
from datetime import timedelta

import pytest

from kernel.ledger.cancel import cancel_job
from kernel.ledger.model import JobStatus
from tests.fixtures.ledger import claim, get_job, set_job, submit


async def test_of_many_workers_one_gets_the_job(ledger):
    job_id = await submit(ledger)
    claimed = [job for job in await asyncio.gather(*(claim(ledger, job_id) for _ in range(6))) if job]
    assert [(job.id, job.status, job.attempts) for job in claimed] == [(job_id, JobStatus.RUNNING, 1)]


async def test_a_claim_holds_for_the_time_of_a_lease(ledger):
    job = await claim(ledger, await submit(ledger))
    assert job.lease_until - job.started == timedelta(seconds=ledger.config.lease_s)


async def test_each_claim_has_a_larger_token_and_remembers_the_first_start(ledger):
    job_id = await submit(ledger)
    first = await claim(ledger, job_id)
    await set_job(ledger, job_id, "status = 'queued'")
    second = await claim(ledger, job_id)
    assert (first.attempts, second.attempts) == (1, 2)
    assert second.started == first.started
    assert second.lease_until > first.lease_until


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param("run_at = now() + interval '1 min'", id="not-due-yet"),
        pytest.param("kind = 'unheard_of'", id="of-a-kind-not-offered"),
        *(
            pytest.param(f"status = '{status}'", id=status)
            for status in ("running", "done", "failed", "dead", "cancelled")
        ),
    ],
)
async def test_what_is_not_to_be_had_is_left_alone(ledger, changes):
    job_id = await submit(ledger)
    await set_job(ledger, job_id, changes)
    before = await get_job(ledger, job_id)
    assert await claim(ledger, job_id) is None
    assert await get_job(ledger, job_id) == before


async def test_a_job_cancelled_while_it_waited_is_cancelled_by_its_claim(ledger, web_ledger):
    job_id = await submit(web_ledger)
    await set_job(ledger, job_id, "run_at = now() + interval '1 h'")
    assert await cancel_job(web_ledger, job_id)
    job = await claim(ledger, job_id)
    assert (job.status, job.payload, job.lease_until) == (JobStatus.CANCELLED, {}, None)
    assert job.finished is not None
