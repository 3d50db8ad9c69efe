"""Types that plugins declare reach the table, and what an administrator changed stays."""

import pytest

from kernel.context import Actor, Context
from kernel.item_type.model import FieldDefinition, ItemType, merge_item_types, read_item_type
from kernel.item_type.register import register_item_types

CTX = Context(actor=Actor(is_admin=True))


@pytest.mark.story("4.3")
async def test_the_types_of_all_plugins_are_registered_with_their_fields(site):
    async with site.worker.db.acquire() as conn:
        rows = await conn.fetch("SELECT type, plugin, settings FROM item_type ORDER BY type")
    assert [(row["type"], row["plugin"]) for row in rows] == [("blog", "blog"), ("page", "page")]
    blog = [(f["name"], f["kind"]) for f in rows[0]["settings"]["fields"]]
    assert blog == [
        ("field_summary", "text"),
        ("field_body", "text_long"),
        ("field_published_on", "date"),
        ("field_reading_minutes", "integer"),
        ("field_featured", "boolean"),
    ]
    # The seeded type had a body; the plugin adopted it and added its own field.
    assert {f["name"] for f in rows[1]["settings"]["fields"]} == {"field_body", "field_subtitle"}


async def test_registering_again_changes_nothing(site):
    assert await register_item_types(site.worker, CTX, site.worker.plugins) == ()


async def test_what_an_administrator_changed_is_kept(site):
    async with site.worker.db.acquire() as conn:
        await conn.execute(
            """
            UPDATE item_type SET label = 'Article',
                settings = jsonb_set(settings, '{fields}', (settings -> 'fields') - 0)
            WHERE type = 'blog'
            """
        )
        assert await register_item_types(site.worker, CTX, site.worker.plugins) == ("blog",)
        row = await conn.fetchrow("SELECT label, settings FROM item_type WHERE type = 'blog'")
    assert row["label"] == "Article"
    assert "field_summary" in {f["name"] for f in row["settings"]["fields"]}


def test_a_merge_adds_and_never_overwrites():
    stored = ItemType("blog", "Mine", fields=(FieldDefinition("field_a", "Changed", "text", required=True),))
    declared = ItemType(
        "blog",
        "Theirs",
        plugin="blog",
        fields=(FieldDefinition("field_a", "A", "integer"), FieldDefinition("field_b", "B", "date")),
    )
    merged = merge_item_types(stored, declared)
    assert (merged.label, merged.plugin) == ("Mine", "blog")
    assert [(f.name, f.label, f.kind) for f in merged.fields] == [
        ("field_a", "Changed", "text"),
        ("field_b", "B", "date"),
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (3, "must be an object"),
        ({"type": "No Name"}, "must be a machine name"),
        ({"type": "t", "fields": "x"}, "must be a list"),
        ({"type": "t", "fields": [{"name": "body"}]}, "must start with field_"),
        ({"type": "t", "fields": [{"name": "field_a", "kind": "money"}]}, "is none of text, text_long"),
        (
            {"type": "t", "fields": [{"name": "field_a", "kind": "text", "max_length": 0}]},
            "positive whole number",
        ),
        ({"type": "t", "fields": [{"name": "field_a", "kind": "text", "weight": "1"}]}, "weight must be"),
        ({"type": "t", "fields": [{"name": "field_a", "kind": "text"}] * 2}, "is defined twice"),
        ({"type": "t", "label": 5}, "label must be text"),
    ],
)
def test_a_wrong_type_is_named(data, words):
    with pytest.raises(ValueError, match=words):
        read_item_type(data, "blog")
