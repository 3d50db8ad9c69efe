"""What each text format makes of what people type."""

import pytest

from kernel.render.formats import TEXT_FORMATS, format_text


@pytest.mark.story("10.5")
@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a < b", "<p>a &lt; b</p>\n"),
        ("one\ntwo\n\nthree", "<p>one<br>\ntwo</p>\n<p>three</p>\n"),
        ("one\r\n\r\ntwo", "<p>one</p>\n<p>two</p>\n"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"),
        (
            "see https://example.org/a?b=1&c=2.",
            (
                '<p>see <a href="https://example.org/a?b=1&amp;c=2" rel="noopener nofollow">'
                "https://example.org/a?b=1&amp;c=2</a>.</p>\n"
            ),
        ),
        (
            "(www.example.org)",
            '<p>(<a href="https://www.example.org" rel="noopener nofollow">www.example.org</a>)</p>\n',
        ),
        (
            "https://example.org/a_(b)",
            '<p><a href="https://example.org/a_(b)" rel="noopener nofollow">https://example.org/a_(b)</a></p>\n',
        ),
        ("", ""),
        ("\n\n \n", ""),
        ("nul\x00 \ud800", "<p>nul\ufffd \ufffd</p>\n"),
    ],
)
def test_plain_text(text, html):
    assert format_text(text, "plain_text") == html


@pytest.mark.story("10.5")
@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<script>x</script>kept", "<p>kept</p>\n"),
        ("<font>only the tag</font>", "<p>only the tag</p>\n"),
        ("<img src=/x.png>", ""),
        ('<a href="/x" class="y" onclick="z">x</a>', '<p><a href="/x" rel="noopener nofollow">x</a></p>\n'),
        ("one\n\n<h2>two</h2>\nthree", "<p>one</p>\n<h2>two</h2><p>three</p>\n"),
        ("<ul>\n<li>one</li>\n</ul>", "<ul>\n<li>one</li>\n</ul>"),
        ("<p>one</p>\n<p>two</p>", "<p>one</p><p>two</p>"),
        ("<em>a\n\nb</em>", "<p><em>a<br>\n<br>\nb</em></p>\n"),
        ("a<hr>b", "<p>a</p>\n<hr><p>b</p>\n"),
        ("<em><p>x</p></em>", "<em><p>x</p></em>"),
        ("<code>http://x.example</code>", "<p><code>http://x.example</code></p>\n"),
        (
            '<a href="/">http://x.example</a> http://y.example',
            (
                '<p><a href="/" rel="noopener nofollow">http://x.example</a>'
                ' <a href="http://y.example" rel="noopener nofollow">http://y.example</a></p>\n'
            ),
        ),
        ('<p title="a>b">x</p>', '<p title="a&gt;b">x</p>'),
    ],
)
def test_filtered_html(text, html):
    assert format_text(text, "filtered_html") == html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ('<div class="x" id="y" style="z">a</div>', '<div class="x">a</div>'),
        (
            "<table><tbody><tr><td>1</td></tr></tbody></table>",
            "<table><tbody><tr><td>1</td></tr></tbody></table>",
        ),
        ('<img src="/x.png" alt="X" onerror="y">', '<img src="/x.png" alt="X">'),
        ("<iframe src=/x></iframe><form><input></form>", ""),
        ("a\n\nhttp://x.example", "a\n\nhttp://x.example"),
    ],
)
def test_full_html(text, html):
    assert format_text(text, "full_html") == html


@pytest.mark.story("10.5")
def test_the_result_is_marked_as_safe():
    assert all(hasattr(format_text("x", name), "__html__") for name in TEXT_FORMATS)


def test_a_format_that_does_not_exist_allows_nothing():
    assert format_text("<b>x</b>", "php_code") == "&lt;b&gt;x&lt;/b&gt;"


def repeat_formatting():
    return "<p>" + "".join(f"<b title={n}>" for n in range(2_400)) + "</p>" + "<p>x" * 2_400


@pytest.mark.timeout(3)
@pytest.mark.parametrize("name", ["filtered_html", "full_html"])
@pytest.mark.parametrize(
    "text",
    ["<div>" * 40_000, "<a><div>" * 25_000, repeat_formatting(), "<b><i><u><s>" * 10_000 + "<p>x" * 2_000],
    ids=["deep", "misnested", "repeated", "formatting"],
)
def test_markup_that_is_built_to_be_slow_is_shown_as_text(name, text):
    assert "&lt;" in format_text(text, name)[:20]


@pytest.mark.timeout(3)
@pytest.mark.parametrize("name", ["plain_text", "filtered_html"])
@pytest.mark.parametrize(
    "text",
    [
        "a" + " " * 200_000 + "b",
        "a\n" + " \n" * 100_000 + "b",
        "<br>" * 4_999,
        "www." * 50_000,
        "http://" * 28_000,
    ],
    ids=["spaces", "lines", "breaks", "hosts", "schemes"],
)
def test_long_repetitions_cost_no_more_than_their_length(name, text):
    assert len(format_text(text, name)) < 2_000_000


def test_a_long_ordinary_article_is_not_taken_for_an_attack():
    article = "<p>One <b>two</b> <a href='/x'>three</a> <em>four</em> <code>five</code>.</p>" * 900
    assert format_text(article, "full_html").count("<p>") == 900
