"""Values for the pages about limits and the audit log."""

from datetime import UTC, datetime

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def make_watch_pages(common):
    """Name, template and values of each."""
    limits = {**common("Limits", path="/admin/limits"), "form": "", "is_counting": True, "rows": []}
    refused = {"kind": "Address", "who": "192.0.2.7", "door": "Logging in", "number": 1_204, "latest": AT}
    yield "limits_nobody", "admin/limits.html", limits
    yield "limits_refused", "admin/limits.html", {**limits, "is_counting": False, "rows": [refused]}
    closed = {
        **common("Maintenance", path="/admin/maintenance"),
        "form": "",
        "is_on": True,
        "is_asked": False,
    }
    closed["page"]["is_closed"] = True
    yield "maintenance", "admin/maintenance.html", closed
    yield "maintenance_asked", "admin/maintenance.html", {**closed, "is_on": False, "is_asked": True}
    audit = {
        **common("Audit log", path="/admin/audit"),
        "rows": [],
        "filters": dict.fromkeys(("action", "person", "subject", "since", "until"), ""),
        "is_filtered": False,
        "is_first": True,
        "finds_titles": True,
        "next_after": "",
        "actions": [("item.change", "Item: change"), ("login.refused", "Login: refused")],
        "areas": [("item", "Item"), ("login", "Login")],
        "formats": ["csv", "jsonl"],
    }
    row = {
        "at": AT,
        "who": "ada",
        "action": "Item: change",
        "is_bad": False,
        "subject": "Roses <red>",
        "subject_kind": "item",
        "path": "/item/7",
        "details": [("type", "page")],
        "client_address": "2001:db8::7",
        "request_id": "01936e3b-4f5a-7000-8000-000000000001",
    }
    bare = {
        **row,
        "who": "",
        "action": "Login: refused",
        "is_bad": True,
        "subject": "",
        "path": "",
        "details": [],
    }
    yield "audit_nothing", "admin/audit.html", audit
    yield "audit_no_match", "admin/audit.html", {**audit, "is_filtered": True}
    yield "audit_end", "admin/audit.html", {**audit, "is_first": False}
    yield (
        "audit_rows",
        "admin/audit.html",
        {**audit, "rows": [row, bare], "next_after": "x_y", "is_first": False},
    )
