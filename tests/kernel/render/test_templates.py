"""Every template renders with what its first comment asks for, and is a clean page."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from kernel.errors import ConfigError
from kernel.render.renderer import Renderer
from tests.kernel.render.conftest import STATIC, TEMPLATES
from tests.kernel.render.samples import common, make_pages

# Rendered as part of the pages.
PARTS = (
    "base.html",
    "page.html",
    "card.html",
    "admin/base.html",
    "gather/rows.html",
    "job_rows.html",
    "batch_refused.html",
    "why.html",
)
VOID = frozenset(["br", "hr", "img", "input", "link", "meta", "wbr"])


@pytest.fixture(scope="module")
def pages(renderer):
    return {
        name: (template, renderer.render(template, **given)) for name, template, given in make_pages(renderer)
    }


class Outline(HTMLParser):
    """Complains of what a browser would silently repair."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.wrong = []
        self.ids = Counter()
        self.headings = Counter()
        self.targets = set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.headings[tag] += 1
        self.ids[given.get("id", "")] += 1
        self.targets.update(given[key] for key in ("for", "aria-describedby") if key in given)
        if "style" in given or any(name.startswith("on") for name in given):
            self.wrong.append(f"{tag} carries code: {given}")
        if tag == "script" and "src" not in given:
            self.wrong.append("an inline script")
        if tag == "a" and not given.get("href"):
            self.wrong.append("a link to nowhere")
        if tag in {"p", "div", "ul", "form"} and "p" in self.open[:-1]:
            self.wrong.append(f"{tag} inside p")

    def handle_endtag(self, tag):
        if tag in VOID or tag in {"use", "path"}:
            self.open = [name for name in self.open if name != tag]
        elif not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes something else")


def outline(html):
    reader = Outline()
    reader.feed(html)
    reader.close()
    return reader


def test_every_page_is_well_formed(pages):
    for name, (_, html) in pages.items():
        reader = outline(html)
        assert (name, reader.wrong, reader.open) == (name, [], [])
        del reader.ids[""]
        assert (name, [key for key, count in reader.ids.items() if count > 1]) == (name, [])
        assert (name, reader.headings["h1"], reader.headings["main"]) == (name, 1, 1)
        missing = {target for targets in reader.targets for target in targets.split()} - set(reader.ids)
        assert (name, missing) == (name, set())


def test_every_page_template_has_a_sample(pages):
    shipped = {
        path.relative_to(TEMPLATES).as_posix()
        for path in TEMPLATES.rglob("*.html")
        if path.relative_to(TEMPLATES).parts[0] not in {"form", "macros", "themes"}
    }
    assert shipped - set(PARTS) == {template for template, _ in pages.values()}


def test_every_template_says_what_it_needs():
    silent = [
        path.relative_to(TEMPLATES).as_posix()
        for path in sorted(TEMPLATES.rglob("*.html"))
        if path.relative_to(TEMPLATES).parts[0] != "form" and not path.read_text().startswith("{#-")
    ]
    assert silent == []


@pytest.mark.story("10.6")
def test_base_gives_the_structure_of_a_document(renderer):
    html = renderer.render("base.html", **common("A page"))
    assert re.match(r"\s*<!doctype html>\n<html lang=\"en\">\n<head>\n", html)
    assert re.search(r"</head>\n<body class=\"\">.*</body>\n</html>\s*$", html, re.DOTALL)
    assert "<title>A page – Gazzetta di Lucca</title>" in html


@pytest.mark.story("10.6")
def test_page_extends_base_with_header_content_and_footer(tmp_path):
    (tmp_path / "themes" / "mine").mkdir(parents=True)
    for path in TEMPLATES.rglob("*.html"):
        target = tmp_path / path.relative_to(TEMPLATES)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "themes" / "mine" / "hello.html").write_text(
        '{% extends "page.html" %}{% block content %}<p>Hello from a theme</p>{% endblock %}'
    )
    html = Renderer.open(tmp_path, STATIC, theme="mine").render("hello.html", **common("Hello"))
    parts = [
        "<!doctype html>",
        "<header",
        "<main",
        "<p>Hello from a theme</p>",
        "</main>",
        "<footer",
        "</html>",
    ]
    assert [html.count(part) for part in parts] == [1] * len(parts)
    assert [html.index(part) for part in parts] == sorted(html.index(part) for part in parts)


def test_a_stranger_sees_no_tools(pages):
    for name in ("front", "item", "list", "login", "error_404"):
        assert 'class="toolbar' not in pages[name][1], name
        assert "form_token" not in pages[name][1] or name == "login", name
        assert "Marta Ferri" not in pages["error_404"][1]


def test_an_editor_sees_the_stage_in_its_colour(pages):
    assert 'class="toolbar stage-live"' in pages["dashboard"][1]
    assert 'class="toolbar stage-live"' not in pages["item_editor"][1]
    assert "Spring campaign" in pages["item_editor"][1]


def test_a_title_is_text(renderer):
    given = common("<script>x</script>")
    assert "<script>x" not in renderer.render("base.html", **given)


def test_an_error_page_tells_its_request(pages):
    for code in (403, 404, 500, 503, 418):
        html = pages[f"error_{code}"][1]
        assert f"Error {code}" in html
        assert "Request 019370f2-7c1e-7000-8000-0000000000ab" in html


def test_a_job_under_way_reloads_without_scripts_and_a_finished_one_does_not(pages):
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in pages["job_running"][1]
    assert "refresh" not in pages["job_done"][1]
    assert 'href="/item/00000000-0000-0000-0000-000000000001"' in pages["job_done"][1]


def test_paging_keeps_the_filters(pages):
    html = pages["content"][1]
    assert 'href="/admin/content?type=&amp;status=&amp;text=&amp;sort=changed&amp;page=3"' in html
    assert "more than 10,000 in all" in html


def test_a_variable_too_few_is_noticed(renderer):
    given = common("x")
    del given["stage"]
    with pytest.raises(UndefinedError):
        renderer.render("item_add_choose.html", types=[], **given)


def test_the_shipped_templates_are_checked_against_the_shipped_assets(tmp_path):
    with pytest.raises(ConfigError, match=r"base\.html:\d+: there is no asset 'app\.js'"):
        Renderer.open(TEMPLATES, tmp_path)
