"""The SQL of plugins' failures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kernel.db.pool import Connection
from kernel.ids import uuid7
from kernel.jobs import PluginFailures


@dataclass(frozen=True, slots=True)
class Failure:
    """A row of `plugin_failure`; `has_recording` says whether its call can be made again."""

    id: UUID
    at: datetime
    plugin: str
    tap: str
    reason: str
    message: str
    detail: str
    sha256: str
    request_id: str
    calls: int
    failures: int
    has_recording: bool


_COLUMNS = "id, at, plugin, tap, reason, message, detail, sha256, request_id, calls, failures"


async def insert_failures(conn: Connection, seen: Sequence[PluginFailures]) -> None:
    await conn.executemany(
        """
        INSERT INTO plugin_failure
            (id, plugin, tap, reason, message, detail, sha256, request_id, calls, failures, recording)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        [
            (
                uuid7(),
                one.plugin,
                one.tap,
                one.reason,
                one.message,
                one.detail,
                one.sha256,
                one.request_id,
                one.calls,
                one.failures,
                one.recording,
            )
            for one in seen
        ],
    )


async def count_failures(conn: Connection, plugin: str, tap: str, window_s: float) -> tuple[int, int]:
    """Calls and failures of the tap in the last seconds, of the artefact that is installed now, and since somebody last
    changed the plugin or asked for another try."""
    row = await conn.fetchrow(
        """
        SELECT coalesce(sum(calls), 0)::bigint AS calls, coalesce(sum(failures), 0)::bigint AS failures
        FROM plugin_failure JOIN system ON system.name = plugin_failure.plugin
        WHERE plugin = $1 AND tap = $2 AND at > now() - make_interval(secs => $3) AND at > system.changed
            AND plugin_failure.sha256 = system.sha256
        """,
        plugin,
        tap,
        window_s,
    )
    return (row["calls"], row["failures"]) if row is not None else (0, 0)


async def delete_old_failures(conn: Connection, plugin: str, tap: str, keep: int) -> None:
    """All but the latest of the tap."""
    await conn.execute(
        """
        DELETE FROM plugin_failure WHERE id IN (
            SELECT id FROM plugin_failure WHERE plugin = $1 AND tap = $2 ORDER BY at DESC OFFSET $3
        )
        """,
        plugin,
        tap,
        keep,
    )


async def delete_failures(conn: Connection, plugin: str) -> None:
    await conn.execute("DELETE FROM plugin_failure WHERE plugin = $1", plugin)


async def delete_old_recordings(conn: Connection, keep: int, keep_bytes: int) -> None:
    """All but the latest of each plugin, and of those all that are over so many bytes together, as they are stored.
    What is told about the failures stays."""
    await conn.execute(
        """
        UPDATE plugin_failure SET recording = NULL WHERE id IN (
            SELECT id FROM (
                SELECT id, place, sum(size) FILTER (WHERE place <= $1) OVER (ORDER BY at DESC, id DESC) AS bytes
                FROM (
                    SELECT id, at, pg_column_size(recording) AS size,
                        row_number() OVER (PARTITION BY plugin ORDER BY at DESC, id DESC) AS place
                    FROM plugin_failure WHERE recording IS NOT NULL
                ) AS placed
            ) AS summed
            WHERE place > $1 OR bytes > $2
        )
        """,
        keep,
        keep_bytes,
    )


async def list_failures(conn: Connection, plugin: str, limit: int) -> list[Failure]:
    """The latest first."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS}, recording IS NOT NULL AS has_recording
        FROM plugin_failure WHERE plugin = $1 ORDER BY at DESC LIMIT $2
        """,  # noqa: S608  # names of this file
        plugin,
        limit,
    )
    return [Failure(**row) for row in rows]


async def find_recording(conn: Connection, failure_id: UUID) -> tuple[Failure, dict[str, Any] | None] | None:
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS}, recording FROM plugin_failure WHERE id = $1",  # noqa: S608  # as above
        failure_id,
    )
    if row is None:
        return None
    values = dict(row)
    recording = values.pop("recording")
    return Failure(**values, has_recording=recording is not None), recording
