"""What the schema itself promises: first rows, what falls with an item, what a search finds."""

import asyncpg
import pytest

from kernel.ids import uuid7

ANONYMOUS = "00000000-0000-0000-0000-000000000000"


async def insert_item(conn, title="A title", body="A body"):
    item_id, revision_id = uuid7(), uuid7()
    fields = {"field_body": {"value": body, "format": "filtered_html"}}
    await conn.execute(
        """
        INSERT INTO item (id, current_revision_id, type, title, author_id, fields)
        VALUES ($1, $2, 'page', $3, $4, $5)
        """,
        item_id,
        revision_id,
        title,
        ANONYMOUS,
        fields,
    )
    await conn.execute(
        """
        INSERT INTO item_revision (id, item_id, title, status, fields, author_id)
        VALUES ($1, $2, $3, 1, $4, $5)
        """,
        revision_id,
        item_id,
        title,
        fields,
        ANONYMOUS,
    )
    return item_id, revision_id


@pytest.mark.parametrize(
    ("table", "column", "expected"),
    [
        ("users", "id::text", [ANONYMOUS]),
        ("role", "name", ["anonymous user", "authenticated user"]),
        ("role_permission", "permission", ["access content", "access content"]),
        ("stage", "id", ["live"]),
        ("item_type", "type", ["page"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_new_database_holds_what_every_site_needs(conn, table, column, expected):
    rows = await conn.fetch(f"SELECT {column} FROM {table} ORDER BY 1")
    assert [row[0] for row in rows] == expected


async def test_only_the_anonymous_user_has_no_name(conn):
    with pytest.raises(asyncpg.CheckViolationError):
        await conn.execute("INSERT INTO users (id, name) VALUES ($1, '')", uuid7())


async def test_names_of_people_differ_by_more_than_capitals(conn):
    await conn.execute("INSERT INTO users (id, name) VALUES ($1, 'Zoë')", uuid7())
    with pytest.raises(asyncpg.UniqueViolationError):
        await conn.execute("INSERT INTO users (id, name) VALUES ($1, 'zoë')", uuid7())


async def test_an_item_and_its_first_revision_name_each_other(database):
    async with database.transaction() as tx:
        item_id, revision_id = await insert_item(tx.conn)
    async with database.acquire() as conn:
        assert (
            await conn.fetchval("SELECT current_revision_id FROM item WHERE id = $1", item_id) == revision_id
        )


async def test_an_item_without_its_revision_does_not_commit(database):
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with database.transaction() as tx:
            _, revision_id = await insert_item(tx.conn)
            await tx.conn.execute("DELETE FROM item_revision WHERE id = $1", revision_id)


async def test_deleting_an_item_takes_its_revisions_and_its_places_in_stages(database):
    async with database.transaction() as tx:
        item_id, revision_id = await insert_item(tx.conn)
        await tx.conn.execute("INSERT INTO stage (id, label) VALUES ('draft', 'Draft')")
        await tx.conn.execute("INSERT INTO stage_association VALUES ('draft', $1, $2)", item_id, revision_id)
    async with database.transaction() as tx:
        await tx.conn.execute("DELETE FROM item WHERE id = $1", item_id)
    async with database.acquire() as conn:
        for table in ("item", "item_revision", "stage_association"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0, table


@pytest.mark.parametrize(
    ("question", "found"),
    [("spiders", True), ("spring", True), ("emphasis", True), ("strong", False), ("winter", False)],
)
async def test_the_search_vector_holds_the_title_and_the_configured_fields_without_tags(
    conn, question, found
):
    await conn.execute("INSERT INTO search_field_config (type, field_name) VALUES ('page', 'field_body')")
    item_id, _ = await insert_item(conn, "Spiders in spring", "With <strong class='winter'>emphasis</strong>")
    await conn.execute(
        "UPDATE item SET search_vector = item_search_vector(type, title, fields) WHERE id = $1", item_id
    )
    matches = await conn.fetchval(
        "SELECT search_vector @@ websearch_to_tsquery('simple', $1) FROM item", question
    )
    assert matches is found


async def test_without_configuration_the_title_alone_is_searched(conn):
    vector = await conn.fetchval(
        "SELECT item_search_vector('page', 'One two', '{\"field_body\": {\"value\": \"three\"}}')::text"
    )
    assert vector == "'one':1A 'two':2A"
