"""The ledger's SQL.

Every change of status is one conditional statement, and its answer is the verdict. Time is the database's, so that
workers whose clocks differ agree on leases.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from kernel.context import Context
from kernel.db.pool import Connection, Record
from kernel.job_kind import JobKind
from kernel.ledger.model import Job, JobStatus

COLUMNS: Final = ", ".join(field.name for field in fields(Job))


def read_job(row: Record) -> Job:
    return Job(**{**row, "status": JobStatus(row["status"])})


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is about to be inserted. `run_at` None: at once."""

    id: UUID
    kind: JobKind
    payload: orjson.Fragment
    group_key: str = ""
    run_at: datetime | None = None


# Submitting: as trovato_web, which may insert these columns and no others -----------------------------------


async def insert_job(conn: Connection, new: NewJob, ctx: Context, dedupe_key: str | None) -> bool:
    """False when a job with this dedupe key exists already."""
    inserted = await conn.fetchval(
        """
        INSERT INTO job (id, kind, payload, actor_id, session_key, stage_id, request_id, dedupe_key, group_key,
                         run_at, depth, scope, client_address)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, now()), $11, $12, $13)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        new.id,
        new.kind.name,
        new.payload,
        ctx.actor.id,
        ctx.session_key if ctx.actor.is_anonymous else None,
        ctx.stage_id,
        ctx.request_id,
        dedupe_key,
        new.group_key,
        new.run_at,
        ctx.depth,
        None if ctx.actor.scope is None else sorted(ctx.actor.scope),
        ctx.client_address,
    )
    return inserted is not None


async def find_job(conn: Connection, job_id: UUID) -> Job | None:
    row = await conn.fetchrow(f"SELECT {COLUMNS} FROM job WHERE id = $1", job_id)  # noqa: S608  # the columns are a constant
    return None if row is None else read_job(row)


async def find_job_id(conn: Connection, dedupe_key: str) -> UUID | None:
    found: UUID | None = await conn.fetchval("SELECT id FROM job WHERE dedupe_key = $1", dedupe_key)
    return found


async def request_cancel(conn: Connection, job_id: UUID) -> Job | None:
    """The job as it is now, or None when it is too late. Waits for a finishing transaction to end."""
    row = await conn.fetchrow(
        f"""
        UPDATE job SET cancel_requested = true WHERE id = $1 AND status IN ('queued', 'running')
        RETURNING {COLUMNS}
        """,  # noqa: S608  # the columns are a constant of this module
        job_id,
    )
    return None if row is None else read_job(row)


@dataclass(slots=True)
class StepMarks:
    """How far a long job has got. `cursor` is JSON that its handler alone understands."""

    cursor: Any
    done: int
    total: int
    note: str


# One attempt: as trovato_worker -----------------------------------------------------------------------------


async def claim_job(conn: Connection, job_id: UUID, kinds: Collection[str], lease_s: float) -> Job | None:
    """The job, now running with a fresh lease and the next attempt number; or cancelled, when asked for.

    None when it is not to be had: somebody else was first, it is over, not due yet, or of another kind.
    """
    row = await conn.fetchrow(
        f"""
        UPDATE job SET
            status = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'running' END,
            payload = CASE WHEN cancel_requested THEN '{{}}' ELSE payload END,
            finished = CASE WHEN cancel_requested THEN now() END,
            lease_until = CASE WHEN cancel_requested THEN NULL ELSE now() + make_interval(secs => $3) END,
            attempts = attempts + 1,
            started = coalesce(started, now())
        WHERE id = $1 AND status = 'queued' AND kind = ANY($2) AND (run_at <= now() OR cancel_requested)
        RETURNING {COLUMNS}
        """,  # noqa: S608  # the columns are a constant of this module
        job_id,
        kinds,
        lease_s,
    )
    return None if row is None else read_job(row)


async def renew_lease(conn: Connection, job: Job, lease_s: float) -> bool:
    """False when this attempt is over: taken over, or asked to stop."""
    return await _touch(
        conn,
        """
        UPDATE job SET lease_until = now() + make_interval(secs => $3)
        WHERE id = $1 AND attempts = $2 AND status = 'running' AND NOT cancel_requested RETURNING true
        """,
        job.id,
        job.attempts,
        lease_s,
    )


async def write_progress(
    conn: Connection, job: Job, lease_s: float, *, done: int, total: int, note: str
) -> bool:
    """Renews the lease too. False when this attempt is over."""
    return await _touch(
        conn,
        """
        UPDATE job SET lease_until = now() + make_interval(secs => $3),
            progress_done = $4, progress_total = $5, progress_note = $6
        WHERE id = $1 AND attempts = $2 AND status = 'running' AND NOT cancel_requested RETURNING true
        """,
        job.id,
        job.attempts,
        lease_s,
        done,
        total,
        note,
    )


async def lock_attempt(conn: Connection, job: Job) -> bool:
    """The fence: holds the row until the transaction ends, if this attempt still owns it."""
    return await _touch(
        conn,
        """
        SELECT true FROM job
        WHERE id = $1 AND attempts = $2 AND status = 'running' AND NOT cancel_requested FOR UPDATE
        """,
        job.id,
        job.attempts,
    )


async def mark_done(
    conn: Connection, job: Job, result: Mapping[str, Any], drop_tags: list[str] | None
) -> None:
    """To be called under `lock_attempt`, in the transaction that holds the effect."""
    await conn.execute(
        """
        UPDATE job SET status = 'done', result = $2, drop_tags = coalesce(drop_tags || $3, drop_tags, $3),
            payload = '{}', error = NULL, lease_until = NULL, finished = now(), client_address = ''
        WHERE id = $1
        """,
        job.id,
        result,
        drop_tags,
    )


async def mark_step(
    conn: Connection, job: Job, lease_s: float, step: StepMarks, drop_tags: list[str] | None
) -> None:
    """To be called under `lock_attempt`, in the transaction that holds the effect of the step."""
    await conn.execute(
        """
        UPDATE job SET cursor = $3, progress_done = $4, progress_total = $5, progress_note = $6,
            drop_tags = coalesce(drop_tags || $7, drop_tags, $7),
            failures = 0, error = NULL, lease_until = now() + make_interval(secs => $2)
        WHERE id = $1
        """,
        job.id,
        lease_s,
        step.cursor,
        step.done,
        step.total,
        step.note,
        drop_tags,
    )


async def insert_follow_ups(conn: Connection, parent: Job, jobs: Sequence[NewJob]) -> None:
    """On behalf of the same actor, in the same stage, under the same request id."""
    if not jobs:
        return
    await conn.executemany(
        """
        INSERT INTO job (id, kind, payload, actor_id, session_key, stage_id, request_id, parent_id, group_key,
                         depth, scope, client_address)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        [
            (
                job.id,
                job.kind.name,
                job.payload,
                parent.actor_id,
                parent.session_key,
                parent.stage_id,
                parent.request_id,
                parent.id,
                job.group_key,
                parent.depth,
                parent.scope,
                parent.client_address,
            )
            for job in jobs
        ],
    )


