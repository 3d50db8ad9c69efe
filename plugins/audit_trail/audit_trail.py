"""Keeps who changed which item and when, and shows it at /audit-trail."""

from datetime import UTC, datetime, timedelta

from trovato_sdk import (
    ItemData,
    MenuDefinition,
    Page,
    PageRequest,
    PermissionDefinition,
    RenderElement,
    container,
    db,
    link,
    markup,
    table,
    tap,
    user,
)

PAGE_SIZE = 50
KEPT = timedelta(days=365)


@tap
def item_insert(item: ItemData) -> None:
    note("created", item)


@tap
def item_update(item: ItemData) -> None:
    note("changed", item)


@tap
def item_delete(item: ItemData) -> None:
    note("deleted", item)


def note(action: str, item: ItemData) -> None:
    """A save is a job of whoever asked for it, so the user of this call is who changed the item."""
    entry = {"action": action, "item_id": item.id, "type": item.type, "title": item.title}
    db.insert("entry", {"at": datetime.now(UTC), "user_id": user.current_id(), **entry})


@tap
def cron(now: datetime, last_run: datetime | None) -> str | None:
    if last_run is not None and now - last_run < timedelta(days=1):
        return None
    removed = db.delete("entry", where=[("at", "<", now - KEPT)])
    return f"Removed what was older than a year: {removed}"


@tap
def perm() -> list[PermissionDefinition]:
    return [PermissionDefinition("see the audit trail", "See who changed which item")]


@tap
def menu() -> list[MenuDefinition]:
    trail = MenuDefinition("/audit-trail", "Audit trail", "trail", permission="see the audit trail")
    older = MenuDefinition(
        "/audit-trail/{number}",
        "Older entries",
        "trail",
        permission="see the audit trail",
        parent="/audit-trail",
    )
    return [trail, older]


@tap
def page(request: PageRequest) -> Page:
    given = request.args.get("number", "1")
    # Not more than six digits, since no site has a million pages of this.
    number = max(1, int(given)) if given.isdecimal() and len(given) < 7 else 1
    # One more than is shown tells whether there are older ones.
    rows = db.select("entry", order_by=["-at"], limit=PAGE_SIZE + 1, offset=(number - 1) * PAGE_SIZE)
    return Page(
        "Audit trail",
        container(
            entries=table(
                [show_entry(row) for row in rows[:PAGE_SIZE]], header=["When", "What", "Item", "Type", "Who"]
            )
            if rows
            else markup("Nothing has changed yet." if number == 1 else "There is nothing older.", tag="p"),
            newer=link("Newer", f"/audit-trail/{number - 1}") if number > 1 else None,
            older=link("Older", f"/audit-trail/{number + 1}") if len(rows) > PAGE_SIZE else None,
        ),
    )


def show_entry(row: db.Row) -> list[RenderElement | str]:
    gone = row["action"] == "deleted"
    return [
        f"{row['at'][:10]} {row['at'][11:19]}",
        row["action"],
        row["title"] if gone else link(row["title"], f"/item/{row['item_id']}"),
        row["type"],
        "nobody" if row["user_id"] == user.ANONYMOUS_ID else row["user_id"],
    ]
