"""Whatever is put into any form, address or filter of the site is answered, and never with an error of ours."""

import re
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.form.token import build_form_token
from kernel.user.store import find_user_by_name
from tests.web.test_guards import EXAMPLES
from web.guard import Guard

pytestmark = pytest.mark.timeout(60)

MANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# What ends the session that asks, or the test's own machinery.
LEFT_OUT = {"/user/logout", "/user/sessions", "/admin/stage/switch"}
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
    "../../etc/passwd",
    "//example.org/",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "' OR 1=1 --",
    "\u202eabc",
    "\u0430dmin",
    "x" * 5_000,
    "00000000-0000-0000-0000-000000000000",
    "01936e3b-4f5a-7000-8000-000000000001",
    "ada@example.org",
    "2026-03-01",
    "1",
    "on",
)
values = st.sampled_from(NASTY) | st.text(max_size=40) | st.binary(max_size=12)
names = st.text(max_size=12) | st.sampled_from(
    ["is_admin", "roles", "ids", "status", "page", "after", "q", "sort"]
)


def list_rules(app, *, changing):
    """Of pages that people see, and of what their forms are sent to."""
    return sorted(
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule not in LEFT_OUT
        and not rule.rule.startswith(("/static", "/cron", "/metrics", "/<path"))
        and not rule.rule.endswith("/events")
        and isinstance(getattr(app.view_functions[rule.endpoint], "guard", None), Guard) == changing
        and ("POST" if changing else "GET") in rule.methods
    )


def fill(rule, value=None):
    return re.sub(
        r"<(?:\w+:)?(\w+)>",
        lambda found: quote(EXAMPLES.get(found[1], "x") if value is None else value, safe=""),
        rule,
    )


@MANY
@given(data=st.data())
async def test_no_form_breaks_on_what_is_entered(site, data):
    app = site.app._app
    rule = data.draw(st.sampled_from(list_rules(app, changing=True)), label="rule")
    guards = {
        r.rule: app.view_functions[r.endpoint].guard for r in app.url_map.iter_rules() if "POST" in r.methods
    }
    session = await site.log_in(await find_or_make_admin(site))
    async with site.client(cookie=session.id) as browser:
        path = fill(rule)
        page = await browser.get(path)
        asked = sorted(set(re.findall(r'name="([^"]+)"', page.text)) - {"form_token", "form_build_id"})
        known = st.sampled_from(asked) | names if asked else names
        entered = data.draw(st.lists(st.tuples(known, values), max_size=8), label="entered")
        proof = ("form_token", build_form_token(session, guards[rule].form_id))
        answer = await browser.post(
            path, content=urlencode([*entered, proof], errors="replace"), headers=FORM
        )
        assert answer.status_code < 500, answer.text
        assert "set-cookie: x=y" not in str(answer.headers).lower()


@MANY
@given(data=st.data())
async def test_no_page_breaks_on_its_address(site, data):
    rule = data.draw(st.sampled_from(list_rules(site.app._app, changing=False)), label="rule")
    value = data.draw(
        st.none() | st.sampled_from([n for n in NASTY if n and isinstance(n, str)]), label="value"
    )
    session = await site.log_in(await find_or_make_admin(site))
    async with site.client(cookie=session.id) as browser:
        query = urlencode(
            data.draw(st.lists(st.tuples(names, values), max_size=4), label="query"), errors="replace"
        )
        answer = await browser.get(f"{fill(rule, value)}?{query}")
        assert answer.status_code < 500, answer.text


async def find_or_make_admin(site):
    """One for all examples of a test."""
    async with site.worker.db.acquire() as conn:
        found = await find_user_by_name(conn, "root")
    return found or await site.make_user("root", is_admin=True)
