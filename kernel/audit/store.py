"""The SQL of the audit log."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from kernel.audit.model import ID_MAX, LABEL_MAX, Entry, Event, Origin, Place, Wanted
from kernel.db.pool import Connection
from kernel.ids import parse_uuid, uuid7
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
    values: list[Any] = []
    conditions = [text.format(*_bind(values, given)) for text, given in _list_conditions(wanted, after)]
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS} FROM audit_event WHERE {" AND ".join(conditions) or "true"}
        ORDER BY at DESC, id DESC LIMIT {limit:d}
        """,  # noqa: S608  # constants of this module and placeholders
        *values,
    )
    return [Event(**row) for row in rows]


def _list_conditions(wanted: Wanted, after: Place | None) -> Iterator[tuple[str, list[Any]]]:
    """Only what is asked for, each in words that an index can answer; a part of a label none can."""
    if wanted.action:
        yield "action = {}", [wanted.action]
    if wanted.area:
        # Up to the character behind the dot.
        yield "action >= {} AND action < {}", [f"{wanted.area}.", f"{wanted.area}/"]
    if wanted.actor_id is not None:
        yield "actor_id = {}", [wanted.actor_id]
    if wanted.since is not None:
        yield "at >= {}", [wanted.since]
    if wanted.until is not None:
        yield "at < {}", [wanted.until]
    if after is not None:
        yield "(at, id) < ({}, {})", [after.at, after.id]
    subject_id = parse_uuid(wanted.subject)
    if subject_id is not None:
        yield "subject_id = {}", [str(subject_id)]
    elif wanted.subject:
        kinds = "" if wanted.by_title else " AND subject_kind <> 'item'"
        label = f"position(lower({{}}) IN lower(subject_label)) > 0{kinds}"
        yield f"(subject_id = {{}} OR {label})", [wanted.subject, wanted.subject]


def _bind(values: list[Any], given: Sequence[Any]) -> list[str]:
    """The placeholders of these values, which are added."""
    values.extend(given)
    return [f"${len(values) - len(given) + number}" for number in range(1, len(given) + 1)]


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
