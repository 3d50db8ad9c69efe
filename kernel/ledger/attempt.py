"""Makes one attempt at a job: claims it, lets its handler work under a kept lease, records how it went."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from random import SystemRandom
from time import monotonic
from typing import Any, Final, Literal, TypeAlias, TypeVar
from uuid import UUID

from structlog.contextvars import bound_contextvars

from kernel.audit.kinds import describe_failure
from kernel.audit.store import insert_events
from kernel.db.connect import DISCONNECTED
from kernel.db.pool import Connection
from kernel.errors import BadInput, LeaseLost
from kernel.ids import parse_uuid
from kernel.job_kind import JobKind
from kernel.ledger.fail import choose_status, compute_backoff_s, describe_error, describe_for_log
from kernel.ledger.ledger import JOB_CANCELLED, Ledger
from kernel.ledger.limit import deliver_next
from kernel.ledger.limit_store import claim_limited
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.outlast import outlast_restart
from kernel.ledger.payload import decode_payload
from kernel.ledger.run import JobRun, build_origin
from kernel.ledger.store import claim_job, hand_back, mark_cancelled, mark_failed
from kernel.log import get_logger
from kernel.profile import Profile, begin_profile

log = get_logger(__name__)

T = TypeVar("T")
Work: TypeAlias = Callable[[JobRun], Coroutine[Any, Any, None]]
StopReason = Literal["over", "timeout", "shutdown"]

# A handler that does not end this long after it was stopped is left behind; the fence keeps it from writing.
_STOP_WAIT_S: Final = 5.0


class Attempts:
    """The attempts that this process is making right now, so that a message or a shutdown can stop them."""

    def __init__(self, ledger: Ledger, work: Mapping[str, tuple[JobKind, Work]]) -> None:
        self._ledger = ledger
        self._work = work
        self._limits = {name: kind.at_once for name, (kind, _) in work.items() if kind.at_once is not None}
        self._free_kinds = [name for name in work if name not in self._limits]
        self._running: dict[UUID, _Attempt] = {}
        # Those that are about to claim a job count too: what they get has to end or be handed back.
        self._making = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def make(self, job_id: UUID) -> None:
        """Claim the job and see it through; quiet when it is not to be had. Errors of jobs stay here."""
        self._making += 1
        self._idle.clear()
        try:
            await self._make(job_id)
        finally:
            self._making -= 1
            if not self._making:
                self._idle.set()

    async def _make(self, job_id: UUID) -> None:
        ledger, profile = self._ledger, begin_profile()
        job = await outlast_restart(lambda: self._claim(job_id), for_s=ledger.config.lease_s)
        if job is None:
            log.debug("delivery of a job that is not to be had", job_id=str(job_id))
            return
        kind, work = self._work[job.kind]
        with bound_contextvars(request_id=job.request_id, job_id=str(job.id), kind=job.kind):
            if job.status is JobStatus.CANCELLED:
                log.info("job cancelled before it ran")
                await ledger.tell_waiter(job.id, job.status)
                await self._give_turn(kind, job.group_key)
                return
            if job.attempts == 1 and job.started is not None:
                waited_s = (job.started - job.run_at).total_seconds()
                ledger.cache.metrics.count_pickup(kind.name, max(0.0, waited_s))
            attempt = _Attempt(ledger, job, kind, profile)
            self._running[job.id] = attempt
            try:
                await attempt.make(work)
                await self._give_turn(kind, job.group_key)
            finally:
                ledger.cache.metrics.count_job(kind.name, attempt.outcome, profile.elapsed_s)
                if self._running.get(job.id) is attempt:
                    del self._running[job.id]

    async def _claim(self, job_id: UUID) -> Job | None:
        lease_s = self._ledger.config.lease_s
        async with self._ledger.db.acquire() as conn:
            job = await claim_job(conn, job_id, self._free_kinds, lease_s)
        if job is None and self._limits:
            async with self._ledger.db.transaction() as tx:
                job = await claim_limited(tx.conn, job_id, self._limits, lease_s)
        return job

    async def _give_turn(self, kind: JobKind, group: str) -> None:
        """What is waited for in the same group may begin; when this fails, the sweeper does it."""
        if kind.at_once is None:
            return
        try:
            await deliver_next(self._ledger, kind, group)
        except DISCONNECTED as error:
            log.warning("next of its group not delivered", error=type(error).__name__)

    def listen(self) -> Callable[[], None]:
        """Stop an attempt as soon as somebody cancels its job. The answer ends this."""

        def hear(message: dict[str, Any]) -> None:
            job_id = parse_uuid(str(message.get("id")))
            if job_id is not None and job_id in self._running:
                self._running[job_id].stop("over")

        return self._ledger.bus.subscribe(JOB_CANCELLED, hear)

    async def drain(self, grace_s: float) -> None:
        """Wait for the running attempts; what is not over after `grace_s` goes back to the queue."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace_s)
        for attempt in self._running.values():
            attempt.stop("shutdown")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), 2 * _STOP_WAIT_S)


