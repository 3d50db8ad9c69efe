"""One attempt: how a handler may end, and what the row, the queue and the log keep of it."""

import asyncio
from dataclasses import replace

import pytest
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from kernel.errors import Conflict, LeaseLost, NotFound, PluginError, Unavailable
from kernel.ids import uuid7
from kernel.job_kind import JobKind
from kernel.jobs import CHANGE_PLUGIN, INDEX_ITEM, SET_PASSWORD, ChangePlugin, IndexItem, SetPassword
from kernel.ledger.attempt import Attempts
from kernel.ledger.cancel import cancel_job
from kernel.ledger.ledger import JOB_FINISHED
from kernel.ledger.model import JobStatus
from kernel.ledger.sweep import sweep
from tests.fixtures.ledger import EDITOR, Heard, add_effect, claim, count_effects, get_job, set_job, submit


def attempts_of(ledger, work, kind=INDEX_ITEM):
    return Attempts(ledger, {kind.name: (kind, work)})


async def make(ledger, work, kind=INDEX_ITEM, **options):
    """Submit a job and make one attempt at it."""
    job_id = await submit(ledger, kind, **options)
    await attempts_of(ledger, work, kind).make(job_id)
    return await get_job(ledger, job_id)


async def finish_at_once(run):
    async with run.finish() as finish:
        await add_effect(finish.conn, "a")


def raising(error):
    async def work(_run):
        raise error

    return work


@pytest.mark.story("4.4")
async def test_a_job_delivered_many_times_has_one_effect(deaf_ledger):
    job_id = await submit(deaf_ledger)
    attempts = attempts_of(deaf_ledger, finish_at_once)
    await asyncio.gather(*(attempts.make(job_id) for _ in range(8)))
    await attempts.make(job_id)
    job = await get_job(deaf_ledger, job_id)
    assert (job.status, job.attempts) == (JobStatus.DONE, 1)
    assert await count_effects(deaf_ledger, "a") == 1


async def test_the_handler_knows_its_payload_and_on_whose_behalf_it_works(deaf_ledger):
    seen = {}

    async def look(run):
        seen.update(payload=run.payload, ctx=run.ctx, log=get_contextvars())
        await finish_at_once(run)

    payload = IndexItem([uuid7()])
    job = await make(deaf_ledger, look, payload=payload)
    assert seen["payload"] == payload
    assert (seen["ctx"].actor.id, seen["ctx"].stage_id, seen["ctx"].request_id) == (
        EDITOR.actor.id,
        "live",
        "request-1",
    )
    assert seen["log"] == {"request_id": "request-1", "job_id": str(job.id), "kind": "index_item"}
    assert get_contextvars() == {}


async def test_an_unexpected_error_is_tried_again_later(deaf_ledger):
    job = await make(deaf_ledger, raising(ZeroDivisionError("secret")))
    assert (job.status, job.attempts, job.finished) == (JobStatus.QUEUED, 1, None)
    assert job.payload != {}
    assert job.error == {
        "code": "error",
        "message": "Something went wrong in the worker; its log tells more.",
        "exception": "ZeroDivisionError",
        "attempt": 1,
    }
    wait_s = (job.run_at - job.started).total_seconds()
    assert 0.5 <= wait_s < 2.5
    assert job.lease_until == job.run_at
    assert await claim(deaf_ledger, job.id) is None


async def test_success_after_a_failure_leaves_no_error(deaf_ledger):
    job = await make(deaf_ledger, raising(ZeroDivisionError()))
    await set_job(deaf_ledger, job.id, "run_at = now()")
    await attempts_of(deaf_ledger, finish_at_once).make(job.id)
    job = await get_job(deaf_ledger, job.id)
    assert (job.status, job.attempts, job.error) == (JobStatus.DONE, 2, None)


async def test_the_last_attempt_leaves_it_dead_with_its_error_and_payload(deaf_ledger):
    heard = Heard()
    told = asyncio.Event()
    heard.listen(deaf_ledger.bus, JOB_FINISHED)
    deaf_ledger.bus.subscribe(JOB_FINISHED, lambda _: told.set())
    job_id = await submit(deaf_ledger)
    await set_job(deaf_ledger, job_id, f"attempts = 7, failures = {INDEX_ITEM.max_attempts - 1}")
    await attempts_of(deaf_ledger, raising(Unavailable("The index is away."))).make(job_id)
    job = await get_job(deaf_ledger, job_id)
    assert (job.status, job.attempts, job.lease_until) == (JobStatus.DEAD, 8, None)
    assert job.error == {
        "code": "unavailable",
        "message": "The index is away.",
        "exception": "Unavailable",
        "attempt": 8,
    }
    assert job.payload.keys() == {"item_ids"}
    assert job.finished is not None
    await told.wait()
    assert heard.messages == [(JOB_FINISHED, {"id": str(job_id), "status": "dead"})]


