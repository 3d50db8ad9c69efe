"""Checks what somebody wants to store in an item, and brings it into the one form that is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from kernel.context import Actor
from kernel.item.model import Fields
from kernel.item_type.model import TITLE_MAX, FieldDefinition, ItemType
from kernel.names import has_forbidden_text

FORMATS: Final = ("plain_text", "filtered_html", "full_html")
DEFAULT_FORMAT: Final = "filtered_html"

# What JavaScript can hold exactly, so that a number survives a browser.
INTEGER_LIMIT: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Checked:
    """`problems` maps `title`, a field's name, or "" for the whole, to a sentence; empty when all is well."""

    title: str
    fields: Fields
    problems: dict[str, str]


def may_use_format(actor: Actor, name: str) -> bool:
    return name != "full_html" or actor.may("use full_html format")


def check_values(
    item_type: ItemType, title: object, fields: object, actor: Actor, stored: Fields | None = None
) -> Checked:
    """Every problem at once. `stored` is what the item holds now: a format that somebody else chose may stay with
    an unchanged value, even when this actor may not choose it."""
    problems: dict[str, str] = {}
    clean_title = _check_title(title, problems)
    clean: Fields = {}
    if not isinstance(fields, Mapping):
        problems[""] = "fields must be an object that maps field names to values."
        return Checked(clean_title, clean, problems)
    known = {f.name for f in item_type.fields}
    for name in fields:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            problems[str(name)[:64]] = f"The type {item_type.label} has no such field. It has: {listed}."
    for definition in item_type.fields:
        given = fields.get(definition.name)
        try:
            field = _check_field(definition, given)
            if field is not None and not _keeps_format_rule(
                actor, field, (stored or {}).get(definition.name)
            ):
                raise ValueError(f"You may not use the text format {field.get('format')}.")
        except ValueError as mistake:
            problems[definition.name] = str(mistake)
            continue
        if field is not None:
            clean[definition.name] = field
        elif definition.required:
            problems[definition.name] = f"{definition.label} is required."
    return Checked(clean_title, clean, problems)


def _check_title(title: object, problems: dict[str, str]) -> str:
    if not isinstance(title, str):
        problems["title"] = "The title must be text."
        return ""
    text = " ".join(title.split())
    if has_forbidden_text(text):
        problems["title"] = "The title holds a character that cannot be stored."
    elif not text:
        problems["title"] = "The title is required."
    elif len(text) > TITLE_MAX:
        problems["title"] = f"The title has {len(text)} characters; {TITLE_MAX} is the most."
    return text


def _check_field(definition: FieldDefinition, given: object) -> dict[str, Any] | None:
    """The stored form, or None for "no value"; a bare value is short for `{"value": …}`."""
    extra: Mapping[str, Any] = {}
    value = given
    if isinstance(given, Mapping):
        extra = given
        value = given.get("value")
    if value is None or value == "":
        return None
    match definition.kind:
        case "text" | "text_long":
            text = _check_text(definition, value)
            if not text.strip():
                return None
            if definition.kind == "text":
                return {"value": text}
            chosen = extra.get("format", DEFAULT_FORMAT)
            if chosen not in FORMATS:
                raise ValueError(f"The text format must be one of {', '.join(FORMATS)}.")
            return {"value": text, "format": chosen}
        case "integer":
            if type(value) is not int or abs(value) > INTEGER_LIMIT:
                raise ValueError(f"{definition.label} must be a whole number.")
            return {"value": value}
        case "boolean":
            if type(value) is not bool:
                raise ValueError(f"{definition.label} must be true or false.")
            return {"value": value}
        case "date":
            return {"value": _check_date(definition, value)}


def _check_text(definition: FieldDefinition, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{definition.label} must be text.")  # noqa: TRY004  # one kind of complaint
    if has_forbidden_text(value):
        raise ValueError(f"{definition.label} holds a character that cannot be stored.")
    if len(value) > definition.length_limit:
        raise ValueError(
            f"{definition.label} has {len(value):,} characters; {definition.length_limit:,} is the most."
        )
    return value.replace("\r\n", "\n")


def _check_date(definition: FieldDefinition, value: object) -> str:
    try:
        if not isinstance(value, str) or len(value) != 10:
            raise ValueError(value)
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError(f"{definition.label} must be a date like 2026-03-31.") from None


def _keeps_format_rule(actor: Actor, field: dict[str, Any], stored: dict[str, Any] | None) -> bool:
    return "format" not in field or may_use_format(actor, field["format"]) or field == stored
