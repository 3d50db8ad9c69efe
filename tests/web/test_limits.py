"""Every request passes the limits of the site: what is counted by what, what is refused how, and what never is."""

import re
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from uuid import UUID

import httpx
import orjson
import pytest

from kernel import clock
from kernel.config import read_config
from kernel.context import Actor, Context
from kernel.form.token import build_form_token
from kernel.ledger.wait import submit_and_wait
from kernel.rate_limit.model import DOORS, Limit, Limits, check_limits, name_unknown, read_limit, read_limits
from kernel.shared.refusals import STRETCH_S, name_tally
from kernel.shared.session import Sessions
from kernel.site_jobs import SET_RATE_LIMITS, SetRateLimits
from tests.fixtures.site import open_site
from web.limits import Asked, list_windows
from web.visit import cookie_name

ADA = UUID(int=7)


def ask(method, path, **more):
    return Asked(method, path, more.pop("rule", path), "192.0.2.7", **more)


def names(asked, limits=None):
    return [(window.name, window.who) for window in list_windows(limits or Limits(), asked)]


@pytest.mark.story("14.1")
def test_what_is_counted_by_what_without_any_settings():
    address = "address-192.0.2.7"
    assert names(ask("GET", "/")) == []
    assert names(ask("HEAD", "/", session="s", user_id=ADA)) == []
    assert names(ask("POST", "/user/login", session="s")) == [
        ("login", address),
        ("forms", "session-s"),
        ("strangers", address),
    ]
    # Without a session there is no token of a form, but trying costs as well.
    assert names(ask("POST", "/user/login")) == [("login", address), ("strangers", address)]
    assert names(ask("POST", "/item/add/page", session="s")) == [
        ("forms", "session-s"),
        ("strangers", address),
    ]
    assert names(ask("POST", "/user/logout", session="s", user_id=ADA)) == [("forms", "session-s")]
    assert names(ask("POST", "/user/loginless", session="s", user_id=ADA)) == [("forms", "session-s")]
    # Whoever is logged in may try the accounts of others no more often than strangers.
    for entrance in ("login", "login/code", "login-link/x", "password-reset", "password-reset/x", "register"):
        asked = ask("POST", f"/user/{entrance}", session="s", user_id=ADA)
        assert names(asked) == [("login", address), ("forms", "session-s")]
    assert names(ask("GET", "/admin/jobs.json", token="t", user_id=ADA)) == [("api_read", "token-t")]
    assert names(ask("POST", "/item/add/page", token="t", user_id=ADA)) == [("api_write", "token-t")]
    limits = {
        window.name: (window.requests, window.window_s)
        for window in list_windows(Limits(), ask("POST", "/user/x", session="s"))
    }
    assert limits == {"login": (5, 60), "forms": (30, 60), "strangers": (120, 60)}


@pytest.mark.story("14.2")
def test_a_route_has_a_limit_of_its_own_and_what_is_excluded_none():
    limits = Limits(
        routes={"POST /item/add/<type_name>": Limit(2, 10), "GET /search": Limit(20, 60), "POST /free": None},
        excluded=("/feed",),
    )
    add = ask("POST", "/item/add/page", rule="/item/add/<type_name>", session="s", user_id=ADA)
    assert names(add, limits) == [("POST /item/add/<type_name>", "session-s")]
    assert names(ask("HEAD", "/search", rule="/<path:path>"), limits) == [
        ("GET /search", "address-192.0.2.7")
    ]
    assert names(ask("POST", "/free"), limits) == []
    assert names(ask("POST", "/feed"), limits) == names(ask("POST", "/feed/x"), limits) == []
    assert names(ask("POST", "/feeder"), limits) != []


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("30/min", Limit(30, 60)),
        (" 5 / 10 s ", Limit(5, 10)),
        ("1000/day", Limit(1000, 86_400)),
        ("none", None),
    ],
)
def test_a_limit_is_read_as_people_write_it(text, limit):
    assert read_limit(text) == limit
    assert limit is None or read_limit(str(limit)) == limit


@pytest.mark.parametrize(
    "text", ["", "30", "0/min", "-1/min", "99999/min", "1/0s", "2/day2", "9/2day", "x/min", "٣/min/s"]
)
def test_what_is_no_limit_is_refused_with_a_sentence(text):
    with pytest.raises(ValueError, match=r"\.$"):
        read_limit(text)


