"""The tables that a fresh database has, and what stands in them."""

import pytest

COLUMNS = """
    SELECT column_name, CASE WHEN data_type = 'USER-DEFINED' THEN udt_name ELSE data_type END AS kind
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1
"""


async def read_columns(conn, table):
    return {row["column_name"]: row["kind"] for row in await conn.fetch(COLUMNS, table)}


async def read_primary_key(conn, table):
    rows = await conn.fetch(
        """
        SELECT a.attname FROM pg_index i
        JOIN unnest(i.indkey) WITH ORDINALITY AS k(number, place) ON true
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE i.indrelid = $1::text::regclass AND i.indisprimary ORDER BY k.place
        """,
        table,
    )
    return [row["attname"] for row in rows]


@pytest.mark.story("4.1")
async def test_item_types_have_a_table_and_a_page(conn):
    columns = await read_columns(conn, "item_type")
    assert {"type", "label", "description", "settings"} <= columns.keys()
    assert columns["settings"] == "jsonb"
    assert await read_primary_key(conn, "item_type") == ["type"]
    seeded = await conn.fetch("SELECT type, label, plugin FROM item_type")
    assert [tuple(row) for row in seeded] == [("page", "Page", None)]


@pytest.mark.story("4.2")
async def test_items_keep_their_fields_as_jsonb_with_an_index(conn):
    wanted = {"id", "current_revision_id", "type", "title", "author_id", "status", "created", "changed"}
    wanted |= {"promote", "sticky", "fields", "stage_id", "search_vector"}
    columns = await read_columns(conn, "item")
    assert columns.keys() == wanted
    assert (columns["id"], columns["fields"], columns["search_vector"]) == ("uuid", "jsonb", "tsvector")
    revision = await read_columns(conn, "item_revision")
    assert {"id", "item_id", "title", "fields", "created", "log_message"} <= revision.keys()
    index = await conn.fetchval(
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'item' AND indexdef LIKE '%USING gin (fields%'"
    )
    assert index is not None


@pytest.mark.story("6.1")
async def test_stages_have_a_table_and_live(conn):
    columns = await read_columns(conn, "stage")
    assert {"id", "label", "description", "created", "owner_id"} <= columns.keys()
    assert columns["id"] == "character varying"
    assert [tuple(row) for row in await conn.fetch("SELECT id, label FROM stage")] == [("live", "Live")]


@pytest.mark.story("6.2")
async def test_an_item_can_have_another_revision_in_each_stage(conn):
    assert (await read_columns(conn, "stage_association")).keys() == {
        "stage_id",
        "item_id",
        "target_revision_id",
    }
    assert await read_primary_key(conn, "stage_association") == ["stage_id", "item_id"]
    await conn.execute(
        """
        INSERT INTO users (id, name) VALUES ('01936e3b-4f5a-7000-8000-000000000001', 'ada');
        INSERT INTO stage (id, label) VALUES ('spring', 'Spring'), ('autumn', 'Autumn');
        INSERT INTO item (id, current_revision_id, type, title, author_id)
            SELECT '01936e3b-4f5a-7000-8000-00000000000a', '01936e3b-4f5a-7000-8000-0000000000a1', 'page', 't', id
            FROM users WHERE name = 'ada';
        INSERT INTO item_revision (id, item_id, title, status, fields, author_id)
            SELECT ('01936e3b-4f5a-7000-8000-0000000000a' || n)::uuid, '01936e3b-4f5a-7000-8000-00000000000a',
                   't' || n, 1, '{}', id
            FROM users, generate_series(1, 3) AS n WHERE name = 'ada';
        INSERT INTO stage_association VALUES
            ('spring', '01936e3b-4f5a-7000-8000-00000000000a', '01936e3b-4f5a-7000-8000-0000000000a2'),
            ('autumn', '01936e3b-4f5a-7000-8000-00000000000a', '01936e3b-4f5a-7000-8000-0000000000a3');
        """
    )
    titles = await conn.fetch(
        """
        SELECT a.stage_id, r.title FROM stage_association a
        JOIN item_revision r ON r.id = a.target_revision_id ORDER BY 1
        """
    )
    assert [tuple(row) for row in titles] == [("autumn", "t3"), ("spring", "t2")]


@pytest.mark.story("6.3")
async def test_a_deletion_in_a_stage_is_a_row_and_leaves_the_item(conn):
    assert {"stage_id", "entity_type", "entity_id"} <= (await read_columns(conn, "stage_deletion")).keys()
    assert await read_primary_key(conn, "stage_deletion") == ["stage_id", "entity_type", "entity_id"]
    await conn.execute(
        """
        INSERT INTO users (id, name) VALUES ('01936e3b-4f5a-7000-8000-000000000001', 'ada');
        INSERT INTO item (id, current_revision_id, type, title, author_id)
            SELECT '01936e3b-4f5a-7000-8000-00000000000a', '01936e3b-4f5a-7000-8000-0000000000a1', 'page', 't', id
            FROM users WHERE name = 'ada';
        INSERT INTO stage (id, label) VALUES ('spring', 'Spring');
        INSERT INTO stage_deletion (stage_id, entity_type, entity_id)
            VALUES ('spring', 'item', '01936e3b-4f5a-7000-8000-00000000000a');
        """
    )
    assert await conn.fetchval("SELECT count(*) FROM item") == 1