@pytest.mark.parametrize(
    "error",
    [
        NotFound("There is no such item."),
        Conflict("Changed meanwhile."),
        PluginError("blog", "bad-answer", "said nonsense"),
    ],
    ids=lambda error: error.code,
)
async def test_an_error_that_cannot_heal_fails_at_once_and_keeps_the_payload(deaf_ledger, error):
    job = await make(deaf_ledger, raising(error))
    assert (job.status, job.attempts, job.error["message"]) == (JobStatus.FAILED, 1, error.message)
    assert job.payload.keys() == {"item_ids"}


async def test_a_payload_that_does_not_fit_fails_without_running(deaf_ledger):
    job_id = await submit(deaf_ledger)
    await set_job(deaf_ledger, job_id, """payload = '{"item_ids": ["x"], "more": 1}'""")
    await attempts_of(deaf_ledger, finish_at_once).make(job_id)
    job = await get_job(deaf_ledger, job_id)
    assert (job.status, job.error["code"]) == (JobStatus.FAILED, "bad-input")
    assert await count_effects(deaf_ledger, "a") == 0


async def test_a_handler_that_forgets_to_finish_is_a_failure(deaf_ledger):
    async def forget(_run):
        pass

    job = await make(deaf_ledger, forget)
    assert (job.status, job.error["exception"]) == (JobStatus.QUEUED, "RuntimeError")


async def test_an_error_after_the_finish_changes_nothing(deaf_ledger):
    async def stumble(run):
        await finish_at_once(run)
        raise ZeroDivisionError

    assert (await make(deaf_ledger, stumble)).status is JobStatus.DONE


QUICK = JobKind("index_item", INDEX_ITEM.payload, "background", 0.05, 5, "a kind of this test")


async def test_a_handler_that_takes_too_long_is_stopped_and_tried_again(deaf_ledger):
    stopped = asyncio.Event()

    async def dawdle(_run):
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    job = await make(deaf_ledger, dawdle, QUICK)
    assert stopped.is_set()
    assert (job.status, job.error["code"]) == (JobStatus.QUEUED, "timeout")


async def test_a_handler_that_will_not_stop_is_left_behind_and_writes_nothing(deaf_ledger, monkeypatch):
    monkeypatch.setattr("kernel.ledger.attempt._STOP_WAIT_S", 0.05)
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def ignore(run):
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue
        try:
            await finish_at_once(run)
        finally:
            ended.set()

    job = await make(deaf_ledger, ignore, QUICK)
    assert (job.status, job.error["code"]) == (JobStatus.QUEUED, "timeout")
    go_on.set()
    await ended.wait()
    assert await count_effects(deaf_ledger, "a") == 0
    assert (await get_job(deaf_ledger, job.id)).status is JobStatus.QUEUED


class Held:
    """A handler that waits until it is stopped or let go."""

    def __init__(self):
        self.started, self.go, self.stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, run):
        self.started.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        await finish_at_once(run)


async def test_a_cancelled_job_stops_at_once(deaf_ledger, web_ledger):
    held = Held()
    attempts = attempts_of(deaf_ledger, held)
    stop_listening = attempts.listen()
    job_id = await submit(deaf_ledger)
    making = asyncio.create_task(attempts.make(job_id))
    await held.started.wait()
    assert await cancel_job(web_ledger, job_id)
    await held.stopped.wait()
    await making
    stop_listening()
    job = await get_job(deaf_ledger, job_id)
    assert (job.status, job.payload, job.error) == (JobStatus.CANCELLED, {}, None)


async def test_a_failure_that_comes_before_the_message_of_the_cancellation_does_not_delay_it(deaf_ledger):
    async def stumble(run):
        await set_job(deaf_ledger, run.job.id, "cancel_requested = true, failures = 3")
        raise ZeroDivisionError

    job = await make(deaf_ledger, stumble)
    assert (job.status, job.attempts) == (JobStatus.QUEUED, 1)
    await sweep(deaf_ledger)
    await attempts_of(deaf_ledger, stumble).make(job.id)
    job = await get_job(deaf_ledger, job.id)
    assert (job.status, job.deliveries) == (JobStatus.CANCELLED, 2)


@pytest.mark.parametrize("loss", ["cancelled", "taken-over"])
async def test_without_a_message_the_next_renewal_stops_it(deaf_ledger, loss):
    quick = replace(deaf_ledger, config=replace(deaf_ledger.config, lease_s=0.3))
    held = Held()
    job_id = await submit(quick)
    making = asyncio.create_task(attempts_of(quick, held).make(job_id))
    await held.started.wait()
    await set_job(quick, job_id, "cancel_requested = true" if loss == "cancelled" else "attempts = 2")
    await held.stopped.wait()
    await making
    expected = JobStatus.CANCELLED if loss == "cancelled" else JobStatus.RUNNING
    assert (await get_job(quick, job_id)).status is expected


