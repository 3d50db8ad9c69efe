"""No known attack gets through any text format, attribute or address."""

import pytest

from kernel.render.formats import TEXT_FORMATS, format_text
from kernel.render.tree import render_tree
from tests.kernel.render.attacks import HIT, MARKUP, URLS
from tests.kernel.render.positions import build_trees, build_url_trees
from tests.kernel.render.strict_reader import find_dangers, read_strictly


@pytest.mark.story("10.5")
@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_no_attack_survives_a_text_format(name):
    survivors = {text: found for text in (*MARKUP, *URLS) if (found := find_dangers(format_text(text, name)))}
    assert survivors == {}


@pytest.mark.story("10.4")
@pytest.mark.parametrize("text", MARKUP)
def test_no_attack_survives_any_place_of_a_tree(text):
    survivors = {
        place: found for place, tree in build_trees(text) if (found := find_dangers(render_tree(tree).html))
    }
    assert survivors == {}


@pytest.mark.parametrize("url", URLS)
def test_no_forbidden_address_survives(url):
    for place, tree in build_url_trees(url):
        reader = read_strictly(render_tree(tree).html)
        assert reader.dangers == [], place
        kept = [
            value for _, attributes in reader.elements for name, value in attributes.items() if name == "href"
        ]
        assert not [value for value in kept if value and HIT in value and ":" in value.split("/")[0]], place


@pytest.mark.parametrize("url", URLS)
def test_a_tree_leaves_a_forbidden_address_out_and_complains(url):
    rendered = render_tree({"#type": "link", "#value": "x", "#attributes": {"href": url}})
    assert rendered.html == "<span>x</span>"
    assert rendered.complaints[-1] == "tree has no usable href in #attributes"


def test_the_reader_of_these_tests_sees_attacks():
    """A check that finds nothing anywhere would pass as well."""
    kinds = ("<script>", "onerror=", "onload=", "style=", "javascript:", "<iframe", "<!--")
    samples = [next(text for text in MARKUP if kind in text) for kind in kinds]
    assert [text for text in samples if not find_dangers(text)] == []
