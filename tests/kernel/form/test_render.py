"""A form is shown with labels, help, complaints beside the fields, and what was typed."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from kernel.form.build import build_form
from kernel.form.model import Condition, Element
from kernel.form.render import render_form
from kernel.form.token import BUILD_ID_FIELD, TOKEN_FIELD, build_form_token
from kernel.form.validate import read_values, validate_form
from tests.kernel.form.conftest import ELEMENTS, GOOD

CHOSEN = {"checkbox", "radio"}


class Page(HTMLParser):
    """The tags of a page with their attributes, and what a browser would send when the form is submitted."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.texts = []
        self.sent = {}
        self._textarea = self._select = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        name = attrs.get("name")
        is_disabled = "disabled" in attrs
        if tag == "input" and not is_disabled and (attrs["type"] not in CHOSEN or "checked" in attrs):
            self.sent.setdefault(name, []).append(attrs.get("value", ""))
        elif tag == "textarea" and not is_disabled:
            self._textarea, self.sent[name] = name, [""]
        elif tag == "select" and not is_disabled:
            self._select = name
        elif tag == "option" and self._select and ("selected" in attrs or self._select not in self.sent):
            self.sent[self._select] = [attrs["value"]]

    def handle_endtag(self, tag):
        if tag == "textarea" and self._textarea:
            # A browser drops the line break that directly follows the opening tag.
            self.sent[self._textarea] = [self.sent[self._textarea][0].removeprefix("\n")]
            self._textarea = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data):
        self.texts.append(data)
        if self._textarea:
            self.sent[self._textarea][0] += data

    def find(self, tag, **wanted):
        found = [
            attrs
            for name, attrs in self.tags
            if name == tag and all(attrs.get(key) == value for key, value in wanted.items())
        ]
        assert len(found) == 1, f"{len(found)} × <{tag} {wanted}>"
        return found[0]


def show(renderer, form, session, **given):
    return Page(render_form(renderer, form, session=session, **given))


VALUES = {
    "title": 'Bread & "butter" <b>',
    "summary": "\n\nThe first lines are empty\n",
    "body": {"value": "</textarea><script>alert(1)</script>", "format": "filtered_html"},
    "amount": 0,
    "agreed": True,
    "colour": "blue",
    "sizes": ["s", "l"],
    "side": "right",
    "day": "2024-02-29",
    "note": "n",
    "revision": "r1",
}


def test_what_is_shown_comes_back_as_it_was(renderer, form, session):
    page = show(renderer, form, session, values=VALUES)
    submission = validate_form(form, session, page.sent)
    assert submission.problems == {}
    assert submission.values == {**VALUES, "password": "", "attachment": "", "preview": False}
    assert len(submission.build_id) == 22
    assert not [tag for tag, _ in page.tags if tag == "script"]


def test_choices_are_groups_with_a_name_and_a_condition_is_told_to_the_script(renderer, session):
    condition = Condition("side", frozenset({"it's", "left"}))
    elements = [replace(e, required=True) for e in ELEMENTS if e.name in {"sizes", "side"}]
    elements.append(Element("markup", "hint", "Mind the <gap>.", shown_when=condition))
    form = build_form("example", action="/e", elements=elements, submit="Send")
    html = render_form(renderer, form, session=session, problems={"sizes": "Too many."})
    page = Page(html)
    group = page.find("fieldset", id="example-sizes")
    assert (group["aria-invalid"], group["aria-describedby"]) == ("true", "example-sizes-problem")
    assert {"Sizes ", "Side ", "Small", "Mind the <gap>."} <= set(page.texts)
    assert page.find("p", id="example-hint")["data-values"] == '["it\\u0027s", "left"]'
    assert [attrs["value"] for _, attrs in page.tags if attrs.get("type") == "radio"] == ["left", "right"]


def test_every_rendering_has_the_same_token_and_a_build_id_of_its_own(renderer, form, session):
    pages = [show(renderer, form, session) for _ in range(2)]
    assert [page.sent[TOKEN_FIELD] for page in pages] == [[build_form_token(session, "example")]] * 2
    assert pages[0].sent[BUILD_ID_FIELD] != pages[1].sent[BUILD_ID_FIELD]


@pytest.mark.story("9.2")
def test_every_visible_field_has_a_label_and_required_ones_say_so(renderer, form, session):
    page = show(renderer, form, session)
    labelled = {attrs["for"] for tag, attrs in page.tags if tag == "label" and "for" in attrs}
    visible = [
        attrs
        for tag, attrs in page.tags
        if tag in ("select", "textarea") or (tag == "input" and attrs["type"] not in {"hidden", *CHOSEN})
    ]
    assert {attrs["id"] for attrs in visible} == labelled
    required = {attrs["name"] for _, attrs in page.tags if "required" in attrs}
    assert required == {"title"}
    # The label of a checkbox is around it.
    assert "Agreed" in page.texts


@pytest.mark.story("9.1", "9.2")
@pytest.mark.parametrize(
    ("name", "control"),
    [
        ("title", ("input", "text")),
        ("summary", ("textarea", None)),
        ("body", ("textarea", None)),
        ("body__format", ("select", None)),
        ("amount", ("input", "text")),
        ("agreed", ("input", "checkbox")),
        ("colour", ("select", None)),
        ("day", ("input", "date")),
        ("password", ("input", "password")),
        ("note", ("input", "text")),
        ("revision", ("input", "hidden")),
        ("attachment", ("input", "file")),
    ],
)
def test_each_kind_has_its_control(renderer, form, session, name, control):
    tag, kind = control
    attrs = show(renderer, form, session).find(tag, name=name)
    assert attrs.get("type") == kind
    assert "maxlength" not in attrs


