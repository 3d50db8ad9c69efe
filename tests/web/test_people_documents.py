"""People administered by programs, and that nobody gets further by it, or by any other door, than they may."""

import json
from functools import partial

import pytest

from kernel.form.token import TOKEN_HEADER, build_form_token
from kernel.person_jobs import CHANGE_PEOPLE
from kernel.user.load import PERMISSIONS_TAG
from kernel.user.store import assign_role, grant_permission, insert_role, list_roles
from tests.web.people_site import AdminSite
from web.guard import SCRIPT_FORM_ID

PEOPLE = "/admin/people"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def office(site):
    return await AdminSite.open(site)


async def add_role(office, name, *permissions, to=()):
    """Its id; `to` are names of people."""
    async with office.site.worker.db.transaction() as tx:
        await insert_role(tx.conn, name)
        for permission in permissions:
            await grant_permission(tx.conn, name, permission)
        for person in to:
            await assign_role(tx.conn, office.users[person].id, name)
        roles = {role.name: str(role.id) for role in await list_roles(tx.conn)}
    await office.site.worker.cache.drop([PERMISSIONS_TAG])
    return roles[name]


async def test_a_program_adds_finds_changes_and_blocks_people(office):
    token = await office.site.make_token(office.users["root"])
    editor = office.roles["editor"]
    async with office.site.client(token=token) as program:
        added = await program.post(
            f"{PEOPLE}/add", json={"name": " Nora  Ey ", "mail": "nora@EXAMPLE.org", "roles": [editor]}
        )
        assert added.status_code == 201, added.text
        nora = added.json()["person"]
        assert added.headers["Location"] == nora["path"] == f"{PEOPLE}/{nora['id']}"
        assert (nora["name"], nora["mail"], nora["active"]) == ("Nora Ey", "nora@example.org", True)
        found = (await program.get(PEOPLE, params={"text": "nora", "role": editor})).json()
        assert ([one["id"] for one in found["people"]], found["total"]) == ([nora["id"]], 1)
        assert {"id": editor, "name": "editor"} in found["roles"]
        # What a document leaves out stays; and what somebody changed meanwhile is not overwritten.
        saved = await program.post(f"{nora['path']}/edit", json={"mail": None, "seen": nora["seen"]})
        assert (saved.status_code, saved.json()["person"]["mail"]) == (200, None), saved.text
        assert [role["name"] for role in saved.json()["person"]["roles"]] == ["editor"]
        late = await program.post(f"{nora['path']}/edit", json={"name": "Other", "seen": nora["seen"]})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
        session = await office.site.log_in((await office.find("Nora Ey")).user)
        root = str(office.users["root"].id)
        people = [nora["id"], str(office.users["ann"].id)]
        blocked = await program.post(f"{PEOPLE}/bulk", json={"action": "block", "people": people})
        assert (blocked.status_code, blocked.json()["changed"], blocked.json()["refused"]) == (200, 2, [])
        async with office.site.client(cookie=session.id) as browser:
            assert (await browser.get("/user")).status_code == 303
        given = {"action": "add_role", "people": people, "role": editor}
        assert (await program.post(f"{PEOPLE}/bulk", json=given)).json()["changed"] == 2
        assert not (await program.get(nora["path"])).json()["active"]
        # The account that the token belongs to, and what takes a person.
        for path, document in (
            (f"{PEOPLE}/{root}/edit", {"password": "a whole new one"}),
            (f"{PEOPLE}/bulk", {"action": "remove_role", "people": [root], "role": editor}),
        ):
            assert (await program.post(path, json=document)).status_code == 403, path
        # Whoever has found the token gets no account of an administrator by it, in two steps neither.
        await office.site.make_user("eva", is_admin=True)
        eva = await office.find("eva")
        touches = ({"password": "a whole new one"}, {"mail": "x@example.org"}, {"admin": False})
        for path, document in (
            (f"{PEOPLE}/add", {"name": "zoe", "admin": True}),
            (f"{nora['path']}/edit", {"admin": True}),
            *((f"{eva.path}/edit", touch) for touch in touches),
        ):
            answer = await program.post(path, json=document)
            assert (answer.status_code, "An API token" in answer.text) == (403, True), (path, document)
        assert await office.find("eva") == eva
        assert (
            await program.post(f"{eva.path}/edit", json={"name": "eve", "admin": True})
        ).status_code == 200
        for verb in ("delete", "login-link", "tokens"):
            refused = await program.post(f"{nora['path']}/{verb}", json={})
            assert (refused.status_code, "JSON is not taken" in refused.text) == (400, True), verb
    async with office.site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job WHERE kind = $1", CHANGE_PEOPLE.name) == 2


