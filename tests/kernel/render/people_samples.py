"""What the pages of people, roles, permissions and tokens are given."""

from dataclasses import replace
from datetime import timedelta

from kernel.clock import now
from kernel.context import Actor
from kernel.form.model import Option
from kernel.form.render import render_form
from kernel.ids import uuid7
from kernel.people.explain import explain_permission
from kernel.people.grants import Change, read_grants
from kernel.people.model import AssignedRole, CountedRole, PeopleFilter, PeoplePage, Person
from kernel.people.permission import KERNEL_PERMISSIONS, list_gone
from kernel.user.model import ApiToken, User
from web.people_forms import (
    build_account_form,
    build_delete_form,
    build_person_form,
    build_role_delete_form,
    build_role_form,
    build_token_form,
)
from web.permission_matrix import Wanted, apply_changes, build_groups, tell_changes, write_seen
from web.routes.admin.access_reasons import describe_steps

ADMINISTRATOR = Actor(is_admin=True)
ROLES = [
    CountedRole(uuid7(), "anonymous user", frozenset({"access content"}), None),
    CountedRole(uuid7(), "authenticated user", frozenset({"access content"}), None),
    CountedRole(uuid7(), "Editor in chief", frozenset({"administer users", "ride a pony"}), 3),
]
EDITOR = AssignedRole(ROLES[2].id, "Editor in chief", ROLES[2].permissions)
ADA = Person(
    User(uuid7(), "Ada", "ada@example.org", True, True, True, now(), now(), now(), "UTC", "en"), (EDITOR,)
)
BOB = Person(
    replace(ADA.user, id=uuid7(), name="Bob", mail=None, is_active=False, access=None, login=None), ()
)


def make_people_pages(renderer, session, common):
    def show(form):
        return render_form(renderer, form, session=session)

    page = common("People", path="/admin/people")
    rows = [
        {"person": ADA, "obstacle": ""},
        {"person": BOB, "obstacle": "Only an administrator may do that."},
    ]
    listed = {
        **page,
        "rows": rows,
        "page_of": PeoplePage([ADA, BOB], None, BOB.id, 10_000, is_capped=True),
        "filters": PeopleFilter(),
        "previous": "",
        "following": f"/admin/people?after={BOB.id}",
        "roles": [(str(EDITOR.id), EDITOR.name)],
        "givable": [(str(EDITOR.id), EDITOR.name)],
        "administrators": "admin",
        "may_set_permissions": True,
        "build_id": "a-build-id",
    }
    none = {"rows": [], "page_of": PeoplePage([], None, None, 0, is_capped=False), "following": ""}
    yield "people", "admin/people.html", listed
    yield "people_none", "admin/people.html", {**listed, **none, "filters": PeopleFilter(text="x")}
    block = {**common("Block 9 people?"), "names": ["Ada", "Bob"], "fields": [("item", str(ADA.id))]}
    yield "people_confirm", "admin/people_confirm.html", {**block, "more": 7, "back": "/admin/people"}
    tabs = [("Account", ADA.path, True), ("API tokens", f"{ADA.path}/tokens", False)]
    person = {**page, "person": ADA, "obstacle": "", "items": 4, "link": "", "link_hours": 24.0, "tabs": tabs}
    person |= {"differing": [], "is_counted": True, "has_password": False, "is_own": False}
    form = show(build_person_form(ADMINISTRATOR, ADA, [EDITOR]))
    yield (
        "person",
        "admin/person.html",
        {**person, "form": form, "link": "https://example.org/user/login-link/x"},
    )
    kept = {"person": BOB, "form": "", "obstacle": "Only an administrator may do that.", "items": None}
    kept["is_counted"] = False
    late = {"form": form, "differing": [("E-mail address", "ada@example.com"), ("Roles", "none")]}
    yield "person_late", "admin/person.html", {**person, **late, "has_password": True}
    own = show(build_person_form(replace(ADMINISTRATOR, id=ADA.id), ADA, [EDITOR]))
    yield "person_own", "admin/person.html", {**person, "form": own, "is_own": True}
    yield "person_kept", "admin/person.html", {**person, **kept, "tabs": []}
    new = {"person": None, "form": show(build_person_form(ADMINISTRATOR, None, [EDITOR])), "tabs": []}
    yield "person_add", "admin/person.html", {**person, **new}
    for name, items in (("", 4), ("_empty", 0), ("_much", None), ("_hidden", None)):
        form = show(build_delete_form(ADA, items, may_choose=True))
        given = {**page, "form": form, "person": ADA, "items": items, "is_live": bool(items)}
        given["is_counted"] = name != "_hidden"
        yield f"person_delete{name}", "admin/person_delete.html", given
    given = {"may_see_people": True, "people_path": "/admin/people", "form": show(build_role_form(None))}
    counted = [{"role": role, "restricted": len(role.permissions) - 1} for role in ROLES]
    yield "roles", "admin/roles.html", {**page, **given, "rows": counted}
    yield "role_delete", "admin/role_form.html", {**page, "form": show(build_role_delete_form(ROLES[2]))}
    yield from _make_matrix_pages(page)
    yield from _make_account_pages(page, show, tabs)


