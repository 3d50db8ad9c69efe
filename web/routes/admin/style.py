"""The living page of the admin's parts: what a button, a table, a form looks like, in the page itself."""

from dataclasses import dataclass
from typing import Any, Final

from quart import Blueprint, Response, request

from kernel.form.build import build_form
from kernel.form.model import Condition, Element, Form, Option
from kernel.form.render import render_form
from web.guard import Submitted, changing_route
from web.respond import redirect_after_change, show_page
from web.routes.admin.tools import may_administer
from web.visit import current_visit

blueprint = Blueprint("style", __name__)

STYLE_PATH: Final = "/admin/style"
FORM_ID: Final = "style_example"
COLOURS: Final = (
    *("ground", "paper", "sunken", "line", "ink", "ink-soft", "ink-faint", "accent"),
    *("accent-strong", "accent-soft", "spark", "good", "warn", "bad", "info"),
)
ICONS: Final = (
    *("home", "list", "plus", "tools", "jobs", "clock", "plugin", "eye"),
    *("edit", "bin", "check", "alert", "info", "page"),
)
PROBLEMS: Final = {
    "example_title": "Title is required.",
    "example_sizes": "Sizes must be among the options in the list.",
    "example_amount": "Amount must be a whole number, such as 42.",
}
_SIZES: Final = (Option("small", "Small"), Option("large", "Large"))
_FORMATS: Final = (Option("plain_text", "Plain text"), Option("filtered_html", "Filtered HTML"))


@dataclass(frozen=True, slots=True)
class Pages:
    """As a listing has them."""

    number: int = 3
    last_number: int = 12
    previous_number: int | None = 2
    next_number: int | None = 4
    total: int = 292
    is_capped: bool = False


def build_example_form() -> Form:
    """One element of each kind that people see."""
    return build_form(
        FORM_ID,
        action=STYLE_PATH,
        submit="Save",
        cancel=STYLE_PATH,
        elements=[
            Element("textfield", "example_title", "Title", required=True, help="What it is called in lists."),
            Element("textarea", "example_summary", "Summary", rows=3),
            Element("formatted", "example_body", "Text", options=_FORMATS, rows=4),
            Element("number", "example_amount", "Amount"),
            Element("date", "example_day", "Day"),
            Element("select", "example_size", "Size", options=_SIZES),
            Element("radios", "example_side", "Side", options=(Option("l", "Left"), Option("r", "Right"))),
            Element("checkboxes", "example_sizes", "Sizes", options=_SIZES),
            Element("checkbox", "example_post", "Send it by post", help="Asks for an address."),
            Element(
                "fieldset",
                "example_address",
                "Address",
                shown_when=Condition("example_post", frozenset({"1"})),
                children=(Element("textfield", "example_street", "Street"),),
            ),
            Element("password", "example_password", "Password", autocomplete="off"),
            Element("textfield", "example_locked", "Locked", default="Cannot be changed here", locked=True),
            Element("markup", "example_note", "A sentence between the fields says what comes next."),
            Element("submit", "example_preview", "Preview"),
        ],
    )


@blueprint.get(STYLE_PATH)
async def show_style() -> Response:
    visit = current_visit()
    may_administer(visit, {})
    html = render_form(
        visit.rt.renderer, build_example_form(), session=await visit.need_session(), problems=PROBLEMS
    )
    confirm = build_form(
        FORM_ID, action=STYLE_PATH, submit="Delete", cancel=STYLE_PATH, danger=True, elements=[]
    )
    return await show_page(
        "admin/style_confirm.html" if "confirm" in request.args else "admin/style.html",
        title="Delete “An example”?" if "confirm" in request.args else "Style",
        breadcrumbs=[("Dashboard", "/admin")],
        colours=COLOURS,
        icons=ICONS,
        form=html,
        confirm=render_form(visit.rt.renderer, confirm, session=await visit.need_session()),
        pages=Pages(),
    )


@changing_route(blueprint, STYLE_PATH, form_id=FORM_ID, access=may_administer)
async def send_example(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """Changes nothing: it shows what a message looks like that follows a change."""
    visit = current_visit()
    await visit.sessions.add_flash(await visit.need_session(), "success", "That is how a saved form answers.")
    return redirect_after_change(STYLE_PATH)
