"""Every door that changes something is guarded, and nothing of the administration is open to strangers."""

import re

import pytest
from quart import Blueprint, Response

from kernel.form.token import build_form_token
from web.app import create_app
from web.entry import read_destination
from web.guard import Guard, KeyGuard

SAFE = {"GET", "HEAD", "OPTIONS"}
EXAMPLES = {
    "job_id": "01936e3b-4f5a-7000-8000-000000000001",
    "type_name": "page",
    "item_id": "01936e3b-4f5a-7000-8000-000000000001",
    "token": "x" * 43,
    "key": "a-key-that-is-wrong",
    "name": "blog",
    "person_id": "01936e3b-4f5a-7000-8000-000000000001",
    "role_id": "01936e3b-4f5a-7000-8000-000000000001",
    "format_name": "csv",
}


def list_unguarded(app):
    """Rules that accept a changing method without a Guard."""
    return sorted(
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.methods - SAFE
        and not isinstance(getattr(app.view_functions[rule.endpoint], "guard", None), Guard | KeyGuard)
    )


async def test_every_changing_route_has_a_guard(site):
    assert list_unguarded(create_app(site.web)) == []


async def test_only_the_address_of_cron_is_opened_by_a_key_in_place_of_a_form_token(site):
    app = create_app(site.web)
    keyed = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if isinstance(getattr(app.view_functions[rule.endpoint], "guard", None), KeyGuard)
    }
    assert keyed == {"/cron/", "/cron/<path:key>"}


async def test_an_unguarded_route_would_be_found(site):
    app = create_app(site.web)
    careless = Blueprint("careless", __name__)

    @careless.post("/careless")
    async def change() -> Response:
        return Response("done")

    app.register_blueprint(careless)
    assert list_unguarded(app) == ["/careless"]


async def test_no_changing_route_accepts_a_form_without_its_token(site):
    """As an administrator, who may do everything: it is the missing token that is refused."""
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    app = create_app(site.web)
    tried = 0
    async with site.client(cookie=session.id) as browser:
        for rule in app.url_map.iter_rules():
            if "POST" not in rule.methods:
                continue
            path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: EXAMPLES[found[1]], rule.rule)
            for sent in (
                {"data": {"title": "x"}},
                {"data": {"form_token": "0" * 64}},
                {"json": {"title": "x"}},
            ):
                answer = await browser.post(path, **sent)
                # An edit form of an item or a person that does not exist cannot be shown again.
                may_be_gone = "item_id" in rule.rule or "person_id" in rule.rule
                assert answer.status_code in ({403, 404} if may_be_gone else {403}), (path, sent)
                tried += 1
    assert tried >= 3 * 7
    async with site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job") == 0


@pytest.mark.story("9.6")
async def test_a_token_of_one_form_or_session_does_not_open_another(site, capsys):
    first = await site.log_in(await site.make_user("ada", is_admin=True))
    second = await site.log_in(await site.make_user("bob", is_admin=True))
    async with site.client(cookie=first.id) as browser:
        for token in (build_form_token(first, "user_logout"), build_form_token(second, "item_form")):
            refused = await browser.post("/item/add/page", data={"form_token": token, "title": "Kept words"})
            assert refused.status_code == 403
            assert 'value="Kept words"' in refused.text
            right = read_token(refused.text, "item-form")
            assert right == build_form_token(first, "item_form")
    logged = [line for line in capsys.readouterr().out.splitlines() if "perhaps a forged request" in line]
    assert len(logged) == 2
    assert all("route=/item/add/<type_name>" in line for line in logged)
    async with site.client() as browser:
        await browser.post(f"/user/login-link/{'a-live-token' * 4}", data={"form_token": "wrong"})
    told = capsys.readouterr().out
    assert "route=/user/login-link/<token>" in told
    # Whoever reads the log could log in with it.
    assert "a-live-token" not in "".join(line for line in told.splitlines() if "forged" in line)


def read_token(html, form):
    """The token of the form with this id; a page also has tiny forms in its toolbar."""
    return re.search(r'name="form_token" value="(\w+)"', html[html.index(f'id="{form}"') :])[1]


async def test_strangers_see_nothing_of_the_administration(site):
    app = create_app(site.web)
    async with site.client() as stranger:
        for rule in app.url_map.iter_rules():
            if rule.rule.startswith("/admin") and "GET" in rule.methods:
                answer = await stranger.get(rule.rule)
                assert answer.status_code == 303, rule.rule
                assert answer.headers["Location"].startswith("/user/login?destination=/admin")


async def test_who_has_no_permissions_sees_nothing_of_the_administration_either(site):
    app = create_app(site.web)
    session = await site.log_in(await site.make_user("ann"))
    seen = set()
    async with site.client(cookie=session.id) as browser:
        for rule in app.url_map.iter_rules():
            if rule.rule.startswith("/admin") and "GET" in rule.methods:
                path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: EXAMPLES.get(found[1], "x"), rule.rule)
                if (await browser.get(path)).status_code not in {403, 404}:
                    seen.add(rule.rule)
    # Where everybody is brought who logs in: what they may do, which is nothing.
    assert seen == {"/admin"}


@pytest.mark.parametrize(
    "where", ["//evil.example", "/\\evil.example", "https://evil.example", "/user/login", "/a\nb"]
)
async def test_a_login_goes_on_within_the_site_only(where):
    assert read_destination(where) == "/admin"
