"""Jobs as people look at them: newest first, filtered, and how many wait or need attention.

Whatever is asked for, a bounded number of rows is looked at: what an index answers narrows the search, and the
rest is looked for among the newest of what is left. Of a payload nothing is read but the name of what is to be done.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from kernel.db.pool import Connection
from kernel.ids import first_uuid7
from kernel.ledger.access import OF_THE_SITE
from kernel.ledger.model import JobStatus
from kernel.names import OPERATOR_ID, OPERATOR_NAME

# How many rows one page of a list looks at, and how far counts count.
WINDOW: Final = 20_000
COUNTED: Final = 1_000
# The same for what each page of somebody who is logged in tells of their own work.
RECENT: Final = 100

ATTENTION: Final = frozenset({JobStatus.FAILED, JobStatus.DEAD})

# Work that nobody asked for by name, and that a list of somebody's own work leaves out.
_BACKSTAGE: Final = ("retry_job", *sorted(OF_THE_SITE))
# Partial indexes hold these, and no index the others.
_INDEXED: Final = frozenset({JobStatus.QUEUED, JobStatus.RUNNING, *ATTENTION})


@dataclass(frozen=True, slots=True)
class JobLine:
    """One row of a list. `title`, `outcome` and `error` come from the result and the error; `title` names content,
    and so may `error` where there is a `failure`: that a plugin, a tap and a reason are named in.
    `operation` and `refused` are those of a batch: what it does, and how many it could not do.
    `group_key` and `queue` say whose work a plugin's is, until that is done."""

    id: UUID
    kind: str
    status: JobStatus
    actor_id: UUID
    actor_name: str
    session_key: str | None
    scope: list[str] | None
    attempts: int
    cancel_requested: bool
    progress_done: int
    progress_total: int
    progress_note: str
    run_at: datetime
    created: datetime
    started: datetime | None
    finished: datetime | None
    outcome: str | None
    title: str | None
    error: str | None
    failure: dict[str, str | None] | None
    operation: str | None
    refused: int
    group_key: str
    queue: str | None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """`is_started_by_hand` leaves out what follows from other jobs; `before` goes on behind that id."""

    statuses: Collection[JobStatus] = ()
    kind: str = ""
    actor_id: UUID | None = None
    session_key: str | None = None
    since: datetime | None = None
    before: UUID | None = None
    is_started_by_hand: bool = False


@dataclass(frozen=True, slots=True)
class JobPage:
    """`next_before` is where the list goes on; `is_cut` says that the search stopped there, full or not."""

    lines: list[JobLine]
    next_before: UUID | None
    is_cut: bool = False


_FROM_ELSEWHERE: Final = {
    "actor_name": (
        f"CASE job.actor_id WHEN '{OPERATOR_ID}' THEN '{OPERATOR_NAME}' ELSE coalesce(users.name, '') END"
    ),
    "outcome": "job.result ->> 'outcome'",
    "title": "job.result ->> 'title'",
    "error": "job.error ->> 'message'",
    "failure": "job.error -> 'failure'",
    "operation": (
        # Before its first slice a batch has no cursor, and in the end no payload.
        "CASE WHEN job.kind = 'run_batch' "
        "THEN coalesce(job.cursor ->> 'operation', job.payload ->> 'operation') END"
    ),
    "queue": "CASE WHEN job.kind = 'work_plugin_queue' THEN job.payload ->> 'queue' END",
    "refused": "CASE WHEN job.kind = 'run_batch' THEN coalesce((job.cursor ->> 'refused')::int, 0) ELSE 0 END",
}
_COLUMNS: Final = ", ".join(
    f"{_FROM_ELSEWHERE.get(field.name, f'job.{field.name}')} AS {field.name}" for field in fields(JobLine)
)


