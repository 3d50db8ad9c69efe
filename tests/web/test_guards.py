"""Every door that changes something is guarded, and nothing of the administration is open to strangers."""

import re

import pytest
from quart import Blueprint, Response

from kernel.form.token import TOKEN_HEADER, build_form_token
from kernel.shared.session import Sessions
from web.app import create_app
from web.entry import in_session, read_destination
from web.guard import SCRIPT_FORM_ID, Guard, KeyGuard, anybody, logged_in

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
# What asks for no permission before it begins: the handler looks at whose the item or job is, or it is for everybody.
WITHOUT_PERMISSION = {
    anybody: {
        "/batch/<job_id>/retry",
        "/job/<job_id>/cancel",
        "/job/<job_id>/retry",
        "/user/login",
        "/user/login/code",
        "/user/login-link/<token>",
        "/user/logout",
        "/user/password-reset",
        "/user/password-reset/<token>",
        "/user/register",
        "/user/register/<token>",
    },
    logged_in: {"/admin/stage/switch", "/item/<item_id>/delete", "/item/<item_id>/edit"},
    # What people do about their own account.
    in_session: {
        "/user",
        "/user/mail",
        "/user/mail/<token>",
        "/user/password",
        "/user/second-factor",
        "/user/second-factor/begin",
        "/user/second-factor/disable",
        "/user/second-factor/recovery-codes",
        "/user/sessions/end",
        "/user/sessions/end-all",
        "/user/tokens",
        "/user/tokens/revoke",
    },
}


def find_guards(app):
    """By the rule of a route that changes something."""
    guards = {
        rule.rule: getattr(app.view_functions[rule.endpoint], "guard", None)
        for rule in app.url_map.iter_rules()
    }
    return {rule: guard for rule, guard in guards.items() if isinstance(guard, Guard)}


def fill_in(rule):
    """An address of the rule, of things that are mostly not there."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: EXAMPLES.get(found[1], "x"), rule)


def list_unguarded(app):
    """Rules that accept a changing method without a Guard."""
    return sorted(
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.methods - SAFE
        and not isinstance(getattr(app.view_functions[rule.endpoint], "guard", None), Guard | KeyGuard)
    )


async def test_every_changing_route_has_a_guard_and_those_that_ask_for_no_permission_are_known_by_name(site):
    app = create_app(site.web)
    assert list_unguarded(app) == []
    open_to_more = {access: set() for access in WITHOUT_PERMISSION}
    for rule, guard in find_guards(app).items():
        if guard.access in open_to_more:
            open_to_more[guard.access].add(rule)
    assert open_to_more == WITHOUT_PERMISSION


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
            path = fill_in(rule.rule)
            for sent in (
                {"data": {"title": "x"}},
                {"data": {"form_token": "0" * 64}},
                {"json": {"title": "x"}},
            ):
                answer = await browser.post(path, **sent)
                # An edit form of an item or a person that does not exist cannot be shown again.
                may_be_gone = "item_id" in rule.rule or "person_id" in rule.rule
                expected = {403, 404} if may_be_gone else {403}
                if rule.rule == "/user/second-factor/recovery-codes" and "data" in sent:
                    # Nor can this one be, to somebody who has no second factor.
                    expected = {303}
                assert answer.status_code in expected, (path, sent)
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


async def test_who_has_no_permissions_sees_and_changes_nothing_of_the_administration_either(site):
    """With a good token for each form: it is the permission that is missing, before any work is asked for."""
    app = create_app(site.web)
    session = await site.log_in(await site.make_user("ann"))
    nobody = await Sessions(site.web.shared, 60).create(user_id=None)
    guards = {
        rule: guard for rule, guard in find_guards(app).items() if guard.access not in WITHOUT_PERMISSION
    }
    assert {
        "/admin/plugins/upload",
        "/admin/tools/run",
        "/admin/people/bulk",
        "/item/add/<type_name>",
    } <= set(guards)
    seen, done = set(), []
    async with site.client(cookie=session.id) as browser, site.client(cookie=nobody.id) as stranger:
        for rule in app.url_map.iter_rules():
            if rule.rule.startswith("/admin") and "GET" in rule.methods:
                answer = await browser.get(fill_in(rule.rule))
                seen |= set() if answer.status_code in {403, 404} else {rule.rule}
        for rule, guard in guards.items():
            path = fill_in(rule)
            for client, carried, expected in ((browser, session, 403), (stranger, nobody, 401)):
                form = {"form_token": build_form_token(carried, guard.form_id)}
                script = {TOKEN_HEADER: build_form_token(carried, SCRIPT_FORM_ID)}
                for sent in ({"data": form}, {"json": {}, "headers": script}):
                    answer = await client.post(path, **sent)
                    if answer.status_code != expected:
                        done.append((path, list(sent), answer.status_code))
    # Where everybody is brought who logs in: what they may do, which is nothing.
    assert seen == {"/admin"}
    assert done == []
    async with site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job") == 0


@pytest.mark.parametrize(
    "where", ["//evil.example", "/\\evil.example", "https://evil.example", "/user/login", "/a\nb"]
)
async def test_a_login_goes_on_within_the_site_only(where):
    assert read_destination(where) == "/admin"
