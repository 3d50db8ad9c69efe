"""Shows a form as HTML that works without scripts: labels, help and complaints beside each field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from kernel.form.model import Element, Form
from kernel.form.token import BUILD_ID_FIELD, TOKEN_FIELD, build_form_token, build_id
from kernel.render.renderer import Renderer
from kernel.shared.session import Session


@dataclass(frozen=True, slots=True)
class ElementView:
    """What the template of one element needs; `value` is as typed, `chosen` a text's format."""

    element: Element
    id: str
    value: Any
    chosen: str
    problem: str
    is_focused: bool
    children: tuple["ElementView", ...]

    @property
    def template(self) -> str:
        return f"form/element/{self.element.kind}.html"

    @property
    def described_by(self) -> str:
        """The ids of the texts that a screen reader reads with the field."""
        ids = [f"{self.id}-problem"] if self.problem else []
        ids += [f"{self.id}-help"] if self.element.help else []
        return " ".join(ids)


@dataclass(frozen=True, slots=True)
class Complaint:
    """One line of the summary; `target` is the id of the field, empty when there is none to go to."""

    text: str
    target: str


def render_form(
    renderer: Renderer,
    form: Form,
    *,
    session: Session,
    values: Mapping[str, Any] | None = None,
    problems: Mapping[str, str] | None = None,
) -> Markup:
    """`values` are typed ones or what was typed (`Submission.raw`); a name without one shows its default.
    `problems` are sentences by element name; one for a name that is not in the form stands in the summary."""
    given, wrong = values or {}, problems or {}
    focus = _find_focus(form, wrong)
    views = _view_all(form, form.elements, given, wrong, focus)
    proof = {TOKEN_FIELD: build_form_token(session, form.id), BUILD_ID_FIELD: build_id()}
    return Markup(  # noqa: S704  # the renderer escapes
        renderer.render(
            "form/form.html",
            form=form,
            main=[view for view in views if not view.element.side and view.element.kind != "submit"],
            buttons=[view for view in views if view.element.kind == "submit"],
            side=[view for view in views if view.element.side],
            complaints=_list_complaints(form, wrong),
            proof=proof if form.method == "post" else {},
        )
    )


def _find_focus(form: Form, problems: Mapping[str, str]) -> str:
    """The field to go on with: the first one with a complaint, else the one that the form names."""
    visible = [element for element in form.inputs() if element.is_visible]
    first_wrong = next((element.name for element in visible if problems.get(element.name)), "")
    return first_wrong or next((element.name for element in visible if element.autofocus), "")


def render_token(session: Session, form_id: str) -> Markup:
    """The hidden input of a form that is one button in a toolbar."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(
        TOKEN_FIELD, build_form_token(session, form_id)
    )


def _view_all(
    form: Form,
    elements: Sequence[Element],
    values: Mapping[str, Any],
    problems: Mapping[str, str],
    focus: str,
) -> tuple[ElementView, ...]:
    return tuple(
        _view(form, element, values, problems, focus)
        for element in elements
        if element.kind == "hidden" or element.is_visible
    )


def _view(
    form: Form, element: Element, values: Mapping[str, Any], problems: Mapping[str, str], focus: str
) -> ElementView:
    value = element.default if element.locked else values.get(element.name, element.default)
    chosen = ""
    if element.kind == "formatted":
        value, chosen = (
            (value.get("value"), value.get("format", "")) if isinstance(value, Mapping) else (value, "")
        )
    if element.kind == "password":
        value = None
    return ElementView(
        element=element,
        id=_html_id(form, element),
        value="" if value is None else value,
        chosen=chosen,
        problem=problems.get(element.name, ""),
        is_focused=element.name == focus,
        children=_view_all(form, element.children, values, problems, focus),
    )


def _list_complaints(form: Form, problems: Mapping[str, str]) -> list[Complaint]:
    """The form as a whole first, then in the order of the fields, then what belongs to no visible field."""
    visible = {element.name: _html_id(form, element) for element in form.inputs() if element.is_visible}
    order = ["", *visible, *(name for name in problems if name not in visible)]
    return [
        Complaint(problems[name], visible.get(name, ""))
        for name in dict.fromkeys(order)
        if problems.get(name)
    ]


def _html_id(form: Form, element: Element) -> str:
    """The form's id is part of it, since a page may hold two forms with a field of the same name."""
    return f"{form.id}-{element.name}".replace("_", "-")
