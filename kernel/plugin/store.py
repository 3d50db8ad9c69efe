"""Reads and writes what is installed: rows of `system`, the artefacts, and the number that tells of a change."""

import zlib
from typing import Final
from uuid import UUID

from kernel.db.pool import Connection
from kernel.jobs import CHANGE_PLUGIN
from kernel.plugin.model import Installed, Offer, Stop

# Level 6 makes it a tenth smaller and takes three times as long.
_DEFLATE_LEVEL: Final = 3

# $1 is the kind of the jobs that change plugins.
_USED: Final = """
    SELECT sha256 FROM system UNION SELECT sha256 FROM plugin_offer
    UNION SELECT payload->>'sha256' FROM job
    WHERE kind = $1 AND status IN ('queued', 'running') AND payload->>'sha256' IS NOT NULL
"""


async def select_generation(conn: Connection) -> int:
    number: int = await conn.fetchval("SELECT number FROM plugin_generation")
    return number


async def advance_generation(conn: Connection) -> int:
    """The new number; every process loads what is enabled then."""
    number: int = await conn.fetchval("UPDATE plugin_generation SET number = number + 1 RETURNING number")
    return number


async def select_installed(conn: Connection) -> tuple[Installed, ...]:
    """By name."""
    rows = await conn.fetch(
        """
        SELECT name, version, status = 1 AS is_enabled, sha256, manifest, installed, changed
        FROM system ORDER BY name
        """
    )
    return tuple(Installed(**row) for row in rows)


async def upsert_plugin(
    conn: Connection, *, name: str, version: str, is_enabled: bool, sha256: str, manifest: str
) -> None:
    """Install it, or put another version in its place."""
    await conn.execute(
        """
        INSERT INTO system (name, version, status, sha256, manifest) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (name) DO UPDATE SET
            version = excluded.version, status = excluded.status, sha256 = excluded.sha256,
            manifest = excluded.manifest, changed = now()
        """,
        name,
        version,
        int(is_enabled),
        sha256,
        manifest,
    )


async def update_plugin_status(conn: Connection, name: str, *, is_enabled: bool) -> None:
    await conn.execute(
        "UPDATE system SET status = $2, changed = now() WHERE name = $1", name, int(is_enabled)
    )


async def touch_plugin(conn: Connection, name: str) -> None:
    """Somebody looked at it: failures from before do not count any more."""
    await conn.execute("UPDATE system SET changed = now() WHERE name = $1", name)


async def delete_plugin(conn: Connection, name: str) -> None:
    await conn.execute("DELETE FROM system WHERE name = $1", name)


async def select_stops(conn: Connection) -> tuple[Stop, ...]:
    """Taps that are not called, by plugin and tap."""
    rows = await conn.fetch("SELECT plugin, tap, since, message FROM plugin_stop ORDER BY plugin, tap")
    return tuple(Stop(**row) for row in rows)


async def insert_stop(conn: Connection, plugin: str, tap: str, message: str) -> bool:
    """False for one that is stopped already, or belongs to no plugin that is installed."""
    status: str = await conn.execute(
        """
        INSERT INTO plugin_stop (plugin, tap, message)
        SELECT $1, $2, $3 WHERE EXISTS (SELECT FROM system WHERE name = $1)
        ON CONFLICT DO NOTHING
        """,
        plugin,
        tap,
        message,
    )
    return status.endswith(" 1")


async def delete_stops(conn: Connection, plugin: str) -> None:
    await conn.execute("DELETE FROM plugin_stop WHERE plugin = $1", plugin)


async def delete_variables(conn: Connection, plugin: str) -> list[str]:
    """Those that only this plugin may set, by name; not those of a plugin whose name begins with this one's."""
    rows = await conn.fetch(
        """
        DELETE FROM variable WHERE starts_with(name, $1 || '_') AND NOT EXISTS (
            SELECT FROM system
            WHERE starts_with(system.name, $1 || '_') AND starts_with(variable.name, system.name || '_')
        ) RETURNING name
        """,
        plugin,
    )
    return [row["name"] for row in rows]