def _make_matrix_pages(page):
    grants = read_grants(ROLES)
    changes = [Change(EDITOR.id, ("administer site", "access content"), ("administer users",))]
    after = apply_changes(changes, grants)
    gone = list_gone(grants.values(), KERNEL_PERMISSIONS)
    groups, others = (
        build_groups(rows, ROLES, after, text="", is_admin=False) for rows in (KERNEL_PERMISSIONS, gone)
    )
    told = tell_changes(changes, ROLES, KERNEL_PERMISSIONS)
    path = "/admin/people/permissions"
    matrix = {
        **page,
        "roles": ROLES,
        "groups": groups,
        "gone": others,
        "shown": 12,
        "text": "",
        "seen": write_seen(grants),
        "message": "Somebody changed the permissions meanwhile.",
        "meanwhile": told,
        "path": path,
    }
    yield "permissions", "admin/permissions.html", matrix
    nothing = {"groups": [], "gone": [], "shown": 0, "text": "x", "message": "", "meanwhile": []}
    yield "permissions_none", "admin/permissions.html", {**matrix, **nothing}
    fields = Wanted(grants, after).as_fields()
    asked = {**page, "changes": told, "fields": fields, "path": path, "is_grave": True}
    yield "permissions_confirm", "admin/permissions_confirm.html", asked
    why = {
        **page,
        "asked": {"person": "Bob", "permission": "access content", "item": "", "operation": "view"},
        "problems": dict.fromkeys(("person", "permission", "item", "operation"), ""),
        "permissions": [(known.name, known.title, known.group) for known in KERNEL_PERMISSIONS],
        "operations": ("view", "edit"),
        "who": "Bob",
        "answer": describe_steps(explain_permission(None, ROLES, "access content"), "do this"),
        "path": "/admin/people/why",
    }
    yield "access_reasons", "admin/access_reasons.html", why
    wrong = {"answer": None, "problems": {**why["problems"], "person": "There is no account of this name."}}
    yield "access_reasons_wrong", "admin/access_reasons.html", {**why, **wrong}


def _make_account_pages(page, show, tabs):
    known = [Option("access content", "See published content")]
    form = show(build_token_form("/user/tokens", known, has_password=True))
    over = ApiToken(uuid7(), ADA.id, "Old script", now(), now() - timedelta(days=1), None, None)
    scope = ["access content", "a", "b", "c", "d"]
    good = ApiToken(uuid7(), ADA.id, "Nightly import", now(), now() + timedelta(days=9), scope, now())
    rows = [{"token": good, "is_over": False}, {"token": over, "is_over": True}]
    rows.append({"token": replace(good, id=uuid7(), expires=None), "is_over": False})
    tokens = {
        **page,
        "tabs": (),
        "rows": rows,
        "form": form,
        "made": "",
        "path": "/user/tokens",
        "obstacle": "",
    }
    yield "tokens", "user/tokens.html", {**tokens, "made": "trovato_x"}
    yield (
        "tokens_none",
        "user/tokens.html",
        {**tokens, "rows": [], "form": "", "tabs": tabs, "obstacle": "No."},
    )
    account = {**page, "user": ADA.user, "roles": ["Editor in chief"], "may_use_tokens": True}
    yield "account", "user/account.html", {**account, "form": show(build_account_form("Europe/Rome"))}
