"""The blog: natively for its rules, and through its artefact for what a site gets."""

import ast

import pytest
from trovato_sdk.testing import TestKernel

from kernel.item_type.model import read_item_type
from kernel.plugin.manifest import read_manifest
from kernel.plugin.model import Budgets
from kernel.render.tree import render_tree
from kernel.tap.catalogue import ITEM_INFO, ITEM_UPDATE_INDEX, ITEM_VIEW
from kernel.tap.dispatch import dispatch
from kernel.tap.menu import Crumb, get_page
from tests.fixtures.database import ROOT
from tests.fixtures.plugins import make_item_data

FIELDS = {
    "field_summary": "In <short>.",
    "field_body": {"value": "<p>Hello <em>you</em></p><script>x</script>", "format": "filtered_html"},
    "field_published_on": "2026-03-05",
    "field_reading_minutes": 7,
    "field_featured": True,
}
HTML = (
    '<div><div class="byline"><time datetime="2026-03-05">5 March 2026</time><span>7 min read</span>'
    '<strong class="chip chip--info">Featured</strong></div>'
    '<p class="lead">In &lt;short&gt;.</p><div><p>Hello <em>you</em></p></div></div>'
)


@pytest.fixture
def view(import_plugin):
    """The HTML of a post as the plugin's source shows it in this Python."""
    blog = import_plugin("blog")

    def show(**fields):
        with TestKernel() as kernel:
            (tree,) = kernel.call(blog, "item_view", items=[make_item_data("T", **fields)])
        rendered = render_tree(tree)
        assert rendered.complaints == ()
        return rendered.html

    return show


def test_a_post_shows_byline_summary_and_body(view):
    assert view(**FIELDS) == HTML


@pytest.mark.parametrize("minutes", [None, 0])
def test_a_post_without_its_optional_fields_shows_no_empty_places(view, minutes):
    given = {} if minutes is None else {"field_reading_minutes": minutes}
    assert view(field_body="Only this", **given) == "<div><div><p>Only this</p>\n</div></div>"


def test_no_post_is_called_featured_that_is_not(view):
    assert "Featured" not in view(**{**FIELDS, "field_featured": False})


@pytest.mark.parametrize(("day", "words"), [("2026-03-05", "March 2026"), (None, None)])
def test_search_finds_a_post_by_its_month(import_plugin, day, words):
    fields = {"field_published_on": day} if day else {}
    with TestKernel() as kernel:
        item = make_item_data("T", **fields)
        assert kernel.call(import_plugin("blog"), "item_update_index", item=item) == words


@pytest.mark.story("3.17")
async def test_the_artefact_declares_the_type_with_its_five_fields(scope):
    answers = dict((await dispatch(scope, ITEM_INFO)).answers)
    (declared,) = answers["blog"]
    item_type = read_item_type(declared, "blog")
    assert (item_type.type, item_type.label) == ("blog", "Blog post")
    assert [(f.name, f.kind, f.required, f.max_length) for f in item_type.fields] == [
        ("field_summary", "text", False, 300),
        ("field_body", "text_long", True, None),
        ("field_published_on", "date", False, None),
        ("field_reading_minutes", "integer", False, None),
        ("field_featured", "boolean", False, None),
    ]


@pytest.mark.story("3.17")
async def test_the_artefact_shows_a_post_as_the_source_does(scope):
    dispatched = await dispatch(scope, ITEM_VIEW, items=[make_item_data("T", **FIELDS)])
    ((plugin, (tree,)),) = dispatched.answers
    assert plugin == "blog"
    assert render_tree(tree).html == HTML


async def test_the_artefact_indexes_a_post(scope):
    item = make_item_data("T", **FIELDS)
    assert (await dispatch(scope, ITEM_UPDATE_INDEX, item=item)).answers == (("blog", "March 2026"),)


@pytest.mark.story("3.17")
async def test_the_artefact_brings_the_page_of_the_blog(shipped, scope):
    match = shipped.menu.resolve("/blog")
    assert (match.entry.plugin, match.entry.permission, match.entry.lists) == (
        "blog",
        "access content",
        "blog",
    )
    page = await get_page(scope, match)
    rendered = render_tree(page.content)
    assert (page.title, rendered.complaints) == ("Blog", ())
    assert rendered.html == '<div><p class="lead">What is new, and what we think about it.</p></div>'
    assert shipped.menu.build_breadcrumbs(match) == (Crumb("/blog", "Blog"),)


@pytest.mark.story("3.17")
async def test_the_artefact_declares_permissions(shipped):
    assert [p.name for p in shipped.permissions if p.plugin == "blog"] == [
        "create blog content",
        "edit own blog content",
        "edit any blog content",
        "delete own blog content",
        "delete any blog content",
    ]


@pytest.mark.story("3.17")
def test_the_source_is_one_that_others_can_learn_from():
    """Decorated functions, fields read through the item, and neither JSON nor handles by hand."""
    path = ROOT / "plugins" / "blog" / "blog.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {"datetime", "trovato_sdk"}
    taps = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(d, ast.Name) and d.id == "tap" for d in node.decorator_list)
    }
    manifest = read_manifest(path.with_name("blog.info.toml"), Budgets())
    assert {f"tap_{name}" for name in taps} == set(manifest.taps)
    assert {"item_info", "item_view", "menu", "perm"} <= taps