def test_limits_come_back_from_the_setting_as_they_were_put():
    limits = Limits(
        doors={**Limits().doors, "pages": Limit(7, 3_600)}, routes={"GET /x": None}, excluded=("/a", "/b")
    )
    assert read_limits(orjson.loads(orjson.dumps(limits.as_setting()))) == limits
    assert read_limits(None) == Limits()
    assert read_limits({}) == Limits()


@pytest.mark.parametrize(
    ("stored", "field"),
    [
        ([], ""),
        ({"doors": {"login": "often"}}, "login"),
        ({"doors": []}, "login"),
        ({"routes": {"FETCH /x": "1/min"}}, "routes"),
        ({"routes": {"GET x": "1/min"}}, "routes"),
        ({"routes": {'GET /"x': "1/min"}}, "routes"),
        ({"routes": {"GET /x": ["1/min"]}}, "routes"),
        ({"excluded": ["x"]}, "excluded"),
        ({"excluded": [7]}, "excluded"),
        ({"excluded": ["/a b"]}, "excluded"),
        ({"excluded": ["/x"] * 101}, "excluded"),
    ],
)
def test_wrong_settings_are_told_by_field(stored, field):
    _, problems = check_limits(stored)
    assert field in problems


def test_new_limits_name_nothing_that_is_not_there():
    """What another version has stored is read all the same."""
    told = {"doors": {"login": "10/min", "logins": "1/day"}, "door": {}}
    assert set(name_unknown(told)) == {"logins", "door"}
    assert name_unknown({"doors": [], "routes": {}}) == {}
    assert read_limits(told).doors["login"] == Limit(10, 60)


@pytest.fixture
async def limited(site_config, renderer):
    """A site that counts, as one does where nothing is set: `doors` and more are set as an administrator would."""
    config = replace(site_config, rate_limits=read_config({}).rate_limits)
    async with open_site(config, renderer) as site:
        admin = await site.make_user("root", is_admin=True)

        async def set_limits(**told):
            doors = {door.name: told.pop(door.name) for door in DOORS if door.name in told}
            payload = SetRateLimits({"doors": doors, **told})
            ctx = Context(actor=Actor(id=admin.id, is_admin=True))
            job = await submit_and_wait(site.web.ledger, ctx, SET_RATE_LIMITS, payload, timeout_s=5)
            return job.result

        yield site, set_limits


@pytest.mark.story("14.1")
async def test_the_sixth_login_of_a_minute_from_an_address_is_refused(limited):
    site, _ = limited
    async with site.client() as browser:
        await browser.get("/user/login")
        session, _ = await Sessions(site.web.shared, 60).load(browser.cookies[cookie_name(site.config)])
        form = {
            "form_token": build_form_token(session, "user_login"),
            "name": "nobody",
            "password": "wrong-wrong",
        }
        statuses = [(await browser.post("/user/login", data=form)).status_code for _ in range(5)]
        refused = await browser.post("/user/login", data=form)
        assert statuses == [401] * 5
        assert refused.status_code == 429
        assert "Too many requests" in refused.text
        assert 50 <= int(refused.headers["Retry-After"]) <= 60
        assert refused.headers["RateLimit-Policy"].startswith('"login";q=5;w=60, ')
        assert refused.headers["RateLimit"].startswith('"login";r=0;t=')
        assert refused.headers["Cache-Control"] == "no-store"
        async with site.worker.db.acquire() as conn:
            before = await conn.fetchval("SELECT count(*) FROM job")
            flood = [(await browser.post("/user/login", data=form)).status_code for _ in range(100)]
            assert (set(flood), await conn.fetchval("SELECT count(*) FROM job")) == ({429}, before)
        # Whoever asks from elsewhere, as a trusted proxy says, has attempts of their own; pages go on.
        elsewhere = {"X-Forwarded-For": "198.51.100.9"}
        other = {**form, "name": "somebody"}
        assert (await browser.post("/user/login", data=other, headers=elsewhere)).status_code == 401
        assert (await browser.get("/user/login")).status_code == 200