def test_a_complaint_stands_beside_its_field_and_in_the_summary(renderer, form, session):
    wrong = {
        "title": [""],
        "amount": ["many"],
        "note": ["a\x00"],
        "colour": ["blue"],
        "body__format": ["plain_text"],
    }
    submission = read_values(form, wrong)
    problems = {**submission.problems, "": "Somebody was faster.", "gone": "A field of another day."}
    html = render_form(renderer, form, session=session, values=submission.raw, problems=problems)
    page = Page(html)
    for name in ("title", "amount", "note"):
        attrs = page.find("input", name=name)
        assert attrs["aria-invalid"] == "true"
        assert attrs["aria-describedby"] == f"example-{name}-problem"
        page.find("p", id=f"example-{name}-problem")
        page.find("a", href=f"#example-{name}")
    assert "aria-invalid" not in page.find("select", name="colour")
    summary = html[html.index("form-summary__list") : html.index("</ul>")]
    assert re.findall(r"<li>(?:<a [^>]*>)?([^<]*)", summary) == [
        "Somebody was faster.",
        "Title is required.",
        "Amount must be a whole number, such as 42.",
        "Note holds a character that cannot be stored. Type it again instead of pasting it.",
        "A field of another day.",
    ]
    assert "5 things need your attention" in page.texts
    # The first field with a complaint is where the reader goes on; what was typed there is still there.
    assert "autofocus" in page.find("input", name="title")
    assert page.sent["amount"] == ["many"]
    assert page.sent["note"] == ["a\ufffd"]


def test_help_is_read_with_its_field(renderer, session):
    element = Element("textfield", "title", "Title", help="As <short> as you can.", autofocus=True)
    form = build_form("example", action="/e", elements=[element], submit="Send")
    html = render_form(renderer, form, session=session)
    page = Page(html)
    assert page.find("input", name="title")["aria-describedby"] == "example-title-help"
    assert "autofocus" in page.find("input", name="title")
    assert "As &lt;short&gt; as you can." in html
    page = show(renderer, form, session, problems={"title": "No."})
    assert page.find("input", name="title")["aria-describedby"] == "example-title-problem example-title-help"


def test_a_password_is_never_shown_again(renderer, form, session):
    html = render_form(renderer, form, session=session, values={"password": "secret"})
    assert "secret" not in html


def test_a_locked_field_shows_its_default_and_sends_nothing(renderer, session):
    element = Element("textfield", "title", "Title", default="Theirs", locked=True)
    form = build_form("example", action="/e", elements=[element], submit="Send")
    page = show(renderer, form, session, values={"title": "Mine"})
    assert page.find("input", name="title")["value"] == "Theirs"
    assert "title" not in page.sent


def test_defaults_are_shown_until_something_else_was_entered(renderer, session):
    element = Element("checkbox", "status", "Published", default=True)
    form = build_form("example", action="/e", elements=[element], submit="Send")
    assert show(renderer, form, session).sent["status"] == ["1"]
    assert "status" not in show(renderer, form, session, values=read_values(form, {}).raw).sent


def test_a_side_fieldset_stands_beside_the_main_column(renderer, session):
    side = Element("fieldset", "more", "More", side=True, children=(Element("date", "day", "Day"),))
    form = build_form(
        "example", action="/e", elements=[ELEMENTS[0], side], submit="Delete", danger=True, cancel="/back"
    )
    html = render_form(renderer, form, session=session)
    page = Page(html)
    assert html.index("<aside") < html.index('name="day"') < html.index("</aside>")
    assert page.find("form", id="example")["class"] == "form form--with-side"
    assert page.find("button", type="submit")["class"] == "button button--danger"
    page.find("a", href="/back")


def test_a_form_that_only_asks_carries_no_proof(renderer, session):
    form = build_form(
        "find", action="/find", elements=[Element("textfield", "q", "For")], submit="Find", method="get"
    )
    assert set(show(renderer, form, session).sent) == {"q"}


def test_everything_of_a_form_is_escaped(renderer, session):
    evil = '"><script>alert(1)</script>'
    element = Element("select", "a", evil, help=evil, options=ELEMENTS[5].options)
    form = build_form("example", action="/" + evil, elements=[element], submit=evil, intro=evil, cancel=evil)
    html = render_form(renderer, form, session=session, values={"a": evil}, problems={"a": evil, evil: evil})
    assert "<script" not in html


def test_the_good_values_of_this_folder_cover_every_element(form):
    assert {*GOOD} - {"body__format"} == {element.name for element in form.inputs()}


def test_a_form_with_a_file_is_sent_in_parts_and_says_how_large_the_file_may_be(renderer, form, session):
    page = show(renderer, form, session)
    assert page.find("form", enctype="multipart/form-data")
    assert page.find("input", type="file")["data-js-max"] == "1000"
    plain = build_form("example", action="/e", elements=[Element("date", "day", "Day")], submit="Send")
    assert "enctype" not in show(renderer, plain, session).find("form", action="/e")
