"""Asking for an end, and for another chance."""

import pytest

from kernel.ids import uuid7
from kernel.ledger.cancel import cancel_job, retry_job
from kernel.ledger.model import JobStatus
from tests.fixtures.ledger import claim, get_job, set_job, submit


@pytest.mark.parametrize("status", ["done", "failed", "dead", "cancelled"])
async def test_it_is_too_late_for_what_is_over(ledger, web_ledger, status):
    job_id = await submit(web_ledger)
    await set_job(ledger, job_id, f"status = '{status}'")
    assert await cancel_job(web_ledger, job_id) is False
    assert (await get_job(ledger, job_id)).cancel_requested is False


async def test_an_unknown_job_cannot_be_cancelled(web_ledger):
    assert await cancel_job(web_ledger, uuid7()) is False


async def test_a_waiting_job_is_put_on_the_queue_so_that_somebody_marks_it(
    ledger, web_ledger, redis_client, redis_prefix
):
    job_id = await submit(web_ledger)
    redis_client.delete(f"{redis_prefix}:queue:background")
    await set_job(ledger, job_id, "run_at = now() + interval '1 h'")
    assert await cancel_job(web_ledger, job_id)
    assert redis_client.zrange(f"{redis_prefix}:queue:background", 0, -1) == [f"{job_id}:1".encode()]


@pytest.mark.parametrize("status", ["failed", "dead"])
async def test_another_chance_is_one_attempt_under_a_new_token(ledger, redis_client, redis_prefix, status):
    job_id = await submit(ledger)
    payload = (await get_job(ledger, job_id)).payload
    await set_job(ledger, job_id, f"status = '{status}', attempts = 5, finished = now()")
    assert await retry_job(ledger, job_id)
    job = await claim(ledger, job_id)
    assert (job.status, job.attempts, job.payload, job.finished) == (JobStatus.RUNNING, 6, payload, None)
    assert f"{job_id}:2".encode() in redis_client.zrange(f"{redis_prefix}:queue:background", 0, -1)


@pytest.mark.parametrize("status", ["queued", "running", "done", "cancelled"])
async def test_only_what_failed_is_given_another_chance(ledger, status):
    job_id = await submit(ledger)
    await set_job(ledger, job_id, f"status = '{status}'")
    assert await retry_job(ledger, job_id) is False