async def list_jobs(conn: Connection, wanted: JobFilter, limit: int) -> JobPage:
    """Newest first."""
    query = _Query(wanted)
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS}
        FROM ({query.found} ORDER BY id DESC LIMIT {limit + 1:d}) AS chosen JOIN job USING (id)
            LEFT JOIN users ON users.id = job.actor_id
        ORDER BY id DESC
        """,  # noqa: S608  # constants of this module and placeholders
        *query.values,
    )
    lines = [JobLine(**{**row, "status": JobStatus(row["status"])}) for row in rows[:limit]]
    if len(rows) > limit:
        return JobPage(lines, lines[-1].id)
    if not query.rest:
        return JobPage(lines, None)
    last: UUID | None = await conn.fetchval(f"{query.base} OFFSET {WINDOW - 1:d} LIMIT 1", *query.near_values)
    return JobPage(lines, last, is_cut=last is not None)


class _Query:
    """The statement's parts: `base` is what an index finds, `rest` is asked of each row in its window."""

    def __init__(self, wanted: JobFilter) -> None:
        self.values: list[Any] = []
        near, rest = ["true"], []
        if wanted.before is not None:
            near.append(f"id < {self._bind(wanted.before)}")
        if wanted.since is not None:
            near.append(f"id >= {self._bind(first_uuid7(wanted.since))}")
        if wanted.actor_id is not None:
            near.append(f"actor_id = {self._bind(wanted.actor_id)}")
        # Written out, since a placeholder would not tell the planner which partial index holds them.
        names = ", ".join(f"'{status.value}'" for status in sorted(wanted.statuses))
        is_indexed = bool(names) and _INDEXED.issuperset(wanted.statuses)
        if is_indexed:
            near.append(f"status IN ({names})")
        if is_indexed and wanted.kind:
            near.append(f"kind = {self._bind(wanted.kind)}")
        self.near_values = list(self.values)
        if names and not is_indexed:
            rest.append(f"status IN ({names})")
        if wanted.kind and not is_indexed:
            rest.append(f"kind = {self._bind(wanted.kind)}")
        if wanted.session_key is not None:
            rest.append(f"session_key = {self._bind(wanted.session_key)}")
        if wanted.is_started_by_hand:
            rest.append(f"parent_id IS NULL AND kind <> ALL({self._bind(_BACKSTAGE)})")
        self.rest = " AND ".join(rest)
        self.base = (
            "SELECT id, kind, status, session_key, parent_id FROM job"  # noqa: S608  # constants and placeholders
            f" WHERE {' AND '.join(near)} ORDER BY id DESC"
        )

    @property
    def found(self) -> str:
        """Those rows of the window that everything is true of, newest first."""
        return (
            f"SELECT id, status FROM ({self.base} LIMIT {WINDOW:d}) AS looked_at WHERE {self.rest or 'true'}"  # noqa: S608  # as above
        )

    def _bind(self, value: object) -> str:
        self.values.append(value)
        return f"${len(self.values)}"


async def count_open_jobs(conn: Connection) -> dict[JobStatus, int]:
    """How many wait, run, failed and gave up, each counted up to COUNTED through an index of those alone."""
    row = await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM (SELECT 1 FROM job WHERE status = 'queued' LIMIT $1) AS s) AS queued,
               (SELECT count(*) FROM (SELECT 1 FROM job WHERE status = 'running' LIMIT $1) AS s) AS running,
               (SELECT count(*) FROM (SELECT 1 FROM job WHERE status = 'failed' LIMIT $1) AS s) AS failed,
               (SELECT count(*) FROM (SELECT 1 FROM job WHERE status = 'dead' LIMIT $1) AS s) AS dead
        """,
        COUNTED,
    )
    return {JobStatus(status): number for status, number in dict(row or {}).items()}


async def count_own_jobs(conn: Connection, actor_id: UUID, session_key: str | None) -> dict[JobStatus, int]:
    """By status, of the newest that somebody started."""
    own = JobFilter(actor_id=actor_id, session_key=session_key, is_started_by_hand=True)
    query = _Query(own)
    rows = await conn.fetch(
        f"""
        SELECT status, count(*) AS number FROM ({query.found} LIMIT {COUNTED:d}) AS newest GROUP BY status
        """,  # noqa: S608  # as above
        *query.values,
    )
    return {JobStatus(row["status"]): row["number"] for row in rows}


@dataclass(frozen=True, slots=True)
class RecentWork:
    """How many of somebody's jobs wait or run, and how many failed."""

    unfinished: int
    failed: int


async def count_recent_work(conn: Connection, actor_id: UUID, since: datetime) -> RecentWork:
    """Of the newest RECENT that somebody started, at most: every page asks this."""
    row = await conn.fetchrow(
        """
        SELECT count(*) FILTER (WHERE status IN ('queued', 'running')) AS unfinished,
               count(*) FILTER (WHERE status IN ('failed', 'dead')) AS failed
        FROM (
            SELECT status, kind, parent_id FROM job WHERE actor_id = $1 AND id >= $2 ORDER BY id DESC LIMIT $3
        ) AS newest
        WHERE parent_id IS NULL AND kind <> ALL($4)
        """,
        actor_id,
        first_uuid7(since),
        RECENT,
        _BACKSTAGE,
    )
    return RecentWork(row["unfinished"], row["failed"]) if row else RecentWork(0, 0)
