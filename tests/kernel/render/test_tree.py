"""Render trees become HTML; what is wrong in them is left out and complained of."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.render.tree import TreeLimits, render_tree
from tests.kernel.render.strict_reader import find_dangers


def render(tree, **limits):
    rendered = render_tree(tree, limits=TreeLimits(**limits))
    return str(rendered.html), list(rendered.complaints)


@pytest.mark.story("10.4")
@pytest.mark.parametrize(
    ("tree", "html"),
    [
        ({"#type": "container"}, "<div></div>"),
        (
            {"#type": "container", "#attributes": {"class": ["a", "b-c"], "id": "x"}},
            '<div class="a b-c" id="x"></div>',
        ),
        (
            {"#type": "container", "#tag": "section", "#attributes": {"class": "a b"}},
            '<section class="a b"></section>',
        ),
        ({"#type": "markup", "#tag": "p", "#value": "a & b"}, "<p>a &amp; b</p>"),
        ({"#type": "markup", "#value": 3}, "<span>3</span>"),
        (
            {"#type": "markup", "#value": "<b>x</b>", "#format": "filtered_html"},
            "<div><p><b>x</b></p>\n</div>",
        ),
        ({"#type": "link", "#value": "x", "#attributes": {"href": "/x"}}, '<a href="/x">x</a>'),
        (
            {"#type": "link", "#value": "x", "#attributes": {"href": "/x", "target": "_blank"}},
            '<a href="/x" target="_blank" rel="noopener">x</a>',
        ),
        (
            {
                "#type": "table",
                "#caption": "C",
                "#header": ["A"],
                "#rows": [[1], [{"#type": "markup", "#value": "x"}]],
            },
            (
                '<table><caption>C</caption><thead><tr><th scope="col">A</th></tr></thead>'
                "<tbody><tr><td>1</td></tr><tr><td><span>x</span></td></tr></tbody></table>"
            ),
        ),
        (
            {"#type": "list", "#tag": "ol", "#items": ["a", None], "z": {"#type": "markup", "#value": "b"}},
            "<ol><li>a</li><li></li><li><span>b</span></li></ol>",
        ),
        (
            {"#type": "image", "#attributes": {"src": "/x.png", "alt": "X", "width": 3}},
            '<img src="/x.png" alt="X" width="3" loading="lazy" decoding="async">',
        ),
        (
            {"#type": "container", "#tag": "details", "#attributes": {"open": True}},
            "<details open></details>",
        ),
        ({"#type": "container", "#tag": "details", "#attributes": {"open": False}}, "<details></details>"),
        ({"#type": "container", "x": None}, "<div></div>"),
        (None, ""),
    ],
)
def test_elements(tree, html):
    assert render(tree) == (html, [])


@pytest.mark.story("10.4")
def test_children_stand_by_weight_and_equal_ones_as_given():
    def child(value, **weight):
        return {"#type": "markup", "#value": value, **weight}

    tree = {
        "#type": "container",
        "a": child("4", **{"#weight": 2}),
        "b": child("2"),
        "c": child("1", **{"#weight": -1.5}),
        "d": {"#type": "container", "#tag": "p", "x": child("b", **{"#weight": 1}), "y": child("a")},
    }
    assert render(tree) == (
        "<div><span>1</span><span>2</span><p><span>a</span><span>b</span></p><span>4</span></div>",
        [],
    )


@pytest.mark.parametrize(
    ("tree", "html", "complaint"),
    [
        ("x", "", "tree must be an object, not text"),
        ([], "", "tree must be an object, not a list"),
        ({}, "", "tree #type null is none of container, markup, link, table, list, image"),
        ({"#type": ["x"]}, "", "tree #type a list is none of container, markup, link, table, list, image"),
        ({"#type": "container", "x": 3}, "<div></div>", "tree/x must be an object, not a number"),
        (
            {"#type": "container", "#tag": "script"},
            "<div></div>",
            "tree #tag 'script' is not allowed here, div is used",
        ),
        (
            {"#type": "markup", "#tag": "li"},
            "<span></span>",
            "tree #tag 'li' is not allowed here, span is used",
        ),
        (
            {"#type": "markup", "#value": True},
            "<span></span>",
            "tree must be text or a number, not true or false",
        ),
        (
            {"#type": "markup", "#value": math.nan},
            "<span></span>",
            "tree must be text or a number, not float",
        ),
        (
            {"#type": "markup", "#value": 10**30},
            "<span></span>",
            "tree must be text or a number, not a number",
        ),
        ({"#type": "markup", "#value": {}}, "<span></span>", "tree must be text or a number, not an object"),
        (
            {"#type": "markup", "#value": "<b>", "#format": "x"},
            "<div>&lt;b&gt;</div>",
            "tree #format 'x' does not exist, the text is escaped",
        ),
        (
            {"#type": "markup", "#tag": "p", "#value": "x", "#format": "plain_text"},
            "<div><p>x</p>\n</div>",
            "tree #tag p cannot hold formatted text, div is used",
        ),
        (
            {"#type": "container", "#attributes": []},
            "<div></div>",
            "tree #attributes must be an object, not a list",
        ),
        (
            {"#type": "container", "#attributes": {"onclick": "x"}},
            "<div></div>",
            "tree attribute 'onclick' is not allowed on div",
        ),
        (
            {"#type": "container", "#attributes": {"data-js": "menu"}},
            "<div></div>",
            "tree attribute 'data-js' is not allowed on div",
        ),
        (
            {"#type": "container", "#attributes": {"class": ["a", "b c", 3]}},
            '<div class="a"></div>',
            "tree class 'b c' is not allowed",
        ),
        (
            {"#type": "container", "#attributes": {"id": "1"}},
            "<div></div>",
            "tree attribute id cannot be '1'",
        ),
        (
            {"#type": "container", "#attributes": {"id": None}},
            "<div></div>",
            "tree attribute id cannot be null",
        ),
        (
            {"#type": "container", "#attributes": {3: "x"}},
            "<div></div>",
            "tree attribute names must be text, not a number",
        ),
        ({"#type": "container", 3: {}}, "<div></div>", "tree names of children must be text, not a number"),
        (
            {"#type": "container", "x": {"#type": "markup", "#weight": "1"}},
            "<div><span></span></div>",
            "tree/x #weight must be a number, not '1'",
        ),
        (
            {
                "#type": "link",
                "#attributes": {"href": "/"},
                "x": {"#type": "link", "#attributes": {"href": "/"}},
            },
            '<a href="/"><span></span></a>',
            "tree/x is a link inside a link",
        ),
        ({"#type": "image"}, "", "tree has no usable src in #attributes"),
        (
            {"#type": "image", "#attributes": {"src": "/x"}},
            '<img src="/x" alt="" loading="lazy" decoding="async">',
            'tree has no alt text; "" is for an image that only decorates',
        ),
        (
            {"#type": "table", "#rows": ["x"]},
            "<table><tbody></tbody></table>",
            "tree #rows[0] must be a list of cells, not text",
        ),
        ({"#type": "list", "#items": "x"}, "<ul></ul>", "tree #items must be a list, not text"),
    ],
)
def test_what_is_wrong_is_left_out_and_complained_of(tree, html, complaint):
    assert render(tree) == (html, [complaint])


def test_what_cannot_be_stored_as_text_is_replaced():
    assert render({"#type": "markup", "#value": "a\x00\ud800é"}) == ("<span>a\ufffd\ufffdé</span>", [])


def test_depth_is_bounded():
    tree: dict = {"#type": "markup", "#value": "x"}
    for _ in range(4):
        tree = {"#type": "container", "x": tree}
    assert render(tree, depth=4) == (
        "<div><div><div><div></div></div></div></div>",
        ["tree/x/x/x/x is nested more than 4 deep"],
    )


def test_the_number_of_elements_is_bounded():
    tree = {"#type": "list", "#items": ["x"] * 10}
    assert render(tree, elements=3) == (
        "<ul><li>x</li><li>x</li></ul>",
        ["tree/#items[2] and the rest is left out: more than 3 elements"],
    )
    rows = {"#type": "table", "#rows": [["x"]] * 10}
    html, complaints = render(rows, elements=4)
    assert html == "<table><tbody><tr><td>x</td></tr><tr></tr></tbody></table>"
    assert complaints == ["tree/#rows[1][0] and the rest is left out: more than 4 elements"]


@pytest.mark.parametrize(
    "part",
    [
        {"#value": "x" * 101},
        {"#value": "x" * 101, "#format": "plain_text"},
        {"#value": '"' * 40, "#format": "plain_text"},
        {"#attributes": {"title": "x" * 101}},
    ],
)
def test_the_length_is_bounded(part):
    html, complaints = render({"#type": "markup", "#tag": "div", **part, "y": {"#type": "markup"}}, chars=100)
    assert html == "<div></div>"
    assert complaints == ["tree and the rest is left out: more than 100 characters"]


def test_complaints_are_bounded():
    html, complaints = render({"#type": "container", **{f"x{n}": n for n in range(50)}}, complaints=3)
    assert html == "<div></div>"
    assert complaints == [
        "tree/x0 must be an object, not a number",
        "tree/x1 must be an object, not a number",
        "and there is more",
    ]


KEYS = st.sampled_from(
    [
        "#type",
        "#tag",
        "#value",
        "#format",
        "#weight",
        "#attributes",
        "#rows",
        "#header",
        "#items",
        "#caption",
        "class",
        "href",
        "src",
        "id",
        "style",
        "a",
        "b",
    ]
) | st.text(max_size=5)
VALUES = st.sampled_from(
    [
        "container",
        "markup",
        "link",
        "table",
        "list",
        "image",
        "p",
        "script",
        "filtered_html",
        "full_html",
        "/x",
        "javascript:x",
        "<img src=x onerror=y>",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | VALUES
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6)
)
TREES = st.fixed_dictionaries({"#type": VALUES}).flatmap(
    lambda start: st.dictionaries(KEYS, JSON, max_size=6).map(lambda rest: {**rest, **start})
)


@given(TREES | JSON)
def test_whatever_comes_is_answered_with_safe_html(tree):
    html, _ = render(tree)
    assert find_dangers(html) == []
    html.encode()


def test_the_tree_that_came_is_not_changed():
    tree = {"#type": "container", "#attributes": {"class": ["a", 1]}, "x": {"#type": "markup", "#value": 1}}
    before = json.dumps(tree)
    render(tree)
    assert json.dumps(tree) == before
