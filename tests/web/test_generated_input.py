"""Whatever is put into any form, address or filter of the site is answered, and never with an error of ours."""

import json
import re
from urllib.parse import quote, urlencode, urljoin, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kernel.form.token import build_form_token
from kernel.shared.session import Sessions
from kernel.user.model import user_tag
from tests.web.test_faulty_forms import open_links
from tests.web.test_guards import EXAMPLES
from web.guard import SCRIPT_FORM_ID, Guard

pytestmark = pytest.mark.timeout(120)

# Each example asks every route of the site, whichever it has: looking for a smaller one would take minutes.
FEW = settings(
    max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NASTY = (
    "",
    "0",
    "-1",
    "9" * 30,
    "1e9",
    "\x00",
    "\ud800".encode("utf-8", "surrogatepass"),
    b"\xff\xfe",
    "a\r\nSet-Cookie: x=y",
    "a\r\nBcc: eve@example.org\r\n\r\nWords",
    "../../etc/passwd",
    "//example.org/",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "' OR 1=1 --",
    "\u202eabc",
    "\u0430dmin",
    "\uff52oot",
    "a\u200dda",
    "\u0301" * 2_000,
    "x" * 5_000,
    "00000000-0000-0000-0000-000000000000",
    "01936e3b-4f5a-7000-8000-000000000001",
    "ada@example.org",
    "2026-03-01",
    "1",
    "on",
)
# Where a page might be told to go on to.
ELSEWHERE = (
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "/\t/evil.example",
    "/a\r\nLocation: //evil.example",
    "javascript:alert(1)",
    "/%2f%2fevil.example",
    "/user/../..//evil.example",
)
values = st.sampled_from(NASTY) | st.text(max_size=40) | st.binary(max_size=12)
names = st.text(max_size=12) | st.sampled_from(
    ["is_admin", "roles", "ids", "status", "page", "after", "q", "sort", "name[x]", "password[]", "__proto__"]
)
texts = st.sampled_from([text for text in NASTY if isinstance(text, str)]) | st.text(max_size=40)
# What the documents of programs have, by the end of a route; all other routes are tried with any of them.
DOCUMENT_KEYS = {
    "/people/add": ("name", "mail", "active", "admin", "roles", "password"),
    "/<person_id>/edit": ("name", "mail", "active", "admin", "roles", "password", "seen"),
    "/people/bulk": ("action", "people", "role"),
    "/add/<type_name>": ("title", "fields", "status", "promote", "sticky", "log_message"),
    "/edit": ("title", "fields", "status", "revision"),
    "/content/bulk": ("items", "filter", "action"),
    "/jobs/retry": ("jobs",),
    "/cron/run": ("task",),
    "/tools/run": ("tool",),
    "/tools/import": ("items", "default_type"),
    "/limits": ("doors", "routes", "excluded"),
    "/maintenance": ("is_on", "message"),
    "/<name>/change": ("operation", "approved", "deletes_data"),
    "/<name>/settings": ("blog_a", "blog_b"),
    "/stage/switch": ("stage_id",),
}
ANY_KEYS = tuple({key for keys in DOCUMENT_KEYS.values() for key in keys})
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def list_rules(app, *, changing):
    """Of pages that people see, and of what their forms are sent to; by rule, with its guard."""
    guards = {
        rule.rule: getattr(app.view_functions[rule.endpoint], "guard", None)
        for rule in app.url_map.iter_rules()
        if ("POST" if changing else "GET") in rule.methods
    }
    return {
        rule: guard
        for rule, guard in sorted(guards.items(), key=lambda pair: pair[0])
        if isinstance(guard, Guard) == changing
        and not rule.startswith(("/static", "/cron", "/metrics", "/<path"))
        and not rule.endswith("/events")
    }


def fill(rule, found, value=None):
    """With what there is on this site, or with the same for every part."""
    if value is None and "<token>" in rule:
        found = {**found, "token": found.get(rule.split("/")[2], EXAMPLES["token"])}
    return re.sub(
        r"<(?:\w+:)?(\w+)>",
        lambda part: quote(str(found.get(part[1], "x")) if value is None else value, safe=""),
        rule,
    )


@pytest.fixture
async def things(site):
    """An administrator, and what addresses can name; once for all examples of a test."""
    root, ann = await site.make_user("root", is_admin=True), await site.make_user("ann")
    links = await open_links(site, ann)
    async with site.client(token=await site.make_token(root)) as program:
        item = (await program.post("/item/add/page", json={"title": "Bread"})).json()
    found = {"person_id": ann.id, "role_id": links["role"], "item_id": item["id"]}
    return root, {**EXAMPLES, **found, "password-reset": links["reset"], "register": links["register"]}


def find_leak(site, answer):
    """What an answer must never do, whatever was sent."""
    if answer.status_code >= 500:
        return answer.text
    if "set-cookie: x=y" in str(answer.headers).lower() or "eve@example" in str(answer.headers).lower():
        return f"what was sent is in the headers: {answer.headers}"
    home = f"http://localhost:{site.config.port}/"
    goal = urlsplit(urljoin(home, answer.headers.get("Location", "/")))
    return "" if goal.netloc == urlsplit(home).netloc else f"it leads to {goal}"


@FEW
@given(data=st.data())
async def test_no_form_breaks_on_what_is_entered(site, things, data):
    """Each in a session of its own, since some of them end it."""
    root, found = things
    for rule, guard in list_rules(site.app._app, changing=True).items():
        session = await site.log_in(root)
        async with site.client(cookie=session.id) as browser:
            path = fill(rule, found)
            page = await browser.get(path)
            asked = sorted(set(re.findall(r'name="([^"]+)"', page.text)) - {"form_token", "form_build_id"})
            known = st.sampled_from(asked) | names if asked else names
            entered = data.draw(st.lists(st.tuples(known, values), max_size=12), label=rule)
            goal = urlencode({"destination": data.draw(st.sampled_from(ELSEWHERE))})
            proof = ("form_token", build_form_token(session, guard.form_id))
            body = urlencode([*entered, proof], errors="replace")
            answer = await browser.post(f"{path}?{goal}", content=body, headers=FORM)
            assert not find_leak(site, answer), (rule, entered, find_leak(site, answer))


@FEW
@given(data=st.data())
async def test_no_door_of_programs_breaks_on_a_document(site, things, data):
    root, found = things
    for rule in list_rules(site.app._app, changing=True):
        session = await site.log_in(root)
        proof = {
            "X-CSRF-Token": build_form_token(session, SCRIPT_FORM_ID),
            "Content-Type": "application/json",
        }
        known = next((keys for end, keys in DOCUMENT_KEYS.items() if rule.endswith(end)), ANY_KEYS)
        strict = st.dictionaries(st.sampled_from(known), json_values, min_size=1)
        document = data.draw(strict | st.dictionaries(texts, json_values, max_size=4), label=rule)
        async with site.client(cookie=session.id) as program:
            # As Python writes it, with numbers that JSON does not have.
            answer = await program.post(fill(rule, found), content=json.dumps(document), headers=proof)
            assert not find_leak(site, answer), (rule, document, find_leak(site, answer))


@FEW
@given(data=st.data())
async def test_no_page_breaks_on_its_address(site, things, data):
    root, found = things
    session = await site.log_in(root)
    async with site.client(cookie=session.id) as browser:
        for rule in list_rules(site.app._app, changing=False):
            value = data.draw(
                st.none() | st.sampled_from([text for text in NASTY[1:] if isinstance(text, str)])
            )
            asked = data.draw(st.lists(st.tuples(names, values), max_size=4), label=rule)
            query = urlencode(
                [*asked, ("destination", data.draw(st.sampled_from(ELSEWHERE)))], errors="replace"
            )
            answer = await browser.get(f"{fill(rule, found, value)}?{query}")
            assert not find_leak(site, answer), (rule, value, asked, find_leak(site, answer))


# The forms whose texts come into a letter, or into its head; each with the names of those texts.
LETTERS = {
    "/user/register": ("user_register", "name mail"),
    "/user/password-reset": ("user_reset_request", "who"),
    "/user/mail": ("user_mail", "mail"),
    "/admin/people/add": ("person", "name mail"),
}


async def test_no_line_break_gets_into_a_letter(site, things):
    root, _ = things
    person, stranger = await site.log_in(root), await Sessions(site.web.shared, 600).create(user_id=None)
    filled = {"password": "a long one", "again": "a long one", "current": "a long one"}
    async with site.worker.db.transaction() as tx:
        await tx.conn.execute("UPDATE users SET pass = 'x' WHERE id = $1", root.id)
        letters = await tx.conn.fetchval("SELECT count(*) FROM mail_message")
    await site.worker.cache.drop([user_tag(root.id)])
    for path, (form_id, wanted) in LETTERS.items():
        session = stranger if path in {"/user/register", "/user/password-reset"} else person
        async with site.client(cookie=session.id) as browser:
            for name in wanted.split():
                for end in ("\r\n", "\n", "\r", "\x85", "\u2028", "\x0b", "\x00"):
                    sent = {"name": "zoe", "mail": "zoe@example.org", **filled}
                    sent |= {name: f"zoe@example.org{end}Bcc: eve@example.org"}
                    proof = {"form_token": build_form_token(session, form_id)}
                    answer = await browser.post(path, data={**sent, **proof})
                    assert answer.status_code == 422, (path, name, end)
    async with site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM mail_message") == letters
