"""Every kind of answer carries the headers that make browsers careful."""

import re
from dataclasses import replace

from tests.fixtures.site import open_site
from tests.web.test_guards import EXAMPLES
from web.app import PRIVATE, create_app

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def check(answer, where):
    for name, value in ALWAYS.items():
        assert answer.headers.get_list(name) == [value], (where, name)
    # Where an address is a secret, not even this site is told.
    assert answer.headers["Referrer-Policy"] in {"same-origin", "no-referrer"}, where
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy, where
    for part in ("default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert part in policy.split("; "), (where, part)
    assert "camera=()" in answer.headers["Permissions-Policy"], where
    assert "Server" not in answer.headers, where
    assert "X-Powered-By" not in answer.headers, where


async def test_every_route_answers_with_the_headers_to_strangers_and_to_an_administrator(site):
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    kinds = set()
    async with site.client() as stranger, site.client(cookie=session.id) as admin:
        for rule in create_app(site.web).url_map.iter_rules():
            path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: EXAMPLES.get(found[1], "app.js"), rule.rule)
            if path.endswith(".events"):
                continue
            for who, browser in (("stranger", stranger), ("admin", admin)):
                for headers in ({}, {"Accept": "application/json"}):
                    answer = await browser.get(path, headers=headers)
                    check(answer, (who, path, headers))
                    kinds.add((answer.status_code, answer.headers.get("Content-Type", "").partition(";")[0]))
                    if f"{path}/".startswith(PRIVATE):
                        assert answer.headers["Cache-Control"] == "no-store", (who, path)
                    if "Set-Cookie" in answer.headers:
                        assert "HttpOnly" in answer.headers["Set-Cookie"]
                        assert "SameSite=Strict" in answer.headers["Set-Cookie"]
        wrong = await stranger.post("/", data={"a": "b"})
        check(wrong, "a wrong method")
        kinds.add((wrong.status_code, wrong.headers["Content-Type"].partition(";")[0]))
    # Pages, JSON, redirects, errors of both forms, and static files were among them.
    assert {
        (200, "text/html"),
        (200, "application/json"),
        (303, "text/html"),
        (404, "text/html"),
        (404, "application/json"),
        (405, "text/html"),
        (200, "text/javascript"),
    } <= kinds


async def test_behind_tls_cookies_are_bound_to_the_host_and_browsers_stay_with_tls(site_config, renderer):
    config = replace(site_config, secure_cookies=True)
    async with open_site(config, renderer) as site, site.client() as visitor:
        answer = await visitor.get("/user/login")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-trovato=")
        for part in ("Secure", "HttpOnly", "Path=/", "SameSite=Strict"):
            assert part in cookie
        assert "Domain" not in cookie
