"""Watches a batch from a terminal: whether a worker takes it, how far it is, how it ended."""

import sys
from time import monotonic
from typing import Final
from uuid import UUID

import click

from kernel.errors import Unavailable, WorkFailed
from kernel.ledger.figures import is_anybody_working
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.wait import wait_for_job
from kernel.runtime import Runtime

# A worker takes a job within milliseconds; one that takes nothing for so long does not run, or has other work.
ANSWER_S: Final = 5.0
LOOK_EVERY_S: Final = 0.5


async def follow_batch(rt: Runtime, batch_id: UUID) -> Job:
    """Wait for its end, and show meanwhile how far it is. Raises Unavailable when no worker takes it, and WorkFailed
    when it did not come to its end."""
    asked = monotonic()
    is_queued_told = False
    bar = _Bar()
    with bar:
        while True:
            job = await wait_for_job(rt.ledger, batch_id, LOOK_EVERY_S)
            bar.show(job)
            if job.is_finished:
                break
            if job.attempts == 0 and monotonic() - asked >= ANSWER_S:
                async with rt.db.acquire() as conn:
                    busy = await is_anybody_working(conn)
                if not busy:
                    raise Unavailable(describe_waiting(batch_id))
                if not is_queued_told:
                    bar.say("Other work comes first; this one waits for its turn.")
                is_queued_told, asked = True, monotonic()
    return _check_end(job)


async def wait_until_taken(rt: Runtime, batch_id: UUID) -> bool:
    """False when no worker runs; whoever has other work is left to it."""
    deadline = monotonic() + ANSWER_S
    while monotonic() < deadline:
        job = await wait_for_job(rt.ledger, batch_id, 0.1)
        if job.attempts or job.is_finished:
            return True
    async with rt.db.acquire() as conn:
        return await is_anybody_working(conn)


def describe_waiting(batch_id: UUID) -> str:
    return (
        f"No worker has answered for {ANSWER_S:.0f} s. Batch {batch_id} waits and begins when one runs: start it with "
        f"`trovato worker`, or call the batch off with `trovato jobs cancel {batch_id}`."
    )


def _check_end(job: Job) -> Job:
    """Raises WorkFailed."""
    if job.status is JobStatus.CANCELLED:
        raise WorkFailed(f"Batch {job.id} was cancelled after {job.progress_done:,}.", tries=1)
    if job.status is not JobStatus.DONE or job.result is None:
        message = (job.error or {}).get("message", "The log of the workers tells more.")
        again = f"`trovato jobs retry {job.id}` goes on where it stopped."
        raise WorkFailed(f"Batch {job.id} was given up: {message} {again}", tries=1)
    if job.result["outcome"] != "done":
        raise WorkFailed(job.result["message"], tries=1)
    return job


class _Bar:
    """One line on a terminal that is written over; elsewhere nothing, so that a log holds no hundred lines of it."""

    def __init__(self) -> None:
        self._is_live = sys.stderr.isatty()
        self._width = 0

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._write("")

    def show(self, job: Job) -> None:
        if job.attempts:
            self._write(
                f"{job.progress_note or 'Beginning'}: {job.progress_done:,} of {job.progress_total:,}"
            )

    def say(self, text: str) -> None:
        self._write("")
        click.echo(text, err=True)

    def _write(self, text: str) -> None:
        if self._is_live:
            click.echo(f"\r{text.ljust(self._width)}\r{text}", nl=False, err=True)
            self._width = len(text)
