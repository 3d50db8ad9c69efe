"""Waits until a job is over: a message says so first, the row is the truth."""

import asyncio
from time import monotonic
from typing import Any, Final, Self
from uuid import UUID

from kernel.context import Context
from kernel.errors import NotFound
from kernel.job_kind import JobKind
from kernel.ledger.ledger import JOB_FINISHED, Ledger
from kernel.ledger.model import Job
from kernel.ledger.store import find_job
from kernel.ledger.submit import submit_job

# How long to wait for a message before looking at the row all the same; the last one repeats.
_LOOK_AFTER_S: Final = (0.1, 0.2, 0.4, 0.8, 1.0)


async def submit_and_wait(
    ledger: Ledger,
    ctx: Context,
    kind: JobKind,
    payload: object,
    *,
    timeout_s: float,
    dedupe_key: str | None = None,
) -> Job:
    """Submit, then wait as `wait_for_job` does. Raises BadInput."""
    deadline = monotonic() + timeout_s
    with _Ear(ledger) as ear:
        job_id = await submit_job(ledger, ctx, kind, payload, dedupe_key=dedupe_key)
        # Nothing of a new job is missed; an earlier one with the same key may have been over before.
        return await _watch(ledger, job_id, ear, deadline, look_first=dedupe_key is not None)


async def wait_for_job(ledger: Ledger, job_id: UUID, timeout_s: float) -> Job:
    """The job once it is finished, or as it stands when the time is over. Raises NotFound."""
    with _Ear(ledger) as ear:
        return await _watch(ledger, job_id, ear, monotonic() + timeout_s, look_first=True)


class _Ear:
    """Remembers which jobs were said to be finished since it was opened."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._heard: set[str] = set()
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        self._unsubscribe = self._ledger.bus.subscribe(JOB_FINISHED, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        self._unsubscribe()

    def _hear(self, message: dict[str, Any]) -> None:
        self._heard.add(str(message.get("id")))
        self._changed.set()

    async def hears(self, job_id: UUID, timeout_s: float) -> bool:
        """Whether the job is said to be finished before the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                while str(job_id) not in self._heard:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True


async def _watch(ledger: Ledger, job_id: UUID, ear: _Ear, deadline: float, *, look_first: bool) -> Job:
    looks = 0
    heard = look_first
    while True:
        if not heard:
            patience_s = _LOOK_AFTER_S[min(looks, len(_LOOK_AFTER_S) - 1)]
            await ear.hears(job_id, min(patience_s, max(0.0, deadline - monotonic())))
            looks += 1
        heard = False
        async with ledger.db.acquire() as conn:
            job = await find_job(conn, job_id)
        if job is None:
            raise NotFound("There is no such job.")
        if job.is_finished or monotonic() >= deadline:
            return job
