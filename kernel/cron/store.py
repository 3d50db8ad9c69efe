"""The SQL of cron: a row is begun and ended by conditional statements, whose answer is the verdict."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Final
from uuid import UUID

from kernel.cron.model import CronRun, CronState, RunStatus, TaskPast
from kernel.db.pool import Connection, Record

_COLUMNS: Final = ", ".join(field.name for field in fields(CronRun))


def _read_run(row: Record) -> CronRun:
    return CronRun(**{**row, "status": RunStatus(row["status"])})


async def select_now(conn: Connection) -> datetime:
    """The clock that every slot is counted by."""
    now: datetime = await conn.fetchval("SELECT clock_timestamp()")
    return now


# One run, in its own order -------------------------------------------------------------------------------------


async def begin_run(conn: Connection, task: str, slot: datetime, *, missed: int, job_id: UUID) -> int | None:
    """The number of this attempt. None when the slot was ended."""
    attempt: int | None = await conn.fetchval(
        """
        INSERT INTO cron_run (task, slot, missed, job_id, started) VALUES ($1, $2, $3, $4, clock_timestamp())
        ON CONFLICT (task, slot) DO UPDATE
            SET attempt = cron_run.attempt + 1, job_id = $4, started = clock_timestamp()
            WHERE cron_run.status = 'running'
        RETURNING attempt
        """,
        task,
        slot,
        missed,
        job_id,
    )
    return attempt


async def end_run(
    conn: Connection, task: str, slot: datetime, attempt: int, status: RunStatus, *, note: str, error: str
) -> bool:
    """False when another attempt has it, or it was ended before: then nothing that belongs to it may be written."""
    ended = await conn.fetchval(
        """
        UPDATE cron_run SET status = $4, note = $5, error = $6, finished = clock_timestamp()
        WHERE task = $1 AND slot = $2 AND attempt = $3 AND status = 'running' RETURNING true
        """,
        task,
        slot,
        attempt,
        status.value,
        note,
        error,
    )
    return ended is not None


async def insert_skipped(conn: Connection, task: str, slot: datetime, *, missed: int, job_id: UUID) -> bool:
    """False when the slot has a row already."""
    inserted = await conn.fetchval(
        """
        INSERT INTO cron_run (task, slot, status, missed, job_id, started, finished)
        VALUES ($1, $2, 'skipped', $3, $4, clock_timestamp(), clock_timestamp())
        ON CONFLICT DO NOTHING RETURNING true
        """,
        task,
        slot,
        missed,
        job_id,
    )
    return inserted is not None


async def fail_abandoned(
    conn: Connection, task: str, slot: datetime, max_attempts: int, error: str
) -> list[CronRun]:
    """Ends what nobody will take up again: runs of earlier slots, and the one of this slot when its attempts are
    used up."""
    rows = await conn.fetch(
        f"""
        UPDATE cron_run SET status = 'failed', error = $4, finished = clock_timestamp()
        WHERE task = $1 AND status = 'running' AND (slot < $2 OR slot = $2 AND attempt >= $3)
        RETURNING {_COLUMNS}
        """,  # noqa: S608  # the columns are a constant of this module
        task,
        slot,
        max_attempts,
        error,
    )
    return [_read_run(row) for row in rows]


# What was ------------------------------------------------------------------------------------------------------


async def list_pasts(conn: Connection, slots: Sequence[tuple[str, datetime]]) -> dict[str, TaskPast]:
    """By the name of the task, seen from the given slot of each; a few look-ups in an index for each."""
    rows = await conn.fetch(
        f"""
        SELECT asked.task AS asked_task, previous.slot AS previous_slot, done.started AS last_done, current.*
        FROM unnest($1::text[], $2::timestamptz[]) AS asked (task, slot)
        LEFT JOIN LATERAL (
            SELECT {_COLUMNS} FROM cron_run r WHERE r.task = asked.task AND r.slot = asked.slot
        ) AS current ON true
        LEFT JOIN LATERAL (
            SELECT r.slot FROM cron_run r WHERE r.task = asked.task AND r.slot < asked.slot
            ORDER BY r.slot DESC LIMIT 1
        ) AS previous ON true
        LEFT JOIN LATERAL (
            SELECT r.started FROM cron_run r WHERE r.task = asked.task AND r.status = 'done'
            ORDER BY r.slot DESC LIMIT 1
        ) AS done ON true
        """,  # noqa: S608  # the columns are a constant of this module
        [task for task, _ in slots],
        [slot for _, slot in slots],
    )
    return {
        row["asked_task"]: TaskPast(
            _read_run_of(row) if row["task"] is not None else None, row["previous_slot"], row["last_done"]
        )
        for row in rows
    }


def _read_run_of(row: Record) -> CronRun:
    values = {field.name: row[field.name] for field in fields(CronRun)}
    return CronRun(**{**values, "status": RunStatus(values["status"])})


async def list_latest_runs(conn: Connection, tasks: Sequence[str]) -> dict[str, CronRun]:
    """The run of the latest slot of each task that has one."""
    rows = await conn.fetch(
        f"""
        SELECT latest.* FROM unnest($1::text[]) AS asked (task)
        CROSS JOIN LATERAL (
            SELECT {_COLUMNS} FROM cron_run r WHERE r.task = asked.task ORDER BY r.slot DESC LIMIT 1
        ) AS latest
        """,  # noqa: S608  # the columns are a constant of this module
        list(tasks),
    )
    return {row["task"]: _read_run(row) for row in rows}


async def list_runs(conn: Connection, task: str, limit: int) -> list[CronRun]:
    """The latest slot first, without those that had nothing to do."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} FROM cron_run WHERE task = $1 AND status <> 'idle' ORDER BY slot DESC LIMIT $2
        """,  # noqa: S608  # as above
        task,
        limit,
    )
    return [_read_run(row) for row in rows]


async def prune_runs(conn: Connection, before: datetime, limit: int) -> int:
    """Removes old rows, but of each task the latest one and the latest that did something; how many."""
    number: int = await conn.fetchval(
        """
        WITH old AS MATERIALIZED (
            SELECT task, slot FROM cron_run r
            WHERE slot < $1
                AND EXISTS (SELECT FROM cron_run n WHERE n.task = r.task AND n.slot > r.slot)
                AND (status <> 'done' OR EXISTS (
                    SELECT FROM cron_run n WHERE n.task = r.task AND n.slot > r.slot AND n.status = 'done'
                ))
            LIMIT $2
        ), gone AS (
            DELETE FROM cron_run USING old WHERE cron_run.task = old.task AND cron_run.slot = old.slot RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        before,
        limit,
    )
    return number


# The site as a whole -------------------------------------------------------------------------------------------


async def select_state(conn: Connection) -> CronState:
    (row,) = await conn.fetch("SELECT clock_timestamp() AS now, prepared, last_run FROM cron_state")
    return CronState(row["now"], row["prepared"], row["last_run"])


async def mark_completed(conn: Connection) -> None:
    await conn.execute("UPDATE cron_state SET last_run = clock_timestamp()")


async def mark_prepared(conn: Connection, new_key: str) -> None:
    """Only the first call counts: it says since when cron is expected to run, and gives the site its key."""
    await conn.execute(
        "UPDATE cron_state SET prepared = coalesce(prepared, now()), key = coalesce(key, $1)", new_key
    )


async def find_key(conn: Connection) -> str | None:
    key: str | None = await conn.fetchval("SELECT key FROM cron_state")
    return key


async def set_key(conn: Connection, key: str) -> None:
    await conn.execute("UPDATE cron_state SET key = $1", key)
