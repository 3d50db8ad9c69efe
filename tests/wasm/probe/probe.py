"""A well-behaved plugin that tells what it sees: every tap, each host function, in either data mode."""

import json
from datetime import datetime

from trovato_sdk import (
    AccessResult,
    ContentTypeDefinition,
    FieldDefinition,
    Form,
    FormElement,
    Item,
    MenuDefinition,
    Page,
    PageRequest,
    PermissionDefinition,
    RenderElement,
    TapContext,
    items,
    log,
    markup,
    plugins,
    request_context,
    tap,
    user,
    variables,
)

FIELDS = ("field_body", "field_minutes", "field_featured", "field_secret", "field_missing")
CALLS = []
NOBODY = "00000000-0000-0000-0000-000000000000"


@tap
def item_info() -> list[ContentTypeDefinition]:
    return [ContentTypeDefinition("probe", "Probe", fields=[FieldDefinition("field_body", "Body")])]


@tap
def item_view(item: Item, ctx: TapContext) -> RenderElement | None:
    if item.title == "nothing":
        return None
    CALLS.append(item.id)
    before = request_context.get("seen") or ""
    request_context.set("seen", f"{before}{item.title};")
    fields = {
        name: [item.field(name), item.text(name), item.integer(name), item.boolean(name)] for name in FIELDS
    }
    seen = {
        "id": item.id,
        "type": item.type,
        "title": item.title,
        "fields": fields,
        "before": before,
        "calls": len(CALLS),
        "stage": ctx.stage,
        "set": item.set_title("changed while viewing"),
    }
    return markup(json.dumps(seen))


@tap
def item_access(item: Item, operation: str) -> AccessResult | None:
    """The words of the title say what is answered, "deny-view" or "grant-edit", or what is done to find out."""
    words = item.title.split()
    if f"break-{operation}" in words:
        raise ValueError(item.title)
    if "for-strangers" in words and user.current_id() != NOBODY:
        return AccessResult.DENY
    if "loads" in words and items.load(item.id) is None:
        return AccessResult.DENY
    answers = [answer for answer in AccessResult if f"{answer}-{operation}" in words]
    return answers[0] if answers else None


@tap
def item_presave(item: Item, op: str) -> None:
    item.set_title(f"{item.title}+{op}")
    item.set_text("field_body", f"{item.text('field_body')}+")
    item.set_integer("field_minutes", (item.integer("field_minutes") or 0) + 1)
    item.set_boolean("field_featured", not item.boolean("field_featured"))
    item.set_field("field_missing", "new", format="plain_text")
    if item.type == "locked":
        item.set_text("field_secret", "mine now")


@tap
def item_insert(item: Item) -> None:
    log.warning(f"inserted {item.title}")


@tap
def item_update_index(item: Item) -> str:
    return f"words of {item.title}"


@tap
def menu() -> list[MenuDefinition]:
    return [
        MenuDefinition("/probe", "Probe", function="front"),
        MenuDefinition("/probe/{number}", "One", function="one", parent="/probe", permission="look closely"),
    ]


@tap
def perm() -> list[PermissionDefinition]:
    return [PermissionDefinition("look closely", "Look closely")]


@tap
def form_alter(form: Form) -> None:
    names = [element["name"] for element in form.elements]
    form.add(
        FormElement("textfield", "probe_note", "A note", help=", ".join(names), max_length=20, weight=-50)
    )
    if "title" in names:
        form.change("title", label="Headline", required=True)
    if "sticky" in names:
        form.remove("sticky")


@tap
def form_validate(form_id: str, values: dict) -> dict[str, str] | None:
    if values.get("title") == "break":
        raise ValueError(form_id)
    if values.get("title") == "Refuse":
        kept = sorted(name for name, value in values.items() if value)
        return {"title": f"Not with {kept}.", "probe_note": "Write a note.", "": "Not like this."}
    if values.get("probe_note") == "complain":
        return {"probe_note": "Not <this>.", "revision": "Something unseen.", "title": "The form says more."}
    return None


@tap
def form_submit(form_id: str, values: dict) -> None:
    log.warning(f"{form_id}: {values['probe_note']} {sorted(values)} {user.may('granted')}")
    if values["probe_note"] == "break":
        raise ValueError(form_id)


@tap
def page(request: PageRequest) -> Page:
    if request.function == "find":
        found = items.load(request.args["id"])
        return Page("Nothing" if found is None else found.title)
    told = {
        "path": request.path,
        "args": request.args,
        "function": request.function,
        "user": user.current_id(),
        "may": {name: user.may(name) for name in ("granted", "denied", "not asked for")},
        "variables": {
            name: variables.get(name, "the default")
            for name in ("probe_text", "probe_data", "probe_unset", "site_name", "mail_password")
        },
        "plugins": {name: plugins.exists(name) for name in ("probe", "nobody")},
    }
    return Page(f"Page {request.function}", markup(json.dumps(told)))


@tap
def cron(now: datetime, last_run: datetime | None, slot: datetime, ctx: TapContext) -> str | None:
    since = "the first" if last_run is None else f"{(now - last_run).total_seconds():g} s later"
    return f"slot {slot:%H:%M} {since} in {ctx.stage}"
