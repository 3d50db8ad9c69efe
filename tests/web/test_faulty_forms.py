"""Whatever form is filled in wrongly comes back with each complaint at its field and everything that was typed."""

from html.parser import HTMLParser

import pytest

from kernel.form.token import build_form_token
from kernel.setting.store import upsert_setting
from kernel.setting.tag import setting_tag
from kernel.shared.session import Sessions
from kernel.user.account import create_user
from kernel.user.link_token import digest_link_token, make_link_token
from kernel.user.proof.registration import SETTING
from kernel.user.proof.store import MailedLink, insert_link
from kernel.user.store import insert_role
from tests.web.test_second_factor import begin
from web.entry import PENDING

PASSWORD = "correct horse battery"
SECRET = "never-shown-again-" * 20
# Of one field each, what a person may have typed: markup, other letters, and what is too much.
TYPED = "Zoë <b>&amp; Ада"
LONG = "x" * 1_001
CONTROL = "a\tb"

# Who sends it, where to, the form's id, what is sent, and the fields that are wrong in the order of the page.
FORMS = {
    "login": ("stranger", "/user/login", "user_login", {"name": LONG, "password": SECRET}, "name"),
    "login, all empty": ("stranger", "/user/login", "user_login", {}, "name password"),
    "code": ("pending", "/user/login/code", "user_login_code", {"code": ""}, "code"),
    "reset, asked": ("stranger", "/user/password-reset", "user_reset_request", {"who": LONG}, "who"),
    "reset": (
        "stranger",
        "/user/password-reset/{reset}",
        "user_reset",
        {"password": SECRET[:20], "again": SECRET},
        "again",
    ),
    "register": (
        "stranger",
        "/user/register",
        "user_register",
        {"name": TYPED, "mail": "no address", "password": "short", "again": SECRET},
        "name mail password",
    ),
    "register, taken": (
        "stranger",
        "/user/register",
        "user_register",
        {"name": "ROOT", "mail": "zoe@example.org", "password": SECRET[:20], "again": SECRET[:20]},
        "name",
    ),
    "register, confirmed": (
        "stranger",
        "/user/register/{register}",
        "user_register_confirm",
        {"password": SECRET[:20]},
        "password",
    ),
    "account": ("root", "/user", "account", {"timezone": TYPED}, "timezone"),
    "password": (
        "root",
        "/user/password",
        "user_password",
        {"current": "", "password": SECRET[:20], "again": ""},
        "current again",
    ),
    "mail": ("root", "/user/mail", "user_mail", {"mail": TYPED, "current": ""}, "mail current"),
    "mail, password": (
        "root",
        "/user/mail",
        "user_mail",
        {"mail": "zoe@example.org", "current": SECRET[:20]},
        "current",
    ),
    "second factor, begun": (
        "root",
        "/user/second-factor/begin",
        "second_factor_begin",
        {"current": SECRET[:20]},
        "current",
    ),
    "second factor": ("beginner", "/user/second-factor", "second_factor_setup", {"code": ""}, "code"),
    "second factor, off": (
        "careful",
        "/user/second-factor/disable",
        "second_factor_disable",
        {"current": "", "code": ""},
        "current code",
    ),
    "recovery codes": (
        "careful",
        "/user/second-factor/recovery-codes",
        "second_factor_recovery",
        {"current": "", "code": ""},
        "current code",
    ),
    "token": (
        "root",
        "/user/tokens",
        "api_token",
        {"label": LONG, "days": "8", "reach": "chosen", "scope": ["no such"], "current": ""},
        "label days scope current",
    ),
    "token, nothing chosen": (
        "root",
        "/user/tokens",
        "api_token",
        {"label": TYPED, "days": "7", "reach": "chosen", "current": SECRET[:20]},
        "scope",
    ),
    "token of another": (
        "root",
        "/admin/people/{other}/tokens",
        "api_token",
        {"label": TYPED, "days": "7", "reach": "nothing", "current": ""},
        "reach current",
    ),
    "person": (
        "root",
        "/admin/people/add",
        "person",
        {"name": CONTROL, "mail": TYPED, "password": SECRET[:20], "roles": ["no such"], "active": "1"},
        "name roles",
    ),
    "person, by the worker": (
        "root",
        "/admin/people/add",
        "person",
        {"name": TYPED, "mail": "no address", "password": SECRET[:20]},
        "name mail",
    ),
    "person, password": (
        "root",
        "/admin/people/{ann}/edit",
        "person",
        {"name": TYPED, "mail": TYPED, "password": "short"},
        "password",
    ),
    "person, deleted": (
        "root",
        "/admin/people/{other}/delete",
        "person_delete",
        {"fate": "assign", "heir": TYPED},
        "heir",
    ),
    "role": ("root", "/admin/people/roles", "role", {"name": CONTROL}, "name"),
    "role, by the worker": ("root", "/admin/people/roles", "role", {"name": "EDITOR"}, "name"),
    "role, renamed": ("root", "/admin/people/roles/{role}", "role", {"name": "x" * 61}, "name"),
    "registration": (
        "root",
        "/admin/people/registration",
        "registration_setting",
        {"mode": "everybody"},
        "mode",
    ),
    "limits": (
        "root",
        "/admin/limits",
        "rate_limits",
        {
            "login": "often",
            "forms": "",
            "strangers": "120/min",
            "api_read": LONG,
            "api_write": "none",
            "pages": "none",
            "routes": TYPED,
        },
        "forms api_read",
    ),
    "limits, by the worker": (
        "root",
        "/admin/limits",
        "rate_limits",
        {
            **dict.fromkeys(("forms", "strangers", "api_read", "api_write"), "9/min"),
            "pages": "often",
            "login": "0/min",
            "excluded": TYPED,
        },
        "login pages excluded",
    ),
    "maintenance": ("root", "/admin/maintenance", "maintenance", {"message": TYPED * 99}, "message"),
    "import": (
        "root",
        "/admin/tools/import",
        "import_items",
        {"default_type": "no such"},
        "file default_type",
    ),
    "export": (
        "root",
        "/admin/tools/export",
        "export_items",
        {"type": "no such", "status": "7", "text": LONG},
        "type status text",
    ),
    "plugin": (
        "root",
        "/admin/plugins/blog/settings",
        "plugin_settings",
        {"name": LONG, "value": TYPED},
        "name",
    ),
}


