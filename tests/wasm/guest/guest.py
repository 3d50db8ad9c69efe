"""A plugin that comes and goes: it writes down what it hears of that, and fails where a variable says so."""

from trovato_sdk import (
    ContentTypeDefinition,
    FieldDefinition,
    MenuDefinition,
    Page,
    db,
    markup,
    tap,
    variables,
)


@tap
def install() -> None:
    hear("install")


@tap
def enable() -> None:
    hear("enable")


@tap
def disable() -> None:
    hear("disable")


@tap
def upgrade(from_version: str) -> None:
    hear(f"upgrade from {from_version}")


@tap
def uninstall(keeps_data: bool) -> None:
    hear("uninstall, keeps data" if keeps_data else "uninstall, deletes data")


@tap
def item_info() -> list[ContentTypeDefinition]:
    return [ContentTypeDefinition("guest_note", "Guest note", fields=[FieldDefinition("field_text", "Text")])]


@tap
def menu() -> list[MenuDefinition]:
    return [MenuDefinition("/guest", "Guest", function="page_guest")]


@tap
def page() -> Page:
    if variables.get("guest_fails_at") == "page":
        raise RuntimeError("no page today")
    heard = [row["name"] for row in db.select("event", order_by=["id"])]
    return Page("Guest", markup(", ".join(heard)))


def hear(name: str) -> None:
    db.insert("event", {"name": name})
    if variables.get("guest_fails_at") == name:
        raise RuntimeError(f"no {name} today")
