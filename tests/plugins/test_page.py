"""The plugin `page`: natively for its rules, and through its artefact for what a site gets."""

import pytest
from trovato_sdk.testing import TestKernel

from kernel.item_type.model import FieldDefinition, ItemType, merge_item_types, read_item_type
from kernel.render.tree import render_tree
from kernel.tap.catalogue import ITEM_INFO, ITEM_VIEW
from kernel.tap.dispatch import dispatch
from tests.fixtures.plugins import make_item_data

FIELDS = {
    "field_subtitle": "Who we <are>",
    "field_body": {"value": "<p>Hello</p>", "format": "filtered_html"},
}
HTML = '<div><p class="lead">Who we &lt;are&gt;</p><div><p>Hello</p></div></div>'


@pytest.mark.parametrize(
    ("fields", "html"),
    [
        pytest.param(FIELDS, HTML, id="both"),
        pytest.param(
            {"field_body": "a < b"}, "<div><div><p>a &lt; b</p>\n</div></div>", id="body-without-a-format"
        ),
        pytest.param({"field_subtitle": "Alone"}, '<div><p class="lead">Alone</p></div>', id="subtitle"),
        pytest.param({}, "<div></div>", id="nothing"),
    ],
)
def test_a_page_shows_what_it_has(import_plugin, fields, html):
    with TestKernel() as kernel:
        (tree,) = kernel.call(
            import_plugin("page"), "item_view", items=[make_item_data("T", "page", **fields)]
        )
    rendered = render_tree(tree)
    assert (rendered.html, rendered.complaints) == (html, ())


async def test_the_artefact_shows_pages_and_leaves_posts_to_the_blog(scope):
    items = [make_item_data("T", "page", **FIELDS), make_item_data("T", "blog", field_body="x")]
    answers = dict((await dispatch(scope, ITEM_VIEW, items=items)).answers)
    assert render_tree(answers["page"][0]).html == HTML
    assert answers["page"][1] is None
    assert answers["blog"][0] is None
    assert answers["blog"][1]["#type"] == "container"


async def test_the_artefact_adopts_the_type_and_adds_the_subtitle(scope):
    answers = dict((await dispatch(scope, ITEM_INFO)).answers)
    (declared,) = answers["page"]
    seeded = ItemType(
        "page", "My page", fields=(FieldDefinition("field_body", "Text", "text_long", weight=10),)
    )
    merged = merge_item_types(seeded, read_item_type(declared, "page"))
    assert (merged.plugin, merged.label) == ("page", "My page")
    assert [(f.name, f.label, f.max_length) for f in merged.fields] == [
        ("field_subtitle", "Subtitle", 200),
        ("field_body", "Text", None),
    ]


async def test_the_artefact_declares_permissions(shipped):
    assert [p.name for p in shipped.permissions if p.plugin == "page"] == [
        "create page content",
        "edit own page content",
        "edit any page content",
        "delete own page content",
        "delete any page content",
    ]
