"""What strangers may put into the forms of a login: none of it gets in, breaks a page, or leads elsewhere."""

from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kernel.form.token import build_form_token
from kernel.shared.session import Sessions
from tests.web.test_people import log_in
from web.browser_name import BROWSERS, SYSTEMS, name_browser
from web.entry import AFTER_LOGIN, read_destination

PASSWORD = "correct horse battery"
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# Look-alikes of "ada", what has no width or turns around, what ends a line or a text early, and what is too much.
NAMES = (
    "\u0430da",
    "ad\u0430",
    "ada\u200d",
    "\u202eada",
    "a\u0301da",
    "ada\x00",
    "ada\r\nSet-Cookie: x=y",
    "ada' OR '1'='1",
    "\u24d0\u24d3\u24d0",
    "a" * 70_000,
)
# As a browser never sends it, and as bytes that are no UTF-8.
texts = st.text(max_size=60) | st.sampled_from(NAMES) | st.binary(max_size=20)
fields = st.sampled_from(
    ["name", "password", "password[]", "name[x]", "remember", "destination", "form_build_id"]
)
addresses = st.ip_addresses().map(str)


@FEW
@given(
    entered=st.tuples(texts, texts),
    proof=st.sampled_from(["right", "right", "other form", "other session", "none"]) | texts,
    more=st.lists(st.tuples(fields, texts), max_size=4),
    address=addresses,
)
async def test_no_input_gets_a_stranger_in_or_breaks_the_login(site, entered, proof, more, address):
    sessions = Sessions(site.web.shared, 600)
    stranger, another = await sessions.create(user_id=None), await sessions.create(user_id=None)
    tokens = {
        "right": build_form_token(stranger, "user_login"),
        "other form": build_form_token(stranger, "user_logout"),
        "other session": build_form_token(another, "user_login"),
        "none": "",
    }
    token = tokens.get(proof, proof) if isinstance(proof, str) else proof
    body = urlencode([("name", entered[0]), ("password", entered[1]), *more, ("form_token", token)])
    async with site.client(cookie=stranger.id) as browser:
        answer = await browser.post("/user/login", content=body, headers=FORM | {"X-Forwarded-For": address})
        assert answer.status_code in ({401, 422, 429} if proof == "right" else {403}), answer.text
        assert "trovato-device" not in answer.headers.get("Set-Cookie", "")
        assert (await browser.get("/user/sessions")).status_code == 303
    assert (await sessions.load(stranger.id))[0] == stranger


@FEW
@given(code=texts, more=st.lists(st.tuples(fields, texts), max_size=3))
async def test_no_input_gets_past_the_page_for_the_code(site, code, more):
    """Neither without a first step, nor with one that somebody made up in a session of his own."""
    session = await Sessions(site.web.shared, 600).create(user_id=None)
    token = build_form_token(session, "user_login_code")
    body = urlencode([("code", code), *more, ("form_token", token)])
    async with site.client(cookie=session.id) as browser:
        answer = await browser.post("/user/login/code", content=body, headers=FORM)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/user/login")


async def test_a_form_that_was_sent_is_worth_nothing_afterwards(site):
    """Its token belongs to a session that ended with the login; so do tokens of before a logout."""
    await site.make_user("ada", password=PASSWORD)
    async with site.client() as browser:
        await browser.get("/user/login")
        before = dict(browser.cookies)
        stranger, _ = await Sessions(site.web.shared, 600).load(before["trovato"])
        await log_in(browser, "ada", PASSWORD)
        data = {
            "form_token": build_form_token(stranger, "user_login"),
            "name": "ada",
            "password": PASSWORD,
        }
        assert (await browser.post("/user/login", data=data)).status_code == 403
    async with site.client(cookie=before["trovato"]) as replaying:
        assert (await replaying.post("/user/login", data=data)).status_code == 403


paths = st.text(alphabet="/\\.:@?#%&=[]a\u00e4\u2028\t\n \u3002\uff0f", max_size=12).map(
    lambda text: f"/{text}"
)


@settings(max_examples=200, deadline=None)
@given(paths | st.text(max_size=40))
@example("/[")
@example("//[")
@example("/\u20ac?a=\u00e4#\U0001f600")
@example("/%2f/evil.example")
@example("/..//evil.example")
@example("/\ud800")
@example("https:evil.example")
def test_a_destination_stays_on_the_site_and_fits_into_a_header(text):
    where = read_destination(text)
    assert where.startswith("/")
    assert where.isascii()
    assert where.isprintable()
    assert urlsplit(urljoin("https://site.example/user/login", where)).netloc == "site.example"


@pytest.mark.parametrize(
    "text", ["//evil.example", "/\\evil.example", "/user/logout", "/a\r\nX: y", "", "javascript:x"]
)
def test_what_leads_elsewhere_leads_to_the_dashboard(text):
    assert read_destination(text) == AFTER_LOGIN


def test_a_destination_keeps_its_query():
    assert read_destination("/admin/content?type=page&q=a%20b") == "/admin/content?type=page&q=a%20b"


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([mark for mark, _ in (*BROWSERS, *SYSTEMS)]) | st.text(max_size=10)).map(
        " ".join
    )
)
def test_a_browser_is_described_in_our_words_alone(user_agent):
    browsers = {"Unknown browser", *(name for _, name in BROWSERS)}
    browser, _, system = name_browser(user_agent).partition(" on ")
    assert browser in browsers
    assert system in {"", *(name for _, name in SYSTEMS)}


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile Safari/604.1",
            "Safari on iPhone",
        ),
        ("curl/8.5.0", "Unknown browser"),
    ],
    ids=["firefox", "edge", "chrome", "safari", "curl"],
)
def test_browsers_are_told_apart(user_agent, name):
    assert name_browser(user_agent) == name
