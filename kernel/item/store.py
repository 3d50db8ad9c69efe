"""Reads and writes rows of `item` and `item_revision`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from kernel.db.pool import Connection, Record
from kernel.item.model import Item

ITEM_COLUMNS: Final = (
    "id",
    "type",
    "title",
    "author_id",
    "status",
    "promote",
    "sticky",
    "created",
    "changed",
    "fields",
    "current_revision_id",
    "stage_id",
)
_SELECT: Final = f"""
    SELECT {", ".join(f"i.{column}" for column in ITEM_COLUMNS)}, u.name AS author_name
    FROM item i JOIN users u ON u.id = i.author_id
"""  # noqa: S608  # the columns are the constant above


def read_item_row(row: Record) -> Item:
    return Item(
        id=row["id"],
        type=row["type"],
        title=row["title"],
        author_id=row["author_id"],
        status=row["status"],
        promote=row["promote"],
        sticky=row["sticky"],
        created=row["created"],
        changed=row["changed"],
        fields=row["fields"],
        revision_id=row["current_revision_id"],
        author_name=row["author_name"],
        stage_id=row["stage_id"],
    )


async def select_item(conn: Connection, item_id: UUID) -> Item | None:
    row = await conn.fetchrow(_SELECT + "WHERE i.id = $1", item_id)
    return read_item_row(row) if row is not None else None


async def select_items(conn: Connection, item_ids: Sequence[UUID]) -> list[Item]:
    """In the order of the ids; an id without a row is left out."""
    rows = await conn.fetch(_SELECT + "WHERE i.id = ANY($1)", item_ids)
    found = {row["id"]: read_item_row(row) for row in rows}
    return [found[item_id] for item_id in item_ids if item_id in found]


async def lock_item(conn: Connection, item_id: UUID) -> UUID | None:
    """Hold the row until the transaction ends. The current revision, or None without a row."""
    revision_id: UUID | None = await conn.fetchval(
        "SELECT current_revision_id FROM item WHERE id = $1 FOR UPDATE", item_id
    )
    return revision_id


async def lock_items(conn: Connection, item_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The same for many, in the order of their ids so that two who lock some never wait for each other; the current
    revision of each that has a row."""
    rows = await conn.fetch(
        "SELECT id, current_revision_id FROM item WHERE id = ANY($1) ORDER BY id FOR UPDATE", item_ids
    )
    return {row["id"]: row["current_revision_id"] for row in rows}


async def insert_item(conn: Connection, item: Item, editor_id: UUID, log_message: str) -> bool:
    """With its first revision. False when the id is taken already."""
    inserted = await conn.fetchval(
        """
        WITH new AS (
            INSERT INTO item (id, current_revision_id, type, title, author_id, status, created, changed, promote,
                              sticky, fields, stage_id, search_vector)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, item_search_vector($3, $4, $11))
            ON CONFLICT (id) DO NOTHING RETURNING *
        )
        INSERT INTO item_revision (id, item_id, title, status, fields, author_id, created, log_message)
        SELECT current_revision_id, id, title, status, fields, $13, changed, $14 FROM new RETURNING true
        """,
        item.id,
        item.revision_id,
        item.type,
        item.title,
        item.author_id,
        item.status,
        item.created,
        item.changed,
        item.promote,
        item.sticky,
        item.fields,
        item.stage_id,
        editor_id,
        log_message,
    )
    return inserted is True


async def insert_items(
    conn: Connection,
    items: Sequence[Item],
    extra_texts: Sequence[str],
    *,
    editor_id: UUID,
    log_message: str,
    now: datetime,
) -> set[UUID]:
    """Many at once with their first revisions, findable under `extra_texts` too, which plugins contribute. The ids of
    those that are new: an item whose id is taken is left out."""
    rows = await conn.fetch(
        """
        INSERT INTO item (id, current_revision_id, type, title, author_id, status, created, changed, promote, sticky,
                          fields, stage_id, search_vector)
        SELECT id, revision_id, type, title, author_id, status, created, changed, promote, sticky, fields, stage_id,
            item_search_vector(type, title, fields) || setweight(to_tsvector('simple', extra), 'D')
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::smallint[], $7::timestamptz[],
                    $8::timestamptz[], $9::boolean[], $10::boolean[], $11::jsonb[], $12::text[], $13::text[])
            AS given (id, revision_id, type, title, author_id, status, created, changed, promote, sticky, fields,
                      stage_id, extra)
        ON CONFLICT (id) DO NOTHING RETURNING id
        """,
        [item.id for item in items],
        [item.revision_id for item in items],
        [item.type for item in items],
        [item.title for item in items],
        [item.author_id for item in items],
        [item.status for item in items],
        [item.created for item in items],
        [item.changed for item in items],
        [item.promote for item in items],
        [item.sticky for item in items],
        [item.fields for item in items],
        [item.stage_id for item in items],
        list(extra_texts),
    )
    inserted = [row["id"] for row in rows]
    await insert_current_revisions(conn, inserted, editor_id=editor_id, log_message=log_message, now=now)
    return set(inserted)


async def insert_current_revisions(
    conn: Connection, item_ids: Sequence[UUID], *, editor_id: UUID, log_message: str, now: datetime
) -> None:
    """The revision of each item as it stands in its row. Read from there, long fields are not compressed again."""
    await conn.execute(
        """
        INSERT INTO item_revision (id, item_id, title, status, fields, author_id, created, log_message)
        SELECT current_revision_id, id, title, status, fields, $2, $3, $4 FROM item WHERE id = ANY($1)
        """,
        item_ids,
        editor_id,
        now,
        log_message,
    )