class Page(HTMLParser):
    """The inputs of one form by name, the ids of the whole page, and the texts of textareas."""

    def __init__(self, html):
        super().__init__()
        self.forms, self.ids, self.form, self.area = {}, set(), None, None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes, tag=tag, text="")
        self.ids.add(found.get("id"))
        if tag == "form":
            self.form = self.forms.setdefault(found.get("action"), [])
        elif self.form is not None and tag in {"input", "select", "textarea", "fieldset", "option", "button"}:
            self.form.append(found)
            self.area = found if tag == "textarea" else None

    def handle_endtag(self, tag):
        if tag == "textarea":
            self.area = None

    def handle_data(self, data):
        if self.area is not None:
            self.area["text"] += data


def name_of(found, form):
    """Of a group, that of its choices, which come next."""
    if found["tag"] != "fieldset":
        return found.get("name")
    inputs = form[form.index(found) + 1 :]
    return next((other["name"] for other in inputs if "name" in other), None)


def list_faults(html, action, sent, wrong):
    page = Page(html)
    form = page.forms[action]
    faults = []
    marked = [found for found in form if found.get("aria-invalid") == "true"]
    if [name_of(found, form) for found in marked] != wrong:
        faults.append(f"marked are {[name_of(found, form) for found in marked]}")
    for found in marked:
        told = (found.get("aria-describedby") or "").split()
        if not any(name.endswith("-problem") for name in told) or not set(told) <= page.ids:
            faults.append(f"{name_of(found, form)} is described by {told}")
    focused = [name_of(found, form) for found in form if "autofocus" in found]
    if focused != wrong[:1]:
        faults.append(f"the focus is on {focused}")
    for name, value in sent.items():
        inputs = [found for found in form if found.get("name") == name and found["tag"] != "button"]
        kinds = {found.get("type") for found in inputs}
        if "password" in kinds:
            faults += [f"{name} is shown again" for found in inputs if found.get("value")]
        elif inputs and inputs[0]["tag"] == "textarea":
            faults += [] if inputs[0]["text"].removeprefix("\n") == value else [f"{name} is lost"]
        elif kinds == {"text"} and name != "code":
            faults += [] if inputs[0].get("value") == value else [f"{name} is {inputs[0].get('value')!r}"]
    if SECRET[:20] in html:
        faults.append("a password is shown")
    return faults