class _Attempt:
    """`outcome` is for the metrics: how it went, as far as it was recorded."""

    def __init__(self, ledger: Ledger, job: Job, kind: JobKind, profile: Profile) -> None:
        self.outcome = "unrecorded"
        self._ledger = ledger
        self._job = job
        self._kind = kind
        self._profile = profile
        self._payload: Any = None
        self._work: asyncio.Task[None] | None = None
        self._stopped: StopReason | None = None

    def stop(self, reason: StopReason) -> None:
        if self._work is not None and not self._work.done() and self._stopped is None:
            self._stopped = reason
            self._work.cancel()

    async def make(self, work: Work) -> None:
        try:
            run = JobRun(self._ledger, self._job, decode_payload(self._kind.payload, self._job.payload))
        except BadInput as error:
            await self._record(self._record_failure(error, self._job.failures + 1))
            return
        self._payload = run.payload
        try:
            raised = await self._do(work, run)
        finally:
            await run.writes.abandon()
        if run.is_done:
            self.outcome = "done"
            log.info("job done", **self._describe())
            if raised is not None:
                log.warning("handler failed after its job was done", **describe_for_log(raised))
        elif run.is_paused:
            self.outcome = "paused"
            log.info("job paused", **self._describe())
            if raised is not None:
                log.warning("handler failed after its job was paused", **describe_for_log(raised))
        elif self._stopped == "shutdown":
            await self._record(self._record_return())
        elif self._stopped == "over" or isinstance(raised, LeaseLost):
            await self._record(self._record_end())
        else:
            unfinished = RuntimeError("The handler returned without finishing its job.")
            await self._record(self._record_failure(raised or unfinished, run.failures + 1))

    def _describe(self) -> dict[str, float | int]:
        """For the log: which attempt, how long it took, and on what."""
        ms = round(self._profile.elapsed_s * 1000, 1)
        return {"attempt": self._job.attempts, "ms": ms, **self._profile.as_fields()}

    async def _do(self, work: Work, run: JobRun) -> BaseException | None:
        """Run the handler to its end; what it raised."""
        self._work = asyncio.create_task(work(run))
        keeper = asyncio.create_task(self._keep_lease(run))
        try:
            done, _ = await asyncio.wait({self._work}, timeout=self._kind.timeout_s)
            if not done:
                self.stop("timeout")
                done, _ = await asyncio.wait({self._work}, timeout=_STOP_WAIT_S)
        finally:
            keeper.cancel()
            self._work.cancel()
        if not done:
            log.error("handler does not stop and is left behind")
            self._work.add_done_callback(_ignore_late_end)
        if self._stopped == "timeout":
            return TimeoutError("the handler took longer than its job may")
        return asyncio.CancelledError() if self._work.cancelled() else self._work.exception()

    async def _keep_lease(self, run: JobRun) -> None:
        """Stops the work when the lease is lost, or may be, since the database has been away for so long."""
        lease_s = self._ledger.config.lease_s
        trusted_until = monotonic() + lease_s
        while True:
            await asyncio.sleep(lease_s / 3)
            asked = monotonic()
            try:
                await run.keep_lease()
            except LeaseLost:
                self.stop("over")
                return
            except DISCONNECTED as error:
                log.warning("lease not renewed", error=type(error).__name__)
                if monotonic() >= trusted_until:
                    self.stop("over")
                    return
            else:
                trusted_until = asked + lease_s

    async def _record(self, work: Coroutine[Any, Any, None]) -> None:
        """A database that stays away costs the record of this attempt; its lease then runs out by itself."""
        try:
            await work
        except DISCONNECTED as error:
            log.warning("outcome of an attempt not recorded", error=type(error).__name__)

    async def _record_failure(self, error: BaseException, failures: int) -> None:
        job = self._job
        status = choose_status(error, failures, self._kind)
        retry_in_s = compute_backoff_s(failures, SystemRandom())
        described = describe_error(error, job)
        over = not await self._change(lambda conn: self._mark_failed(conn, status, described, retry_in_s))
        self.outcome = "lost" if over else "retried" if status is JobStatus.QUEUED else status.value
        if over:
            log.warning("attempt failed and was over already", **describe_for_log(error))
        elif status is JobStatus.QUEUED:
            log.warning("attempt failed, another follows", retry_in_s=retry_in_s, **describe_for_log(error))
        else:
            log.error("job failed for good", status=status.value, **describe_for_log(error))
            await self._ledger.tell_waiter(job.id, status)

    async def _mark_failed(
        self, conn: Connection, status: JobStatus, described: dict[str, Any], retry_in_s: float
    ) -> bool:
        """With what the audit log is told when the job is given up."""
        job, entries = self._job, []
        if status is not JobStatus.QUEUED and self._payload is not None:
            entries = [*describe_failure(job.kind, self._payload, described["message"])]
        if not entries:
            return await mark_failed(conn, job, status, described, retry_in_s)
        async with conn.transaction():
            is_ours = await mark_failed(conn, job, status, described, retry_in_s)
            if is_ours:
                await insert_events(conn, build_origin(job), entries)
        return is_ours

    async def _record_end(self) -> None:
        if await self._change(lambda conn: mark_cancelled(conn, self._job)):
            self.outcome = "cancelled"
            log.info("job cancelled")
            await self._ledger.tell_waiter(self._job.id, JobStatus.CANCELLED)
        else:
            self.outcome = "lost"
            log.warning("lease lost, attempt given up", attempt=self._job.attempts)

    async def _record_return(self) -> None:
        ledger = self._ledger
        number = await self._change(lambda conn: hand_back(conn, self._job, ledger.config.sweep_every_s))
        self.outcome = "lost" if number is None else "returned"
        if number is not None:
            log.info("job handed back, this worker stops")
            await ledger.queue.put(self._job.id, number, self._kind)

    async def _change(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        async def once() -> T:
            async with self._ledger.db.acquire() as conn:
                return await statement(conn)

        return await outlast_restart(once, for_s=self._ledger.config.lease_s)


def _ignore_late_end(work: asyncio.Task[None]) -> None:
    """Its attempt has been recorded as over, and the fence refused what it tried to write."""
    if not work.cancelled():
        work.exception()