@pytest.mark.story("14.1")
@pytest.mark.story("14.2")
async def test_an_administrator_changes_the_limits_and_they_hold_at_once(limited):
    site, set_limits = limited
    token = await site.make_token(await site.make_user("ada", is_admin=True))
    async with site.client(token=token) as program:
        first = await program.get("/admin/jobs.json")
        assert first.headers["RateLimit-Policy"] == '"api_read";q=600;w=60'
        assert (await set_limits(api_read="2/min", excluded=["/job"]))["outcome"] == "done"
        answers = [await program.get("/admin/jobs.json") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        refused = answers[-1]
        assert refused.json()["error"]["code"] == "too-many"
        assert "Retry-After" in refused.headers
        # Excluded, and never counted.
        assert (await program.get(f"/job/{ADA}.json")).status_code == 404
        for path in ("/health", "/health/ready", "/static/app.js"):
            answer = await program.get(path)
            assert answer.status_code == 200
            assert "RateLimit" not in answer.headers
        assert "login" in (await set_limits(login="often"))["problems"]
    async with site.client(token="trovato_" + "x" * 43) as forger:
        await set_limits(strangers="1/min")
        assert [(await forger.get("/")).status_code for _ in range(2)] == [401, 429]


async def test_whoever_has_a_network_of_ipv6_has_one_share_however_a_proxy_writes_it(site_config, renderer):
    trusted = (ip_network("fd00::/8"),)
    async with open_site(replace(site_config, rate_limits=True, trusted_proxies=trusted), renderer) as site:

        async def post(peer, forwarded):
            """What is left of the logins of a minute, or 0 for a refusal."""
            transport = httpx.ASGITransport(app=site.app, client=(peer, 4711))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                answer = await client.post("/user/login", data={}, headers={"X-Forwarded-For": forwarded})
            told = answer.headers["RateLimit"]
            return int(re.search(r'"login";r=(\d+);', told)[1]), answer.status_code == 429

        same = (
            ("fd00::1", "2001:db8:1:2::7"),
            ("fd00::1%eth0", "[2001:db8:1:2:ffff::9]:4711"),
            ("fd00::2", "192.0.2.99, [2001:DB8:1:2::8] , fd00::9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:9::1"),
            ("2001:db8:1:2::5%eth0", "198.51.100.1"),
        )
        assert [await post(*asked) for asked in same] == [(left, False) for left in (4, 3, 2, 1, 0)]
        assert await post("fd00::1", "2001:db8:1:2::a") == (0, True)
        # The network beside it, and IPv4 in both of its forms, of which each address has a share.
        assert await post("fd00::1", "2001:db8:1:3::7") == (4, False)
        assert await post("::ffff:192.0.2.7", "2001:db8:1:2::7") == (4, False)
        assert await post("fd00::1", "::ffff:192.0.2.7") == (3, False)
        assert await post("192.0.2.7", "") == (2, False)
        # What cannot be read is the proxy's own.
        for number, hostile in enumerate(("[2001:db8:1:4::7", "2001:db8:1:4::7%eth0", "'; --", "[]", ",,")):
            assert await post("fd00::1", hostile) == (4 - number, False)


async def test_who_was_refused_is_taken_up_by_cron_and_shown_and_pages_of_strangers_cost_nothing(limited):
    site, set_limits = limited
    await set_limits(strangers="1/min", pages="2/min")
    admin = await site.log_in(await site.make_user("ada", is_admin=True))
    async with site.client() as stranger, site.client(cookie=admin.id) as browser:
        # Kept by the page cache, which asks nobody.
        assert [(await stranger.get("/")).status_code for _ in range(5)] == [200] * 5
        assert [(await stranger.post("/item/add/page")).status_code for _ in range(4)][1:] == [429] * 3
        await set_limits()
        # As ten minutes later, when the stretch is over.
        tally = site.web.shared.key("tally", name_tally(clock.now()))
        earlier = site.web.shared.key("tally", name_tally(clock.now() - timedelta(seconds=STRETCH_S)))
        await site.web.shared.client.rename(tally, earlier)
        form = {"form_token": build_form_token(admin, "cron_run"), "task": "collect_refusals"}
        for _ in range(2):
            assert (await browser.post("/admin/cron/run", data=form)).status_code == 303
        page = (await browser.get("/admin/limits")).text
        assert "127.0.0.1" in page
        assert "Forms of strangers" in page[page.index("127.0.0.1") :]
        assert '<td data-label="Refused">3</td>' in page
        # The form itself, and what is wrong with it.
        form = {
            "form_token": build_form_token(admin, "rate_limits"),
            "routes": "GET /search 5/min",
            "excluded": "/feed",
        }
        form |= {door.name: "none" for door in DOORS}
        assert (await browser.post("/admin/limits", data=form)).status_code == 303
        page = (await browser.get("/admin/limits")).text
        assert "GET /search 5/min" in page
        wrong = await browser.post("/admin/limits", data={**form, "login": "often", "routes": "/search"})
        assert wrong.status_code == 422
        assert "write a method, a path and a limit" in wrong.text