async def open_links(site, ann):
    """Of a mailed reset and a mailed registration."""
    links = {
        "reset": MailedLink("reset", user_id=ann.id, mail="ann@example.org"),
        "register": MailedLink("register", name="zoe", mail="zoe@example.org", pass_hash="not-a-hash"),
    }
    tokens = {name: make_link_token() for name in links}
    async with site.worker.db.transaction() as tx:
        await tx.conn.execute("UPDATE users SET mail = 'ann@example.org' WHERE id = $1", ann.id)
        for name, link in links.items():
            until = await tx.conn.fetchval("SELECT now() + interval '1 hour'")
            await insert_link(tx.conn, digest_link_token(tokens[name]), link, until)
        await upsert_setting(tx.conn, SETTING, "open")
        await insert_role(tx.conn, "editor")
        tokens["role"] = await tx.conn.fetchval("SELECT id FROM role WHERE name = 'editor'")
    await site.worker.cache.drop([setting_tag(SETTING)])
    return tokens


async def open_sessions(site, users):
    """One for a stranger, one between the steps of a login, and those of people."""
    sessions = Sessions(site.web.shared, 600)
    opened = {name: await site.log_in(user) for name, user in users.items()}
    opened["stranger"] = await sessions.create(user_id=None)
    pending = await sessions.create(user_id=None)
    pending.data[PENDING] = {
        "user_id": str(users["root"].id),
        "stamp": "",
        "is_remembered": False,
        "destination": "/admin",
        "until": 9e9,
    }
    await sessions.save(pending)
    async with site.worker.db.transaction() as tx:
        await tx.conn.execute(
            "INSERT INTO user_second_factor (user_id, secret, recovery) VALUES ($1, 'A', '{}')",
            users["careful"].id,
        )
    async with site.client(cookie=opened["beginner"].id) as browser:
        assert (await begin(browser, opened["beginner"], PASSWORD)).status_code == 303
    return {**opened, "pending": pending}


@pytest.mark.story("9.3")
async def test_every_form_that_is_filled_in_wrongly_says_so_at_its_fields_and_keeps_the_rest(site):
    users = {
        name: await create_user(
            site.worker.db, name=name, password=PASSWORD, is_admin=name in {"root", "careful"}
        )
        for name in ("root", "ann", "beginner", "careful")
    }
    links = await open_links(site, users["ann"])
    sessions = await open_sessions(site, users)
    async with site.client(token=await site.make_token(users["careful"])) as program:
        assert (
            await program.post("/item/add/page", json={"title": "Something to inherit"})
        ).status_code == 201
    faults = []
    for title, (who, path, form_id, sent, wrong) in FORMS.items():
        action = path.format(**links, ann=users["ann"].id, other=users["careful"].id)
        async with site.client(cookie=sessions[who].id) as browser:
            proof = {"form_token": build_form_token(sessions[who], form_id)}
            answer = await browser.post(action, data={**sent, **proof})
        found = [f"{answer.status_code} {answer.headers.get('Location', '')}"]
        if answer.status_code == 422:
            found = list_faults(answer.text, action, sent, wrong.split())
        faults += [f"{title}: {fault}" for fault in found]
    assert not faults, "\n".join(faults)