WRONG = (
    ({}, "name"),
    ({"name": 7}, "name"),
    ({"name": "ANN"}, "name"),
    ({"name": "x" * 5_000}, "name"),
    ({"name": "a\u0000b"}, "name"),
    ({"name": "\u0430nn"}, "name"),
    ({"name": "zoe", "mail": ["x"]}, "mail"),
    ({"name": "zoe", "mail": "zoe@nowhere\r\nBcc: all@example.org"}, "mail"),
    ({"name": "zoe", "active": "yes"}, "active"),
    ({"name": "zoe", "admin": 1}, "admin"),
    ({"name": "zoe", "roles": "editor"}, "roles"),
    ({"name": "zoe", "roles": ["editor"]}, "roles"),
    ({"name": "zoe", "roles": [{"id": 1}]}, "roles"),
    ({"name": "zoe", "password": "short"}, "password"),
    ({"name": "zoe", "password": "long enough \ud800"}, "password"),
    ({"name": "zoe", "password": "long enough \x00"}, "password"),
    ({"name": "zoe", "pass_hash": "x"}, "pass_hash"),
    ({"name": "zoe", "user_id": "x"}, "user_id"),
)
WRONG_CHANGES = (
    ({}, "action"),
    ({"action": "delete", "people": []}, "action"),
    ({"action": ["block"], "people": []}, "action"),
    ({"action": "block", "people": "all"}, "people"),
    ({"action": "block", "people": []}, "people"),
    ({"action": "block", "people": [None]}, "people"),
    ({"action": "block", "people": ["00000000-0000-0000-0000-000000000009"] * 201}, "people"),
    ({"action": "add_role", "people": ["00000000-0000-0000-0000-000000000009"]}, "role"),
    ({"action": "block", "people": ["00000000-0000-0000-0000-000000000009"], "sure": 1}, "sure"),
)


async def test_wrong_documents_are_told_by_key_and_change_nothing(office):
    token = await office.site.make_token(office.users["root"])
    async with office.site.client(token=token) as program:
        for path, cases in ((f"{PEOPLE}/add", WRONG), (f"{PEOPLE}/bulk", WRONG_CHANGES)):
            for document, key in cases:
                # With escapes, as a client may send what is no UTF-8.
                content = json.dumps(document)
                answer = await program.post(path, content=content, headers=JSON)
                assert (answer.status_code, key in answer.json()["error"].get("problems", ())) == (
                    422,
                    True,
                ), answer.text
        nobody = {"action": "block", "people": ["00000000-0000-0000-0000-000000000000"]}
        assert (await program.post(f"{PEOPLE}/bulk", json=nobody)).json()["changed"] == 0
    assert await office.find("zoe") is None


# What she might send about somebody's account.
TOUCHES = (
    {"password": "a whole new one"},
    {"mail": "mine@example.org"},
    {"active": False},
    {"admin": True},
    {"name": "taken over"},
    {"roles": []},
)
OPENINGS = TOUCHES[:2]