async def select_variables(conn: Connection, plugin: str) -> dict[str, str]:
    """Those that begin with the plugin's name, by name; what is no text stands there as JSON."""
    rows = await conn.fetch(
        """
        SELECT name, CASE jsonb_typeof(value) WHEN 'string' THEN value #>> '{}' ELSE value::text END AS value
        FROM variable WHERE starts_with(name, $1 || '_') AND NOT EXISTS (
            SELECT FROM system
            WHERE starts_with(system.name, $1 || '_') AND starts_with(variable.name, system.name || '_')
        ) ORDER BY name
        """,
        plugin,
    )
    return {row["name"]: row["value"] for row in rows}


async def delete_variable(conn: Connection, name: str) -> None:
    await conn.execute("DELETE FROM variable WHERE name = $1", name)


async def has_artefact(conn: Connection, sha256: str) -> bool:
    found: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM plugin_artefact WHERE sha256 = $1)", sha256)
    return found


async def insert_artefact(conn: Connection, sha256: str, wasm: bytes) -> None:
    """`wasm` deflated by `deflate_artefact`. One that is there already is the same."""
    await conn.execute(
        "INSERT INTO plugin_artefact (sha256, wasm) VALUES ($1, $2) ON CONFLICT DO NOTHING", sha256, wasm
    )


async def find_artefact(conn: Connection, sha256: str) -> bytes | None:
    """Still deflated."""
    wasm: bytes | None = await conn.fetchval("SELECT wasm FROM plugin_artefact WHERE sha256 = $1", sha256)
    return wasm


async def select_offers(conn: Connection) -> tuple[Offer, ...]:
    """By name: what was uploaded and waits for approval."""
    rows = await conn.fetch("SELECT name, version, sha256, manifest, created FROM plugin_offer ORDER BY name")
    return tuple(Offer(**row) for row in rows)


async def upsert_offer(conn: Connection, *, name: str, version: str, sha256: str, manifest: str) -> None:
    await conn.execute(
        """
        INSERT INTO plugin_offer (name, version, sha256, manifest) VALUES ($1, $2, $3, $4)
        ON CONFLICT (name) DO UPDATE SET version = excluded.version, sha256 = excluded.sha256,
            manifest = excluded.manifest, created = now()
        """,
        name,
        version,
        sha256,
        manifest,
    )


async def delete_offer(conn: Connection, name: str) -> bool:
    """False where there was none."""
    status: str = await conn.execute("DELETE FROM plugin_offer WHERE name = $1", name)
    return status.endswith(" 1")


async def list_waiting_forgets(conn: Connection, plugin: str) -> list[UUID]:
    """Jobs that have not begun to delete the tables of the plugin, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT id FROM job WHERE kind = $1 AND status = 'queued' AND NOT cancel_requested
            AND payload->>'operation' = 'forget' AND payload->>'plugin' = $2
        ORDER BY id
        """,
        CHANGE_PLUGIN.name,
        plugin,
    )
    return [row["id"] for row in rows]


async def select_used_hashes(conn: Connection) -> frozenset[str]:
    """Of the artefacts that something is made of, or will be when its job is done."""
    rows = await conn.fetch(_USED, CHANGE_PLUGIN.name)
    return frozenset(row["sha256"] for row in rows)


async def delete_unused_artefacts(conn: Connection) -> int:
    """Those of which nothing installed is made any more, after a day: what waits for its job is younger."""
    status: str = await conn.execute(
        f"DELETE FROM plugin_artefact WHERE created < now() - interval '1 day' AND sha256 NOT IN ({_USED})",  # noqa: S608  # a text of this file
        CHANGE_PLUGIN.name,
    )
    return int(status.rpartition(" ")[2])


def deflate_artefact(wasm: bytes) -> bytes:
    """Takes half a second for a plugin in Python, so it is for a thread."""
    return zlib.compress(wasm, _DEFLATE_LEVEL)


def inflate_artefact(stored: bytes) -> bytes:
    return zlib.decompress(stored)
