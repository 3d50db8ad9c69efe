"""What is wrong is told in the form that was asked for, and no more of it than is good; a closed site says so."""

import re
from html import unescape
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from kernel.context import Actor, Context
from kernel.errors import Invalid, Unavailable
from kernel.ledger.wait import submit_and_wait
from kernel.site_jobs import SET_MAINTENANCE, SetMaintenance
from tests.web.test_people import read_token
from tests.web.test_second_factor import send_code, turn_on
from web.entry import read_destination

MISSING = "/item/01936e3b-4f5a-7000-8000-000000000001"
PASSWORD = "correct horse battery"
SECRET = "postgresql://trovato:hunter2@db"


@pytest.mark.story("5.5")
async def test_a_stranger_is_sent_to_the_login_and_comes_back_to_where_he_was(site):
    async with site.client() as stranger:
        sent = await stranger.get("/admin/content?status=0&text=%2F%2Fevil.example")
        assert sent.status_code == 303
        destination = parse_qs(urlsplit(sent.headers["Location"]).query)["destination"][0]
        assert destination == "/admin/content?status=0&text=%2F%2Fevil.example"
        assert read_destination(destination) == destination
        missing = await stranger.get(f"{MISSING}?page=2")
        assert missing.status_code == 404
        assert f'href="/user/login?destination={MISSING}%3Fpage%3D2"' in missing.text
        for path in ("/health/x", "/metrics/x", "/static", "/static/"):
            assert (await stranger.get(path)).status_code == 404, path
        # What was sent cannot be asked for again, so that this login leads back to nothing.
        for path, status in (("/user/logout", 403), ("/admin/stage/switch", 401)):
            refused = await stranger.post(path, data={"form_token": "old"})
            assert (refused.status_code, 'href="/user/login"' in refused.text) == (status, True), path


@pytest.mark.story("5.5")
async def test_who_asked_for_a_page_comes_to_it_whatever_the_login_takes(site):
    """Wrong values, a form that is too old, and the page for a code lie between."""
    session = await site.log_in(await site.make_user("ada", is_admin=True, password=PASSWORD))
    async with site.client(cookie=session.id) as browser:
        _, codes = await turn_on(site, browser, session)
    wanted = "/admin/content?status=0&text=%2F%2Fevil.example"
    async with site.client() as browser:
        page = await browser.get((await browser.get(wanted)).headers["Location"])
        right = {"name": "ada", "password": PASSWORD}
        for mistake, status in (
            ({"password": "wrong horse battery"}, 401),
            ({"form_token": "old"}, 403),
            ({"name": ""}, 422),
        ):
            page = await browser.post("/user/login", data=read_hidden(page.text) | right | mistake)
            assert page.status_code == status
        step = await browser.post("/user/login", data=read_hidden(page.text) | right)
        assert (step.status_code, step.headers["Location"]) == (303, "/user/login/code")
        stale = await browser.post("/user/login/code", data={"form_token": "old", "code": codes[0]})
        assert (stale.status_code, bool(read_token(stale.text))) == (403, True)
        assert (await send_code(browser, "000000")).status_code == 401
        entered = await send_code(browser, codes[0])
        assert (entered.status_code, entered.headers["Location"]) == (303, wanted)
        assert (await browser.get(wanted)).status_code == 200


def read_hidden(html):
    """What the page's own form sends without being typed."""
    found = re.findall(
        r'<input type="hidden"[^>]* name="(\w+)" value="([^"]*)"', html[html.index('<form class="form"') :]
    )
    return {name: unescape(value) for name, value in found}


@pytest.mark.story("5.5")
async def test_who_is_logged_in_and_may_not_is_told_so_and_nothing_else(site):
    session = await site.log_in(await site.make_user("ada"))
    async with site.client(cookie=session.id) as browser:
        refused = await browser.get("/admin/plugins")
        assert refused.status_code == 403
        assert "You do not have permission to do this." in refused.text
        assert "/user/login" not in refused.text
        assert refused.headers["Cache-Control"] == "no-store"


@pytest.mark.story("5.5")
async def test_programs_get_the_same_as_json(site):
    token = await site.make_token(await site.make_user("ada"))
    async with site.client(token=token) as program:
        for path, status, code in (("/admin/plugins", 403, "forbidden"), (MISSING, 404, "not-found")):
            answer = await program.get(path)
            told = answer.json()
            assert answer.status_code == status
            assert told["error"]["code"] == code
            assert told["request_id"] == answer.headers["X-Request-ID"]
            assert set(told["error"]) == {"code", "message"}


