"""A job as the ledger knows it, and the one table of how its status may change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID


class JobStatus(StrEnum):
    """`failed` means that trying again would not help, `dead` that every attempt was used up."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"


# Every change that a statement in store.py may make; a test tries each statement on each status.
TRANSITIONS: Final[Mapping[JobStatus, frozenset[JobStatus]]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.DONE, JobStatus.QUEUED, JobStatus.FAILED, JobStatus.DEAD, JobStatus.CANCELLED}
    ),
    JobStatus.DONE: frozenset(),
    JobStatus.FAILED: frozenset({JobStatus.QUEUED}),
    JobStatus.DEAD: frozenset({JobStatus.QUEUED}),
    JobStatus.CANCELLED: frozenset(),
}

UNFINISHED: Final = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the table `job`.

    `attempts` counts claims and is the fencing token: who holds an older number may write nothing. `failures`
    counts tries that failed since the job last got further; its kind limits those.
    `lease_until` says how long somebody is trusted with the job: the worker that claimed it or, while it is
    queued, the queue.
    `depth` counts the jobs of plugins that led to this one, each submitted in a tap of the one before.
    `scope` limits what its actor may do in it; None: everything that the actor may.
    """

    id: UUID
    kind: str
    payload: dict[str, Any]
    status: JobStatus
    actor_id: UUID
    session_key: str | None
    stage_id: str
    request_id: str
    dedupe_key: str | None
    group_key: str
    parent_id: UUID | None
    depth: int
    client_address: str
    scope: list[str] | None
    run_at: datetime
    deliveries: int
    attempts: int
    failures: int
    lease_until: datetime | None
    cancel_requested: bool
    progress_done: int
    progress_total: int
    progress_note: str
    cursor: Any
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    drop_tags: list[str] | None
    created: datetime
    started: datetime | None
    finished: datetime | None

    @property
    def is_finished(self) -> bool:
        """Nothing happens to it any more by itself; `result` or `error` says how it went."""
        return self.status not in UNFINISHED