def list_attempts(people, manager, editor, author):
    """Of an administrator, of somebody whose role administers something, of herself: nothing, in any way. Of others,
    who may do less: no more rights than she has."""
    edits = [
        (people[name], touch) for name in ("root", "kit", "mia") for touch in (*TOUCHES, {"roles": [manager]})
    ]
    ann, mia = people["ann"], people["mia"]
    edits += [
        (ann, {"admin": True}),
        (ann, {"roles": [manager]}),
        (ann, {"roles": [author]}),
        (ann, {"roles": [editor, author]}),
        # Without it he could be opened, and it may be given back.
        (people["ed"], {"roles": [editor]}),
        (people["ed"], {"roles": []}),
    ]
    return [
        *((f"{person.path}/edit", document) for person, document in edits),
        (f"{PEOPLE}/add", {"name": "zoe", "admin": True}),
        (f"{PEOPLE}/add", {"name": "zoe", "roles": [manager]}),
        (f"{PEOPLE}/add", {"name": "zoe", "roles": [author], "password": "a whole new one"}),
        (f"{PEOPLE}/bulk", {"action": "add_role", "people": [str(ann.id)], "role": manager}),
        (f"{PEOPLE}/bulk", {"action": "add_role", "people": [str(ann.id), str(mia.id)], "role": author}),
        (f"{PEOPLE}/bulk", {"action": "remove_role", "people": [str(people["ed"].id)], "role": author}),
    ]


async def try_forms(browser, people):
    """Of the same people, and of ed, who may do more than she but administers nothing."""
    ed = people["ed"]
    # Roles that her form does not have stay.
    form = {"name": "ed", "active": "1", "seen": ed.digest()}
    assert (await browser.submit(f"{ed.path}/edit", "person", **form)).status_code == 303
    for values in OPENINGS:
        form = {"name": "ed", "active": "1", "seen": ed.digest(), **values}
        sent = await browser.submit(f"{ed.path}/edit", "person", **form)
        assert (sent.status_code, "may do what you may not" in sent.text) == (422, True)
    assert (await browser.submit(f"{ed.path}/login-link", "person_login_link")).status_code == 403
    chosen = [str(people[name].id) for name in ("root", "kit", "mia")]
    await browser.submit(f"{PEOPLE}/bulk", "people_bulk", action="block", sure="1", item=chosen)
    for name in ("root", "kit", "mia"):
        for verb, form_id, values in (
            ("delete", "person_delete", {"fate": "keep"}),
            ("login-link", "person_login_link", {}),
            ("tokens", "api_token", {"label": "x", "days": "7", "reach": "everything"}),
            ("tokens/revoke", "api_token_revoke", {"token": chosen[0]}),
        ):
            sent = await browser.submit(f"{people[name].path}/{verb}", form_id, **values)
            assert sent.status_code == 403, (name, verb)


async def test_who_administers_users_raises_nobody_and_touches_no_administrator_by_any_door(office):
    """By a token of hers, by a script in her session, by a form, and many at once."""
    author = await add_role(office, "author", "create page content", to=["ed"])
    await add_role(office, "auditor", "administer audit log", to=["kit"])
    people = {name: await office.find(name) for name in ("root", "kit", "mia", "ed", "ann")}
    token = await office.site.make_token(office.users["mia"])
    attempts = list_attempts(people, office.roles["manager"], office.roles["editor"], author)
    async with office.site.client(token=token) as program, office.browser("mia") as browser:
        script = {TOKEN_HEADER: build_form_token(browser.session, SCRIPT_FORM_ID)}
        doors = (program.post, partial(browser.post, headers=script))
        for post in doors:
            for path, document in attempts:
                answer = await post(path, json=document)
                said = (answer.status_code, answer.json()["error"]["code"])
                assert said == (403, "forbidden"), (path, document, answer.text)
            # No password, no address of ed; but a block.
            for document in OPENINGS:
                answer = await post(f"{people['ed'].path}/edit", json=document)
                assert answer.status_code == 422, (document, answer.text)
                assert "may do what you may not" in answer.text
        await try_forms(browser, people)
        for action in ("unblock", "block"):
            chosen = [str(people[name].id) for name in ("root", "kit", "ed")]
            answer = await program.post(f"{PEOPLE}/bulk", json={"action": action, "people": chosen})
            done = answer.json()
            assert (done["ids"], len(done["refused"])) == (chosen[2:], 2), done
    for name in ("root", "kit", "mia", "ann"):
        assert await office.find(name) == people[name], name
    assert await office.find("zoe") is None
    assert not (await office.find("ed")).user.is_active