async def update_item(
    conn: Connection, item: Item, expected_revision_id: UUID, editor_id: UUID, log_message: str
) -> bool:
    """Writes what an edit may change, with a revision; id, type, author and creation stay. False when the item is gone
    or another revision is the current one."""
    updated = await conn.fetchval(
        """
        WITH new AS (
            UPDATE item SET current_revision_id = $2, title = $3, status = $4, changed = $5, promote = $6, sticky = $7,
                fields = $8, search_vector = item_search_vector(type, $3, $8)
            WHERE id = $1 AND current_revision_id = $9 RETURNING *
        )
        INSERT INTO item_revision (id, item_id, title, status, fields, author_id, created, log_message)
        SELECT current_revision_id, id, title, status, fields, $10, changed, $11 FROM new RETURNING true
        """,
        item.id,
        item.revision_id,
        item.title,
        item.status,
        item.changed,
        item.promote,
        item.sticky,
        item.fields,
        expected_revision_id,
        editor_id,
        log_message,
    )
    return updated is True


async def update_statuses(conn: Connection, items: Sequence[Item]) -> None:
    """Status, time and revision of many; their content stays as it is."""
    await conn.execute(
        """
        UPDATE item SET current_revision_id = given.revision_id, status = given.status, changed = given.changed
        FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::timestamptz[])
            AS given (id, revision_id, status, changed)
        WHERE item.id = given.id
        """,
        [item.id for item in items],
        [item.revision_id for item in items],
        [item.status for item in items],
        [item.changed for item in items],
    )


async def update_content(conn: Connection, items: Sequence[Item]) -> None:
    """Title and fields of many, and what search finds them under."""
    await conn.executemany(
        """
        UPDATE item SET title = $2, fields = $3, search_vector = item_search_vector(type, $2, $3) WHERE id = $1
        """,
        [(item.id, item.title, item.fields) for item in items],
    )


async def delete_item(conn: Connection, item_id: UUID) -> bool:
    """With all its revisions. False when it was gone already."""
    deleted = await conn.fetchval("DELETE FROM item WHERE id = $1 RETURNING true", item_id)
    return deleted is True


async def delete_items(conn: Connection, item_ids: Sequence[UUID]) -> None:
    await conn.execute("DELETE FROM item WHERE id = ANY($1)", item_ids)


async def update_search_vectors(conn: Connection, items: Sequence[Item], extra_texts: Sequence[str]) -> None:
    """Recomputes from the rows, and adds what plugins contribute to each at the lowest weight.

    An item that has another revision by now is left alone, since whoever saved it sees to its search. What would stay
    as it is is not written. Rows are locked in the order of their ids, as everywhere.
    """
    await conn.execute(
        """
        WITH given AS MATERIALIZED (
            SELECT item.id, item.current_revision_id AS revision_id,
                item_search_vector(item.type, item.title, item.fields)
                || setweight(to_tsvector('simple', given.extra), 'D') AS vector
            FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS given (id, revision_id, extra)
                JOIN item ON item.id = given.id AND item.current_revision_id = given.revision_id
            ORDER BY item.id FOR NO KEY UPDATE OF item
        )
        UPDATE item SET search_vector = given.vector FROM given
        WHERE item.id = given.id AND item.current_revision_id = given.revision_id
            AND item.search_vector <> given.vector
        """,
        [item.id for item in items],
        [item.revision_id for item in items],
        list(extra_texts),
    )


_VISIBLE: Final = (
    "($1::uuid IS NULL OR i.author_id = $1) AND ($2::uuid IS NULL OR i.status = 1 OR i.author_id = $2)"
)


async def select_recent_items(
    conn: Connection, author_id: UUID | None, viewer_id: UUID | None, limit: int
) -> list[Item]:
    """Newest change first; of one author, or of all when it is None. With a viewer drafts of others are not there."""
    rows = await conn.fetch(
        f"{_SELECT} WHERE {_VISIBLE} ORDER BY i.changed DESC, i.id DESC LIMIT $3",
        author_id,
        viewer_id,
        limit,
    )
    return [read_item_row(row) for row in rows]


async def select_drafts(
    conn: Connection, author_id: UUID | None, viewer_id: UUID | None, limit: int
) -> list[Item]:
    """The same of what is not published."""
    rows = await conn.fetch(
        f"{_SELECT} WHERE i.status = 0 AND {_VISIBLE} ORDER BY i.changed DESC, i.id DESC LIMIT $3",
        author_id,
        viewer_id,
        limit,
    )
    return [read_item_row(row) for row in rows]


async def count_items(conn: Connection, viewer_id: UUID | None) -> dict[str, tuple[int, int]]:
    """By type: how many are published, and how many are not. With a viewer drafts of others are not there."""
    rows = await conn.fetch(
        """
        SELECT type, count(*) FILTER (WHERE status = 1) AS published, count(*) AS total FROM item
        WHERE $1::uuid IS NULL OR status = 1 OR author_id = $1 GROUP BY type
        """,
        viewer_id,
    )
    return {row["type"]: (row["published"], row["total"] - row["published"]) for row in rows}