async def test_long_work_keeps_its_lease(deaf_ledger):
    quick = replace(deaf_ledger, config=replace(deaf_ledger.config, lease_s=0.3))
    held = Held()
    job_id = await submit(quick)
    making = asyncio.create_task(attempts_of(quick, held).make(job_id))
    await held.started.wait()
    first = (await get_job(quick, job_id)).lease_until
    async with asyncio.timeout(5):
        while (await get_job(quick, job_id)).lease_until == first:
            await asyncio.sleep(0.02)
    held.go.set()
    await making
    assert (await get_job(quick, job_id)).status is JobStatus.DONE


async def test_a_handler_that_hears_of_its_loss_itself_is_no_failure(deaf_ledger):
    async def lose(run):
        await set_job(deaf_ledger, run.job.id, "attempts = 2")
        with pytest.raises(LeaseLost):
            await run.report(1, 2, "")
        raise LeaseLost("over")

    job = await make(deaf_ledger, lose)
    assert (job.status, job.attempts, job.error) == (JobStatus.RUNNING, 2, None)


async def test_a_stopping_worker_waits_then_hands_back(ledger, redis_client, redis_prefix):
    held = Held()
    attempts = attempts_of(ledger, held)
    job_id = await submit(ledger)
    making = asyncio.create_task(attempts.make(job_id))
    await held.started.wait()
    await attempts.drain(0.05)
    await making
    assert held.stopped.is_set()
    job = await get_job(ledger, job_id)
    assert (job.status, job.attempts, job.deliveries) == (JobStatus.QUEUED, 1, 2)
    assert f"{job_id}:2".encode() in redis_client.zrange(f"{redis_prefix}:queue:background", 0, -1)
    assert (await claim(ledger, job_id)).attempts == 2


async def test_a_stopping_worker_lets_quick_work_end(deaf_ledger):
    held = Held()
    attempts = attempts_of(deaf_ledger, held)
    job_id = await submit(deaf_ledger)
    making = asyncio.create_task(attempts.make(job_id))
    await held.started.wait()
    held.go.set()
    await attempts.drain(5)
    await making
    assert (await get_job(deaf_ledger, job_id)).status is JobStatus.DONE


async def test_a_stopping_worker_sees_to_what_it_is_about_to_claim(deaf_ledger, ledger):
    """The row is held by somebody, as by a cancellation, so that the claim is under way when the worker stops."""
    attempts = attempts_of(deaf_ledger, finish_at_once)
    job_id = await submit(deaf_ledger)
    async with ledger.db.transaction() as tx:
        await tx.conn.execute("SELECT 1 FROM job WHERE id = $1 FOR UPDATE", job_id)
        making = asyncio.create_task(attempts.make(job_id))
        await _wait_for_lock(ledger)
        draining = asyncio.create_task(attempts.drain(5))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not draining.done()
    await draining
    assert (await get_job(ledger, job_id)).status is JobStatus.DONE
    await making


async def _wait_for_lock(ledger):
    """Until a statement of this database waits for a row."""
    async with ledger.db.acquire() as conn, asyncio.timeout(5):
        while not await conn.fetchval(
            """
            SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE datname = current_database() AND NOT granted
            """
        ):
            await asyncio.sleep(0.01)


async def test_the_payload_reaches_neither_the_log_nor_the_error(deaf_ledger):
    secret = "argon2-of-somebody"

    async def leak(run):
        async with run.finish() as finish:
            await finish.conn.fetchval("SELECT $1::int", run.payload.pass_hash)

    payload = SetPassword(EDITOR.actor.id, secret)
    with capture_logs() as logs:
        job = await make(deaf_ledger, leak, SET_PASSWORD, payload=payload)
    [failure] = [entry for entry in logs if entry["event"] == "attempt failed, another follows"]
    assert "test_attempt.py" in failure["stack"]
    assert failure["error"].startswith("DataError")
    assert secret not in str(logs)
    assert secret not in str(job.error)


async def test_the_audit_log_is_told_in_the_transaction_that_ends_the_job(deaf_ledger):
    """Of a change that was made as of one that was given up; one that is tried again is not told."""
    payload = ChangePlugin("enable", "blog")
    for work in (finish_at_once, raising(NotFound("It is gone.")), raising(Unavailable("Not now."))):
        await make(deaf_ledger, work, CHANGE_PLUGIN, payload=payload)
    async with deaf_ledger.db.acquire() as conn:
        told = await conn.fetch(
            """
            SELECT action, subject_label, details ->> 'reason' AS reason, event.xmin = job.xmin AS is_one
            FROM audit_event event JOIN job ON job.id = event.job_id ORDER BY at
            """
        )
    assert [tuple(row) for row in told] == [
        ("plugin.enable", "blog", None, True),
        ("plugin.failed", "blog", "It is gone.", True),
    ]
