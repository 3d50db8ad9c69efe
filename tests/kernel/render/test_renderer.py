"""Templates are found by theme and suggestion, and a mistake in one stops the start."""

import pytest
from jinja2 import UndefinedError

from kernel.errors import ConfigError
from kernel.render.renderer import Renderer, item_suggestions


@pytest.fixture
def folder(tmp_path):
    """A small site: write(name, text) adds a template, open() opens them."""

    class Folder:
        templates = tmp_path / "templates"
        static = tmp_path / "static"

        def write(self, name, text):
            path = self.templates / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return path

        def open(self, theme=""):
            return Renderer.open(self.templates, self.static, theme=theme)

    made = Folder()
    made.static.mkdir()
    (made.static / "x.css").write_text("a{}")
    (made.static / "icons.svg").write_text('<svg><symbol id="plus"></symbol></svg>')
    made.write("base.html", "<{% block x %}base{% endblock %}>")
    return made


def problems_of(folder, theme=""):
    with pytest.raises(ConfigError) as caught:
        folder.open(theme)
    return caught.value.problems


@pytest.mark.story("10.1")
def test_templates_come_from_the_folder(folder):
    folder.write("sub/page.html", "{{ text }}")
    assert folder.open().render("sub/page.html", text="a & b") == "a &amp; b"


@pytest.mark.story("10.1")
def test_a_theme_overrides_single_templates(folder):
    folder.write("page.html", "core page")
    folder.write("other.html", "core other")
    folder.write("themes/dark/page.html", "dark page")
    folder.write("themes/dark/only.html", "dark only")
    themed, plain = folder.open("dark"), folder.open()
    assert [themed.render(name) for name in ("page.html", "other.html", "only.html")] == [
        "dark page",
        "core other",
        "dark only",
    ]
    assert plain.render("page.html") == "core page"
    assert plain.suggest(["only.html", "themes/dark/only.html", "page.html"]) == "page.html"


def test_a_theme_may_extend_what_it_overrides(folder):
    folder.write("themes/dark/base.html", '{% extends "core/base.html" %}{% block x %}dark{% endblock %}')
    assert folder.open("dark").render("base.html") == "<dark>"


@pytest.mark.story("10.1")
def test_every_mistake_is_named_with_file_and_line(folder):
    bad = folder.write("a.html", "line\n{% if x %}\n")
    wrong = folder.write("b.html", "\n\n{{ x|no_such_filter }}")
    lost = folder.write(
        "c.html", 'x\n{% include "gone.html" %}{% from "gone2.html" import y %}{{ asset("gone.css") }}'
    )
    drawn = folder.write("themes/dark/d.html", '{{ icon("gone") }}')
    assert problems_of(folder, "dark") == [
        (
            f"{bad}:2: Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or"
            " 'endif'. The innermost block that needs to be closed is 'if'."
        ),
        f"{wrong}:3: No filter named 'no_such_filter'.",
        f"{lost}:2: there is no template 'gone2.html'",
        f"{lost}:2: there is no template 'gone.html'",
        f"{lost}:2: there is no asset 'gone.css'",
        f"{drawn}:1: there is no icon 'gone'",
    ]


@pytest.mark.parametrize("theme", ["gone", "../templates", "/tmp"])
def test_a_theme_that_does_not_exist_is_named(folder, theme):
    (problem,) = problems_of(folder, theme)
    assert problem.startswith(f"TROVATO_THEME is {theme!r}, but there is no folder ")


def test_a_folder_without_templates_is_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        Renderer.open(tmp_path, tmp_path)
    assert caught.value.problems == [
        f"{tmp_path} has no base.html. Set TROVATO_TEMPLATES to the templates folder."
    ]


def test_a_variable_that_nobody_gave_is_an_error(folder):
    folder.write("page.html", "{{ missing }}")
    with pytest.raises(UndefinedError, match="'missing' is undefined"):
        folder.open().render("page.html")


@pytest.mark.story("10.2")
def test_suggestions_go_from_particular_to_general():
    assert item_suggestions("blog", "abc-123") == ("item--blog--abc-123.html", "item--blog.html", "item.html")


@pytest.mark.story("10.2")
def test_the_first_suggestion_that_exists_is_used(folder):
    names = item_suggestions("blog", "abc-123")
    for name in reversed(names):
        folder.write(name, name)
        assert folder.open().suggest(names) == name


def test_suggestions_of_which_none_exists_are_an_error(folder):
    with pytest.raises(LookupError, match=r"None of these templates exists: x\.html, y\.html"):
        folder.open().suggest(["x.html", "y.html"])


def test_an_asset_has_its_content_in_its_address(folder):
    before = folder.open().assets.url("x.css")
    (folder.static / "x.css").write_text("b{}")
    after = folder.open().assets.url("x.css")
    assert before.startswith("/static/x.css?v=")
    assert after.startswith("/static/x.css?v=")
    assert before != after


def test_an_icon_decorates_or_has_a_label(folder):
    assets = folder.open().assets
    assert 'class="icon icon-plus" aria-hidden="true"' in assets.icon("plus")
    assert 'role="img" aria-label="&lt;Add&gt;"' in assets.icon("plus", "<Add>")
    with pytest.raises(LookupError, match=r"icons\.svg has no symbol 'gone'"):
        assets.icon("gone")


def test_a_tree_is_rendered_without_its_bad_parts(renderer):
    tree = {"#type": "container", "x": {"#type": "script"}, "y": {"#type": "markup", "#value": "kept"}}
    assert renderer.render_tree(tree) == "<div><span>kept</span></div>"
