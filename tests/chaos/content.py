"""Reads what a site holds after a run: its items and revisions by SQL, and its pages as strangers get them."""

import html

import httpx

from tests.chaos.judge import MONTHS, Revision, StoredItem, Violation

_PAGES_READ = 150


async def read_items(conn):
    rows = await conn.fetch(
        """
        SELECT id::text, type, title, fields #>> '{field_body,value}' AS text,
            coalesce(fields #>> '{field_published_on,value}', '') AS day, current_revision_id::text AS current,
            tsvector_to_array(search_vector) AS words
        FROM item
        """
    )
    return [
        StoredItem(
            row["id"],
            row["type"],
            row["title"],
            row["text"],
            row["day"],
            row["current"],
            frozenset(MONTHS) & frozenset(row["words"]),
        )
        for row in rows
    ]


async def read_revisions(conn):
    rows = await conn.fetch(
        "SELECT id::text, item_id::text, title, fields #>> '{field_body,value}' AS text FROM item_revision"
    )
    return [Revision(*row) for row in rows]


async def check_pages(doors, items, gone, chance):
    """Every web process shows strangers what is stored now, and no page of what was deleted; a sample."""
    found = []
    items, gone = list(items), list(gone)
    for door in doors:
        async with httpx.AsyncClient(base_url=door, timeout=20.0) as client:
            for item in chance.sample(items, min(_PAGES_READ, len(items))):
                page = await client.get(f"/item/{item.id}")
                if page.status_code != 200 or f">{html.escape(item.title)}<" not in page.text:
                    found.append(
                        Violation("stale page", f"{door}/item/{item.id} does not show {item.title!r}")
                    )
            for item_id in chance.sample(gone, min(_PAGES_READ, len(gone))):
                page = await client.get(f"/item/{item_id}")
                if page.status_code != 404:
                    found.append(
                        Violation(
                            "stale page", f"{door}/item/{item_id} was deleted, answers {page.status_code}"
                        )
                    )
    return found


async def check_jobs(conn):
    """No job waits or runs any more, none was given up, no cache tag is left to drop."""
    rows = await conn.fetch(
        """
        SELECT id::text, kind, status, attempts, failures, error, drop_tags FROM job
        WHERE status NOT IN ('done', 'cancelled') OR drop_tags IS NOT NULL ORDER BY created
        """
    )
    kinds = {
        "queued": "job is stuck",
        "running": "job is stuck",
        "dead": "job is dead",
        "failed": "job failed",
    }
    return [
        Violation(
            kinds.get(row["status"], "cache tags are left"),
            f"{row['kind']} {row['id']}: {row['status']}, attempt {row['attempts']}, {row['failures']} failures,"
            f" error {row['error']}, tags {row['drop_tags']}",
        )
        for row in rows
    ]


async def count_unfinished(conn):
    """Jobs that still wait or run, or whose cache tags are still to be dropped."""
    return await conn.fetchval(
        "SELECT count(*) FROM job WHERE status IN ('queued', 'running') OR drop_tags IS NOT NULL"
    )
