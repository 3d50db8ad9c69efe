"""Makes a form from its elements and refuses one that contradicts itself."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Literal

from kernel.form.model import CHOICES, Element, Form
from kernel.form.token import BUILD_ID_FIELD, TOKEN_FIELD
from kernel.names import is_machine_name

RESERVED_NAMES: Final = frozenset({TOKEN_FIELD, BUILD_ID_FIELD})


def build_form(
    form_id: str,
    *,
    action: str,
    elements: Sequence[Element],
    submit: str,
    title: str = "",
    intro: str = "",
    method: Literal["post", "get"] = "post",
    cancel: str = "",
    danger: bool = False,
) -> Form:
    """Elements are put in order of weight, equal ones as given. Raises ValueError naming every mistake."""
    form = Form(
        id=form_id,
        action=action,
        elements=in_order(elements),
        submit=submit,
        title=title,
        intro=intro,
        method=method,
        cancel=cancel,
        danger=danger,
    )
    complaints = check_form(form)
    if complaints:
        raise ValueError(f"Form '{form_id}': " + "; ".join(complaints) + ".")
    return form


def check_form(form: Form) -> list[str]:
    """What is wrong with the form as a definition; empty when nothing is."""
    complaints = []
    if not is_machine_name(form.id):
        complaints.append("its id must hold a-z, 0-9 and _ only, 32 characters at most")
    # Two slashes begin the name of another server.
    if not form.action.startswith("/") or form.action.startswith("//"):
        complaints.append(f"its action {form.action!r} must be a path of this site")
    names: Counter[str] = Counter()
    for element in form.elements:
        _check_element(element, names, complaints)
    known = {element.name for element in form.inputs()}
    complaints += [
        f"'{element.name}' depends on '{element.shown_when.name}', which the form has not"
        for element in _walk(form.elements)
        if element.shown_when is not None and element.shown_when.name not in known
    ]
    complaints += [f"the name '{name}' is used {count} times" for name, count in names.items() if count > 1]
    complaints += [f"the name '{name}' is reserved" for name in names if name in RESERVED_NAMES]
    return complaints


def _check_element(element: Element, names: Counter[str], complaints: list[str]) -> None:
    names[element.name] += 1
    if not is_machine_name(element.name):
        complaints.append(f"the name {element.name!r} must hold a-z, 0-9 and _ only, 32 characters at most")
    if element.kind == "formatted":
        names[element.format_name] += 1
    if not element.label and element.kind != "hidden":
        complaints.append(f"'{element.name}' needs a label")
    if (element.kind in CHOICES or element.kind == "formatted") and not element.options:
        complaints.append(f"'{element.name}' needs options to choose from")
    if element.children and element.kind != "fieldset":
        complaints.append(f"'{element.name}' is no fieldset and cannot hold other elements")
    for child in element.children:
        _check_element(child, names, complaints)


def _walk(elements: Sequence[Element]) -> Iterator[Element]:
    for element in elements:
        yield element
        yield from _walk(element.children)


def in_order(elements: Sequence[Element]) -> tuple[Element, ...]:
    """By weight, equal ones as given, groups and what is in them."""
    return tuple(
        replace(element, children=in_order(element.children)) if element.children else element
        for element in sorted(elements, key=lambda e: e.weight)
    )