async def clear_drop_tags(conn: Connection, dropped: Mapping[UUID, int]) -> None:
    """`dropped` says how many tags of which job were dropped; a job that has got more since keeps them all.

    Does not wait for the disk: what a crash takes back, the sweeper drops once more.
    """
    await conn.execute(
        """
        WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
        UPDATE job SET drop_tags = NULL
        FROM quick, unnest($1::uuid[], $2::int[]) AS dropped (id, number)
        WHERE job.id = dropped.id AND cardinality(job.drop_tags) = dropped.number
        """,
        list(dropped),
        list(dropped.values()),
    )


async def mark_failed(
    conn: Connection, job: Job, status: JobStatus, error: Mapping[str, Any], retry_in_s: float
) -> bool:
    """`status` is failed, dead, or queued for another attempt in `retry_in_s`; one that somebody asked to cancel comes
    back at once, to be marked so. False when it was over."""
    return await _touch(
        conn,
        """
        UPDATE job SET status = $3::text, error = $4,
            run_at = CASE WHEN $3 = 'queued'
                THEN now() + make_interval(secs => CASE WHEN cancel_requested THEN 0 ELSE $5::float8 END)
                ELSE run_at END,
            lease_until = CASE WHEN $3 = 'queued'
                THEN now() + make_interval(secs => CASE WHEN cancel_requested THEN 0 ELSE $5::float8 END) END,
            failures = failures + 1,
            finished = CASE WHEN $3 = 'queued' THEN NULL ELSE now() END
        WHERE id = $1 AND attempts = $2 AND status = 'running' RETURNING true
        """,
        job.id,
        job.attempts,
        status.value,
        error,
        retry_in_s,
    )


async def mark_cancelled(conn: Connection, job: Job) -> bool:
    """False when nobody asked for it, or the attempt was over already."""
    return await _touch(
        conn,
        """
        UPDATE job SET status = 'cancelled', payload = '{}', lease_until = NULL, finished = now()
        WHERE id = $1 AND attempts = $2 AND status = 'running' AND cancel_requested RETURNING true
        """,
        job.id,
        job.attempts,
    )


async def hand_back(conn: Connection, job: Job, trust_queue_s: float) -> int | None:
    """Return a running job to the queue at once. The delivery to make, or None when it was over."""
    number: int | None = await conn.fetchval(
        """
        UPDATE job SET status = 'queued', deliveries = deliveries + 1, run_at = now(),
            lease_until = now() + make_interval(secs => $3)
        WHERE id = $1 AND attempts = $2 AND status = 'running' RETURNING deliveries
        """,
        job.id,
        job.attempts,
        trust_queue_s,
    )
    return number


async def requeue_finished(conn: Connection, job_id: UUID, trust_queue_s: float) -> Job | None:
    """Gives a failed or dead job one more attempt, under a number that no earlier attempt had."""
    row = await conn.fetchrow(
        f"""
        UPDATE job SET status = 'queued', deliveries = deliveries + 1, run_at = now(), finished = NULL,
            lease_until = now() + make_interval(secs => $2), cancel_requested = false, failures = 0
        WHERE id = $1 AND status IN ('failed', 'dead') RETURNING {COLUMNS}
        """,  # noqa: S608  # the columns are a constant of this module
        job_id,
        trust_queue_s,
    )
    return None if row is None else read_job(row)


async def _touch(conn: Connection, statement: str, *values: object) -> bool:
    return await conn.fetchval(statement, *values) is not None