async def test_what_nobody_foresaw_is_told_without_a_word_of_it(site):
    """And what was foreseen without what only the log is to know; values that are wrong as a page, each of them."""
    wrong = Invalid({"title": "A title without <script>, please.", "": "Too many."})
    broken = {
        "/broken": RuntimeError(SECRET),
        "/missing": KeyError(SECRET),
        "/away": Unavailable("The mail server does not answer.", detail=SECRET),
        "/wrong": wrong,
    }
    for path, error in broken.items():

        async def fail(error=error):
            raise error

        site.app._app.add_url_rule(path, path, fail)
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    async with site.client() as stranger, site.client(cookie=session.id) as admin:
        for path, status, title, code in (
            ("/broken", 500, "Something went wrong on our side", "unexpected"),
            ("/missing", 500, "Something went wrong on our side", "unexpected"),
            ("/away", 503, "The site cannot answer just now", "unavailable"),
            ("/wrong", 422, "Some values need your attention", "invalid"),
        ):
            for browser in (stranger, admin):
                page = await browser.get(path)
                told = await browser.get(path, headers={"Accept": "application/json"})
                assert (page.headers["Content-Type"], f">{title}</h1>" in page.text) == (
                    "text/html; charset=utf-8",
                    True,
                )
                assert f"Request {page.headers['X-Request-ID']}<" in page.text
                assert told.json()["error"]["code"] == code
                assert told.json()["request_id"] == told.headers["X-Request-ID"]
                for answer in (page, told):
                    assert (answer.status_code, answer.headers["Cache-Control"]) == (status, "no-store")
                    known = answer.text + repr(answer.headers)
                    assert not any(part in known for part in (SECRET, "hunter2", "Error(", "Traceback")), (
                        known
                    )
        told = await stranger.get("/wrong", headers={"Accept": "application/json"})
        assert told.json()["error"]["problems"] == wrong.problems
        page = (await stranger.get("/wrong")).text
        assert "<li>A title without &lt;script&gt;, please.</li>" in page
        assert "<li>Too many.</li>" in page
    # A page also where it cannot be found out who asks, since the database is away.
    session = await site.log_in(await site.make_user("bob"))
    async with site.client(cookie=session.id) as browser:
        await site.web.db.close()
        page = await browser.get("/user")
        assert (page.status_code, page.headers["Cache-Control"]) == (503, "no-store")
        assert ">The site cannot answer just now</h1>" in page.text
        assert f"Request {page.headers['X-Request-ID']}<" in page.text
        assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize(
    "where",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\r\nSet-Cookie: a=b",
        "/a\x00b",
        "https:evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        " //evil.example",
        "／／evil.example",
        "evil.example",
        "?//evil.example",
        "//evil.example/..",
        "http:/\\evil.example",
        "/user/login?destination=/user/login",
        "/user/logout",
        "",
        "//[",
        "/\u2028/evil.example",
        "/\x7f",
        "/\ud800",
    ],
)
def test_what_is_no_path_of_this_site_leads_nowhere_else(where):
    assert read_destination(where) == "/admin"


@pytest.mark.parametrize("where", ["/wide/ü", "/日本?q=ß"])
def test_a_path_of_other_letters_fits_into_a_header(where):
    assert unquote(read_destination(where)) == where
    assert read_destination(where).isascii()


@pytest.mark.parametrize(
    "where", ["/", "/item/add/page", "/search?q=a//b", "/a%20b#c", "/%5Cevil.example", "/a:b"]
)
def test_a_path_of_this_site_is_gone_on_to(where):
    assert read_destination(where) == where


async def set_maintenance(site, *, is_on, message=""):
    admin = await site.make_user(f"root{is_on}", is_admin=True)
    ctx = Context(actor=Actor(id=admin.id))
    payload = SetMaintenance(is_on, message)
    job = await submit_and_wait(site.web.ledger, ctx, SET_MAINTENANCE, payload, timeout_s=5)
    assert job.result["outcome"] == "done"


async def test_a_closed_site_says_so_to_visitors_and_goes_on_for_administrators(site):
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    async with site.client() as visitor, site.client(cookie=session.id) as admin:
        assert (await visitor.get("/")).status_code == 200
        await set_maintenance(site, is_on=True, message="Back at <noon>.")
        closed = await visitor.get("/")
        assert closed.status_code == 503
        assert closed.headers["Retry-After"] == "300"
        assert closed.headers["Cache-Control"] == "no-store"
        assert "We will be back soon" in closed.text
        assert "Back at &lt;noon&gt;." in closed.text
        told = (await visitor.get("/", headers={"Accept": "application/json"})).json()
        assert told["error"] == {"code": "maintenance", "message": "Back at <noon>."}
        for path in ("/health", "/health/ready", "/user/login", "/static/app.js"):
            assert (await visitor.get(path)).status_code == 200, path
        page = await admin.get("/admin")
        assert page.status_code == 200
        assert "maintenance is on" in page.text
        await set_maintenance(site, is_on=False)
        assert (await visitor.get("/")).status_code == 200
