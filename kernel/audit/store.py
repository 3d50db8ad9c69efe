"""The SQL of the audit log."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Final

from kernel.audit.model import ID_MAX, LABEL_MAX, Entry, Event, Origin, Place, Wanted
from kernel.db.pool import Connection
from kernel.ids import uuid7
from kernel.names import OPERATOR_ID, OPERATOR_NAME

COLUMNS: Final = ", ".join(field.name for field in fields(Event))


async def insert_events(conn: Connection, origin: Origin, entries: Sequence[Entry]) -> None:
    """In the transaction of the change that they tell of. An account or a role without a label gets its name as it is
    now; so does who did it, but for a command, which has no account. One statement, whatever the number of entries."""
    if not entries:
        return
    await conn.execute(
        """
        INSERT INTO audit_event (id, actor_id, actor_name, action, subject_kind, subject_id, subject_label, details,
                                 request_id, client_address, job_id)
        SELECT id, $1, coalesce((SELECT name FROM users WHERE users.id = $1), $11), action, subject_kind, subject_id,
            CASE WHEN subject_label <> '' THEN subject_label ELSE coalesce(CASE subject_kind
                WHEN 'account' THEN (SELECT name FROM users WHERE users.id = nullif(subject_id, '')::uuid)
                WHEN 'role' THEN (SELECT name FROM role WHERE role.id = nullif(subject_id, '')::uuid)
            END, '') END,
            details, $2, $3, $4
        FROM unnest($5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::jsonb[])
            AS entry (id, action, subject_kind, subject_id, subject_label, details)
        """,
        origin.actor_id,
        origin.request_id,
        origin.client_address,
        origin.job_id,
        [uuid7() for _ in entries],
        [entry.action for entry in entries],
        [entry.subject_kind for entry in entries],
        [entry.subject_id[:ID_MAX] for entry in entries],
        [entry.subject_label[:LABEL_MAX] for entry in entries],
        [dict(entry.details) for entry in entries],
        OPERATOR_NAME if origin.actor_id == OPERATOR_ID else "",
    )


async def list_events(conn: Connection, wanted: Wanted, after: Place | None, limit: int) -> list[Event]:
    """The newest first, those behind `after`."""
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS} FROM audit_event
        WHERE ($1 = '' OR action = $1)
            AND ($2::uuid IS NULL OR actor_id = $2)
            AND ($3 = '' OR starts_with(action, $3 || '.'))
            AND ($4 = '' OR subject_id = $4 OR position(lower($4) IN lower(subject_label)) > 0)
            AND ($5::timestamptz IS NULL OR at >= $5)
            AND ($6::timestamptz IS NULL OR at < $6)
            AND ($7::timestamptz IS NULL OR (at, id) < ($7, $8))
        ORDER BY at DESC, id DESC LIMIT $9
        """,  # noqa: S608  # the columns are a constant of this module
        wanted.action,
        wanted.actor_id,
        wanted.area,
        wanted.subject,
        wanted.since,
        wanted.until,
        after.at if after else None,
        after.id if after else None,
        limit,
    )
    return [Event(**row) for row in rows]


async def list_known(conn: Connection) -> tuple[list[str], list[str]]:
    """The actions that stand in the log, by name, and their areas: found by skipping along the index."""
    actions = await conn.fetch(
        """
        WITH RECURSIVE known AS (
            (SELECT action FROM audit_event ORDER BY action LIMIT 1)
            UNION ALL
            SELECT (SELECT action FROM audit_event WHERE action > known.action ORDER BY action LIMIT 1)
            FROM known WHERE known.action IS NOT NULL
        )
        SELECT action FROM known WHERE action IS NOT NULL LIMIT 200
        """
    )
    names = [row["action"] for row in actions]
    return names, sorted({name.partition(".")[0] for name in names})


async def forget_addresses(conn: Connection, before: datetime, limit: int) -> int:
    """Takes the addresses out of rows of the log and of jobs that are older; how many rows that were."""
    events = await conn.execute(
        """
        UPDATE audit_event SET client_address = '' WHERE id IN (
            SELECT id FROM audit_event WHERE at < $1 AND client_address <> '' LIMIT $2
        )
        """,
        before,
        limit,
    )
    jobs = await conn.execute(
        """
        UPDATE job SET client_address = '' WHERE id IN (
            SELECT id FROM job WHERE created < $1 AND client_address <> '' LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        """,
        before,
        limit,
    )
    return int(events.rpartition(" ")[2]) + int(jobs.rpartition(" ")[2])


async def prune_events(conn: Connection, before: datetime, limit: int) -> int:
    """How many were deleted."""
    status = await conn.execute(
        "DELETE FROM audit_event WHERE id IN (SELECT id FROM audit_event WHERE at < $1 LIMIT $2)",
        before,
        limit,
    )
    return int(status.rpartition(" ")[2])
