"""A session, the real templates, and a form with one element of each kind."""

from pathlib import Path

import pytest

from kernel.clock import now
from kernel.form.build import build_form
from kernel.form.model import Element, Option
from kernel.names import LIVE
from kernel.render.renderer import Renderer
from kernel.shared.session import Session

ROOT = Path(__file__).resolve().parents[3]


def make_session(secret: str = "a secret") -> Session:
    return Session(id="id", key="key", user_id=None, active_stage=LIVE, secret=secret, created=now())


@pytest.fixture
def session():
    return make_session()


@pytest.fixture
def other_session():
    return make_session("another secret")


@pytest.fixture(scope="session")
def renderer():
    return Renderer.open(ROOT / "templates", ROOT / "web" / "static")


FORMATS = (Option("plain_text", "Plain text"), Option("filtered_html", "Filtered HTML"))

# One of each kind, by name.
ELEMENTS = (
    Element("textfield", "title", "Title", required=True, max_length=20),
    Element("textarea", "summary", "Summary", max_length=40),
    Element("formatted", "body", "Body", options=FORMATS, max_length=100),
    Element("number", "amount", "Amount", minimum=0, maximum=99),
    Element("checkbox", "agreed", "Agreed"),
    Element("select", "colour", "Colour", options=(Option("red", "Red"), Option("blue", "Blue"))),
    Element("checkboxes", "sizes", "Sizes", options=(Option("s", "Small"), Option("l", "Large & loud"))),
    Element("radios", "side", "Side", options=(Option("left", "Left"), Option("right", "Right"))),
    Element("markup", "hint", "Mind the <gap>."),
    Element("date", "day", "Day"),
    Element("password", "password", "Password"),
    Element("fieldset", "more", "More", children=(Element("textfield", "note", "Note"),)),
    Element("hidden", "revision", default=""),
    Element("file", "attachment", "Attachment", accept=".txt", maximum=1_000),
    Element("submit", "preview", "Preview"),
)

# What a browser sends for it when all is well.
GOOD = {
    "title": ["Bread"],
    "summary": ["Two\r\nlines"],
    "body": ["<p>x</p>"],
    "body__format": ["filtered_html"],
    "amount": ["7"],
    "agreed": ["1"],
    "colour": ["blue"],
    "sizes": ["l", "s"],
    "side": ["left"],
    "day": ["2024-02-29"],
    "password": [" open sesame "],
    "note": ["n"],
    "revision": ["r1"],
    "attachment": ["notes.txt"],
    "preview": ["1"],
}


@pytest.fixture(scope="session")
def form():
    return build_form("example", action="/example", elements=ELEMENTS, submit="Send")


@pytest.fixture
def good():
    return {name: list(sent) for name, sent in GOOD.items()}
