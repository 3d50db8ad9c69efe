"""Every statement of the store, tried on every status: no row may change in a way that the table does not have."""

import pytest

from kernel.ledger.model import TRANSITIONS, UNFINISHED, JobStatus
from kernel.ledger.store import (
    claim_job,
    clear_drop_tags,
    hand_back,
    lock_attempt,
    mark_cancelled,
    mark_done,
    mark_failed,
    renew_lease,
    request_cancel,
    requeue_finished,
    write_progress,
)
from kernel.ledger.sweep_store import count_deliveries, return_expired
from tests.fixtures.ledger import LEASE_S, get_job, set_job, submit

KINDS = ["index_item"]


async def finish(conn, job):
    async with conn.transaction():
        if await lock_attempt(conn, job):
            await mark_done(conn, job, {}, None)


STATEMENTS = {
    "claim": lambda conn, job: claim_job(conn, job.id, KINDS, LEASE_S),
    "renew": lambda conn, job: renew_lease(conn, job, LEASE_S),
    "progress": lambda conn, job: write_progress(conn, job, LEASE_S, done=1, total=2, note=""),
    "finish": finish,
    "fail": lambda conn, job: mark_failed(conn, job, JobStatus.FAILED, {}, 0),
    "die": lambda conn, job: mark_failed(conn, job, JobStatus.DEAD, {}, 0),
    "retry-later": lambda conn, job: mark_failed(conn, job, JobStatus.QUEUED, {}, 1),
    "cancelled": mark_cancelled,
    "hand-back": lambda conn, job: hand_back(conn, job, 1),
    "request-cancel": lambda conn, job: request_cancel(conn, job.id),
    "retry": lambda conn, job: requeue_finished(conn, job.id, 1),
    "clear-tags": lambda conn, job: clear_drop_tags(conn, {job.id: 1}),
    "expire": lambda conn, _: return_expired(conn, KINDS, [5], 10),
    "expire-at-last": lambda conn, _: return_expired(conn, KINDS, [0], 10),
    "deliver": lambda conn, _: count_deliveries(conn, KINDS, 1, 10, 10),
}
# What each statement is for, by the statuses it leads to.
REACHED = {
    (JobStatus.QUEUED, False): {JobStatus.RUNNING},
    (JobStatus.QUEUED, True): {JobStatus.CANCELLED},
    (JobStatus.RUNNING, False): {JobStatus.DONE, JobStatus.FAILED, JobStatus.DEAD, JobStatus.QUEUED},
    (JobStatus.RUNNING, True): {JobStatus.FAILED, JobStatus.DEAD, JobStatus.QUEUED, JobStatus.CANCELLED},
    (JobStatus.FAILED, False): {JobStatus.QUEUED},
    (JobStatus.DEAD, False): {JobStatus.QUEUED},
}


async def try_all(ledger, job_id, status, cancel_requested):
    """The statuses that the statements led to from this one, and which statement led there."""
    reached = {}
    for name, statement in STATEMENTS.items():
        await set_job(
            ledger,
            job_id,
            f"status = '{status}', cancel_requested = {cancel_requested}, run_at = now() - interval '1 h', "
            "lease_until = now() - interval '1 h'",
        )
        before = await get_job(ledger, job_id)
        async with ledger.db.acquire() as conn:
            await statement(conn, before)
        after = await get_job(ledger, job_id)
        assert after.attempts >= before.attempts, f"{name} took the fencing token back"
        if after.status is not before.status:
            reached[name] = after.status
    return reached


@pytest.mark.parametrize("cancel_requested", [False, True], ids=["wanted", "cancel-requested"])
@pytest.mark.parametrize("status", JobStatus)
async def test_no_statement_leaves_the_table(deaf_ledger, status, cancel_requested):
    job_id = await submit(deaf_ledger)
    reached = await try_all(deaf_ledger, job_id, status, cancel_requested)
    assert set(reached.values()) <= TRANSITIONS[status], reached
    if (status, cancel_requested) in REACHED:
        assert set(reached.values()) == REACHED[status, cancel_requested], reached


def test_every_entry_of_the_table_is_reached():
    for status in JobStatus:
        found = REACHED.get((status, False), set()) | REACHED.get((status, True), set())
        assert found == TRANSITIONS[status]


@pytest.mark.parametrize("status", JobStatus)
async def test_an_older_attempt_changes_nothing(deaf_ledger, status):
    """The same statements, by a worker whose token is one too small."""
    job_id = await submit(deaf_ledger)
    await set_job(deaf_ledger, job_id, f"status = '{status}', attempts = 2, cancel_requested = true")
    stale = await get_job(deaf_ledger, job_id)
    await set_job(deaf_ledger, job_id, "attempts = 3, lease_until = now() + interval '1 h'")
    before = await get_job(deaf_ledger, job_id)
    for name in ("renew", "progress", "finish", "fail", "die", "retry-later", "cancelled", "hand-back"):
        async with deaf_ledger.db.acquire() as conn:
            await STATEMENTS[name](conn, stale)
        assert await get_job(deaf_ledger, job_id) == before, name


def test_what_is_unfinished_can_still_change_by_itself():
    assert {JobStatus.QUEUED, JobStatus.RUNNING} == UNFINISHED
