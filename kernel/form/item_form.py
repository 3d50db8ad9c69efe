"""The forms that add, edit and delete an item, made from the field definitions of its type."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from kernel.context import Actor
from kernel.form.build import build_form
from kernel.form.model import Element, ElementKind, Form, Option
from kernel.ids import parse_uuid
from kernel.item.model import Fields, Item
from kernel.item.values import DEFAULT_FORMAT, FORMATS, may_use_format
from kernel.item_type.model import TITLE_MAX, FieldDefinition, FieldKind, ItemType

LOG_MESSAGE_MAX: Final = 255

FORMAT_LABELS: Final[Mapping[str, str]] = {
    "plain_text": "Plain text",
    "filtered_html": "Filtered HTML",
    "full_html": "Full HTML",
}
ELEMENT_KINDS: Final[Mapping[FieldKind, ElementKind]] = {
    "text": "textfield",
    "text_long": "formatted",
    "integer": "number",
    "boolean": "checkbox",
    "date": "date",
}


def build_item_form(item_type: ItemType, item: Item | None, actor: Actor) -> Form:
    """Adds an item when `item` is None. Values of an item that is edited are given to `render_form` by
    `item_form_values`; here it decides what may be changed."""
    fields = [_build_field_element(definition, item, actor) for definition in item_type.fields]
    title = Element(
        "textfield", "title", "Title", required=True, max_length=TITLE_MAX, autofocus=item is None
    )
    elements = [title, *fields, _build_publishing(), _build_revision()]
    if item is not None:
        elements = _with_stored(elements, item_form_values(item))
    return build_form(
        "item_form",
        action=f"/item/add/{item_type.type}" if item is None else f"{item.path}/edit",
        elements=elements,
        submit="Save",
        title=f"Add {item_type.label}" if item is None else f"Edit {item.title}",
        cancel="/" if item is None else item.path,
    )


def build_item_delete_form(item: Item) -> Form:
    return build_form(
        "item_delete",
        action=f"{item.path}/delete",
        elements=[Element("hidden", "revision", default=str(item.revision_id), required=True)],
        submit="Delete",
        title=f"Delete {item.title}?",
        intro="It disappears from the site with all its revisions. This cannot be undone.",
        cancel=item.path,
        danger=True,
    )


def _with_stored(elements: Sequence[Element], values: Mapping[str, Any]) -> list[Element]:
    """What is stored is the value of whatever a plugin takes out of the form."""
    return [
        replace(
            element,
            default=_find_stored(element, values),
            children=tuple(_with_stored(element.children, values)),
        )
        for element in elements
    ]


def _find_stored(element: Element, values: Mapping[str, Any]) -> Any:
    """Of a field without a value nothing, and not what it has in a new item."""
    empty = element.default
    if element.kind == "formatted":
        empty = {"value": "", "format": DEFAULT_FORMAT}
    elif element.name.startswith("field_"):
        empty = None
    return values.get(element.name, empty)


def item_form_values(item: Item) -> dict[str, Any]:
    """What the edit form shows first."""
    fields = {
        name: dict(field) if "format" in field else field.get("value") for name, field in item.fields.items()
    }
    return {
        **fields,
        "title": item.title,
        "status": item.is_published,
        "promote": item.promote,
        "sticky": item.sticky,
        "revision": str(item.revision_id),
    }


def to_fields(values: Mapping[str, Any]) -> Fields:
    """The fields among the values of a valid submission, as they are stored; empty ones are left out."""
    fields: Fields = {}
    for name, value in values.items():
        if not name.startswith("field_"):
            continue
        field = dict(value) if isinstance(value, Mapping) else {"value": value}
        if field.get("value") not in (None, ""):
            fields[name] = field
    return fields


def find_expected_revision(values: Mapping[str, Any]) -> UUID | None:
    """The revision that the edit started from; None for a new item."""
    return parse_uuid(values.get("revision", ""))


def _build_field_element(definition: FieldDefinition, item: Item | None, actor: Actor) -> Element:
    kind = ELEMENT_KINDS[definition.kind]
    is_text = definition.kind in ("text", "text_long")
    stored = item.fields.get(definition.name) if item is not None else None
    default: Any = definition.default
    options: tuple[Option, ...] = ()
    locked = False
    if kind == "formatted":
        allowed = [name for name in FORMATS if may_use_format(actor, name)]
        chosen = (stored or {}).get("format", DEFAULT_FORMAT)
        locked = chosen not in allowed
        options = tuple(
            Option(name, FORMAT_LABELS[name]) for name in FORMATS if name in allowed or name == chosen
        )
        default = dict(stored) if stored is not None else {"value": default or "", "format": DEFAULT_FORMAT}
    return Element(
        kind,
        definition.name,
        definition.label,
        help=_locked_help(definition, default["format"]) if locked else definition.help,
        # A required box could only be ticked; for a boolean field both answers are answers.
        required=definition.required and kind != "checkbox",
        default=default,
        max_length=definition.length_limit if is_text else None,
        options=options,
        rows=12,
        locked=locked,
    )


def _locked_help(definition: FieldDefinition, chosen: str) -> str:
    return (
        f"This text has the format {FORMAT_LABELS.get(chosen, chosen)}, which you may not use, "
        f"so it stays as it is. {definition.help}"
    ).strip()


def _build_publishing() -> Element:
    return Element(
        "fieldset",
        "publishing",
        "Publishing",
        side=True,
        children=(
            Element("checkbox", "status", "Published", help="Visitors can see it.", default=True),
            Element("checkbox", "promote", "Promoted", help="Listings may show it first.", default=False),
            Element("checkbox", "sticky", "Sticky", help="Stays at the top of listings.", default=False),
        ),
    )


def _build_revision() -> Element:
    return Element(
        "fieldset",
        "history",
        "Revision",
        side=True,
        weight=1,
        children=(
            Element(
                "textfield",
                "log_message",
                "What did you change?",
                help="Shown in the list of revisions.",
                default="",
                max_length=LOG_MESSAGE_MAX,
            ),
            Element("hidden", "revision", default=""),
        ),
    )
