"""The administration of people: the list, accounts, who may change whom, and that the site keeps an administrator."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import orjson
import pyotp
import pytest

from kernel import clock
from kernel.batch.delete_person import DELETE_PERSON, DeletePerson
from kernel.batch.start import start_batch
from kernel.clock import now
from kernel.context import Actor, Context
from kernel.errors import Conflict
from kernel.form.token import BUILD_ID_FIELD, TOKEN_HEADER, build_form_token, build_id
from kernel.ids import uuid7
from kernel.jobs import SET_PASSWORD, SetPassword
from kernel.ledger.wait import submit_and_wait, wait_for_job
from kernel.login_jobs import (
    DISABLE_SECOND_FACTOR,
    ENABLE_SECOND_FACTOR,
    NOTE_LOGIN_LINK,
    REPLACE_RECOVERY_CODES,
    RESET_SECOND_FACTOR,
    DisableSecondFactor,
    EnableSecondFactor,
    NoteLoginLink,
    ReplaceRecoveryCodes,
    ResetSecondFactor,
)
from kernel.people.store import list_counted_roles, lock_people
from kernel.person_jobs import (
    CHANGE_ROLE,
    SAVE_ACCOUNT,
    SAVE_API_TOKEN,
    ChangeRole,
    SaveAccount,
    SaveApiToken,
)
from kernel.shared.session import Sessions
from kernel.site_jobs import SET_MAINTENANCE, SET_RATE_LIMITS, SetMaintenance, SetRateLimits
from kernel.user.entry.second_factor import begin_setup, confirm_setup, find_setup, has_second_factor
from kernel.user.load import PERMISSIONS_TAG, load_actor
from kernel.user.proof.store import MailedLink, insert_link
from kernel.user.store import grant_permission
from tests.web.people_site import AdminSite, read_text
from web.guard import SCRIPT_FORM_ID


@pytest.fixture
async def office(site):
    return await AdminSite.open(site)


@pytest.mark.story("2.2")
async def test_a_person_is_added_found_changed_and_blocked(office):
    async with office.browser("root") as browser:
        sent = await browser.submit(
            "/admin/people/add",
            "person",
            name=" Nora  Ey ",
            mail="nora@EXAMPLE.org",
            active="1",
            roles=[office.roles["editor"]],
        )
        assert sent.status_code == 303, sent.text
        nora = await office.find("Nora Ey")
        assert sent.headers["Location"] == f"/admin/people/{nora.id}"
        assert [role.name for role in nora.roles] == ["editor"]
        assert nora.user.mail == "nora@example.org"
        found = await browser.get(
            "/admin/people", params={"text": "NORA@", "role": office.roles["editor"], "sort": "access"}
        )
        assert "Nora Ey was added." in found.text
        assert "1 account matches" in read_text(found.text)
        session = await office.site.log_in(nora.user)
        late = nora.digest()
        sent = await browser.submit(f"{nora.path}/edit", "person", seen=late, name="Nora Ey")
        assert sent.status_code == 303, sent.text
        nora = await office.find("Nora Ey")
        assert (nora.user.is_active, nora.user.mail, nora.roles) == (False, None, ())
        values = {"name": "Other", "mail": "typed@example.org", "active": "1", "password": "a typed secret"}
        again = await browser.submit(f"{nora.path}/edit", "person", seen=late, **values)
        assert again.status_code == 409
        words = read_text(again.text)
        assert "Somebody changed this account meanwhile" in words
        # What was typed is kept, beside what is saved where that differs; Save then means the account as it is now.
        assert 'value="Other"' in again.text
        assert 'value="typed@example.org"' in again.text
        assert "typed secret" not in again.text
        assert "Username Nora Ey E-mail address none May log in no Your values" in words
        assert f'name="seen" value="{nora.digest()}"' in again.text
        assert "it has to be typed again" in words
        # A corrected password is no second press: it says so, also where nothing else differs.
        rendered = {BUILD_ID_FIELD: build_id(), "seen": nora.digest(), "name": "Nora Ey"}
        for password, status in (("a first secret", 303), ("a first secret", 303), ("a second secret", 409)):
            again = await browser.submit(f"{nora.path}/edit", "person", password=password, **rendered)
            assert again.status_code == status, password
        assert "it has to be typed again" in again.text
        assert "What is saved now" not in again.text
        log = (await browser.get(f"/admin/audit.jsonl?subject={nora.id}")).text.splitlines()
        changed, added = (orjson.loads(line)["details"] for line in log[-2:])
        assert (changed["mail_changed"], changed["roles"], added["roles"]) == (True, [], ["editor"])
        assert "name_before" not in changed
    sessions = Sessions(office.site.web.shared, 600)
    assert (await sessions.load(session.id))[0] is None


async def test_names_that_pass_for_others_and_wrong_values_are_refused_each_at_its_field(office):
    wrong = {
        "ann": "taken",
        "ANN": "taken",
        "\u0430nn": "mix letters that look alike",  # the first letter is Cyrillic
        "a\u200bnn": "cannot be seen",
        "\u0251nn": "looks too much like that of another account",
        "x" * 61: "60 are allowed",
    }
    async with office.browser("root") as browser:
        for name, complaint in wrong.items():
            sent = await browser.submit("/admin/people/add", "person", name=name, active="1")
            assert sent.status_code == 422, name
            assert complaint in read_text(sent.text), name
        sent = await browser.submit(
            "/admin/people/add", "person", name="zoe", mail="zoe@nowhere", password="short", active="1"
        )
        assert "Use 10 characters or more" in sent.text
        sent = await browser.submit("/admin/people/add", "person", name="zoe", mail="zoe@nowhere", active="1")
        assert "is no e-mail address" in sent.text
        assert 'value="zoe@nowhere"' in sent.text
    assert await office.find("zoe") is None


async def let_manage(office, permission):
    async with office.site.worker.db.acquire() as conn:
        await grant_permission(conn, "manager", permission)
    await office.site.worker.cache.drop([PERMISSIONS_TAG])


async def test_who_administers_users_gets_no_further_than_that(office):
    """Not by fields that the form does not have, and not by setting the password of somebody who may do more."""
    ann, manager, editor = await office.find("ann"), office.roles["manager"], office.roles["editor"]
    async with office.site.worker.db.acquire() as conn:
        link = MailedLink("address", user_id=ann.id, mail="elsewhere@example.org")
        await insert_link(conn, b"0" * 32, link, clock.now() + timedelta(hours=1))
    async with office.browser("mia") as browser:
        values = {"name": "ann", "mail": "ann@example.org", "active": "1", "admin": "1", "roles": [editor]}
        # The role may do more than she: it is not offered, and not given.
        await browser.submit(f"{ann.path}/edit", "person", seen=ann.digest(), **values)
        ann = await office.find("ann")
        assert (ann.roles, ann.user.is_admin) == ((), False)
        await let_manage(office, "access content overview")
        sent = await browser.submit(f"{ann.path}/edit", "person", seen=ann.digest(), **values)
        assert sent.status_code == 303
        async with office.site.worker.db.acquire() as conn:
            # What was mailed before the address changed is worth nothing.
            assert await conn.fetchval("SELECT count(*) FROM mailed_link") == 0
        ann = await office.find("ann")
        assert not ann.user.is_admin
        assert [role.name for role in ann.roles] == ["editor"]
        sent = await browser.submit(
            f"{ann.path}/edit", "person", seen=ann.digest(), name="ann", active="1", roles=[manager]
        )
        assert sent.status_code == 422
        for name in ("root", "kit", "mia"):
            other = await office.find(name)
            assert "Only an administrator may do that." in (await browser.get(other.path)).text
            for path, form, values in (
                ("edit", "person", {"seen": other.digest(), "name": name, "password": "a whole new one"}),
                ("login-link", "person_login_link", {}),
                ("delete", "person_delete", {"fate": "keep"}),
                ("tokens", "api_token", {"label": "x", "days": "7", "reach": "everything"}),
            ):
                sent = await browser.submit(f"{other.path}/{path}", form, **values)
                assert sent.status_code == 403, (name, path)
        sent = await browser.submit(
            "/admin/people/bulk", "people_bulk", action="add_role", item=[str(ann.id)], role_id=manager
        )
        assert sent.status_code == 403
        sent = await browser.submit(
            "/admin/people/bulk",
            "people_bulk",
            action="block",
            item=[str(ann.id), str(office.users["root"].id), str(office.users["mia"].id)],
        )
        assert "Block 3 people?" in sent.text
        assert (await office.find("ann")).user.is_active
        sent = await browser.submit(
            "/admin/people/bulk",
            "people_bulk",
            action="block",
            sure="1",
            item=[str(ann.id), str(office.users["root"].id), str(office.users["mia"].id)],
        )
        page = read_text((await browser.get(sent.headers["Location"])).text)
        assert "1 account was blocked" in page
        assert "root is an administrator" in page
    assert not (await office.find("ann")).user.is_active
    assert (await office.find("root")).user.is_active


async def test_the_workers_ask_again_who_may(office):
    """Of jobs that no door would have submitted."""
    ann, root, mia = (office.users[name] for name in ("ann", "root", "mia"))
    ledger = office.site.web.ledger
    async with office.site.worker.db.acquire() as conn:
        seeded = next(role for role in await list_counted_roles(conn) if role.is_seeded)
    token = SaveApiToken(uuid7(), root.id, "ab" * 32, "x", now() + timedelta(days=1), None)
    # Shown to root and confirmed: nobody else turns it on, or spends it.
    await begin_setup(office.site.web, root.id, "of-root")
    secret = await find_setup(office.site.web, root.id, "of-root")
    code = pyotp.TOTP(secret)
    assert await confirm_setup(office.site.web, root.id, "of-root", code.now())
    # With another code at the same moment others would be stored than those that were shown.
    with pytest.raises(Conflict):
        await confirm_setup(office.site.web, root.id, "of-root", code.at(now() + timedelta(seconds=30)))
    program = Actor(root.id, scope=frozenset({"use api tokens"}))
    for actor, kind, payload, expected in (
        (Actor(ann.id), SET_RATE_LIMITS, SetRateLimits({}), "forbidden"),
        (Actor(root.id), SET_RATE_LIMITS, SetRateLimits({"door": {"login": "1/day"}}), "invalid"),
        (Actor(ann.id), SET_MAINTENANCE, SetMaintenance(is_on=True), "forbidden"),
        (Actor(ann.id), ENABLE_SECOND_FACTOR, EnableSecondFactor(root.id, "of-root"), "conflict"),
        (Actor(ann.id), DISABLE_SECOND_FACTOR, DisableSecondFactor(root.id), "forbidden"),
        (Actor(ann.id), RESET_SECOND_FACTOR, ResetSecondFactor(root.id), "forbidden"),
        (Actor(ann.id), REPLACE_RECOVERY_CODES, ReplaceRecoveryCodes(root.id, []), "forbidden"),
        (Actor(ann.id), SAVE_ACCOUNT, SaveAccount(root.id, "UTC"), "forbidden"),
        (Actor(ann.id), SET_PASSWORD, SetPassword(root.id, "a-hash"), "forbidden"),
        (Actor(ann.id), NOTE_LOGIN_LINK, NoteLoginLink(mia.id), "forbidden"),
        (Actor(mia.id), NOTE_LOGIN_LINK, NoteLoginLink(root.id), "forbidden"),
        (program, SAVE_API_TOKEN, token, "forbidden"),
        (Actor(root.id), CHANGE_ROLE, ChangeRole("rename", seeded.id, "Other"), "invalid"),
        (Actor(root.id), CHANGE_ROLE, ChangeRole("delete", seeded.id, seeded.name), "invalid"),
    ):
        job = await submit_and_wait(ledger, Context(actor=actor), kind, payload, timeout_s=5)
        assert job.result["outcome"] == expected, (kind.name, job.result)
    assert not await has_second_factor(office.site.web, root.id)
    # It still waits for whom it belongs to.
    payload = EnableSecondFactor(root.id, "of-root")
    job = await submit_and_wait(
        ledger, Context(actor=Actor(root.id)), ENABLE_SECOND_FACTOR, payload, timeout_s=5
    )
    assert job.result["outcome"] == "saved"
    assert await find_setup(office.site.web, root.id, "of-root") is None
    actor = await load_actor(office.site.web, mia.id)
    deletion = DeletePerson(ann.id, "ann", "delete")
    job_id = await start_batch(office.site.web, Context(actor=actor), DELETE_PERSON, deletion)
    assert (await wait_for_job(ledger, job_id, 5)).result["refused"] == 1
    assert (await office.find("ann")).user.is_active


async def test_nobody_shuts_themselves_out_or_opens_their_own_account_and_an_administrator_stays(office):
    root = await office.find("root")
    own = {"seen": root.digest(), "name": "root", "active": True, "admin": True}
    async with office.browser("root") as browser:
        for values in ({"admin": "1"}, {"active": "1"}):
            sent = await browser.submit(
                f"{root.path}/edit", "person", seen=root.digest(), name="root", **values
            )
            assert sent.status_code == 422
            assert "yourself" in sent.text
        sent = await browser.submit(f"{root.path}/delete", "person_delete", fate="keep")
        assert "You cannot delete yourself." in sent.text
        # A session that was left open sets nothing with which somebody comes again.
        script = {TOKEN_HEADER: build_form_token(browser.session, SCRIPT_FORM_ID)}
        for touch, place in (
            ({"password": "a whole new one"}, "password"),
            ({"mail": "x@example.org"}, "mail"),
        ):
            sent = await browser.post(f"{root.path}/edit", json={**own, **touch}, headers=script)
            assert (sent.status_code, f"/user/{place}" in sent.text) == (422, True), sent.text
        sent = await browser.submit(f"{root.path}/login-link", "person_login_link")
        assert (sent.status_code, "/user/password" in sent.text) == (403, True)
        page = (await browser.get(root.path)).text
        assert [text in page for text in ('name="password"', 'name="mail"', "/login-link")] == [False] * 3
        sent = await browser.submit(
            f"{root.path}/edit",
            "person",
            **{**own, "active": "1", "admin": "1", "password": "a whole new one"},
        )
        assert sent.status_code == 303
    assert await office.find("root") == root


@asynccontextmanager
async def hold_people(site):
    """Whoever changes people waits inside; it yields a wait for so many who do."""
    conn = await asyncpg.connect(site.config.database_url)

    async def wait(number):
        waiting = (
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = $1"
        )
        database = await conn.fetchval("SELECT oid FROM pg_database WHERE datname = current_database()")
        async with asyncio.timeout(30):
            while await conn.fetchval(waiting, database) < number:
                await asyncio.sleep(0.01)

    try:
        async with conn.transaction():
            await lock_people(conn)
            yield wait
    finally:
        await conn.close()


async def test_two_administrators_cannot_shut_each_other_out_at_the_same_moment(office):
    """Each is the other's last administrator: who is second was allowed to ask, and is refused all the same."""
    await office.site.make_user("eva", is_admin=True)

    async def edit(browser, person):
        """An administrator no more."""
        return await browser.submit(
            f"{person.path}/edit", "person", seen=person.digest(), name=person.name, active="1"
        )

    async def block(browser, person):
        return await browser.submit(
            "/admin/people/bulk", "people_bulk", action="block", sure="1", item=[str(person.id)]
        )

    async def delete(browser, person):
        return await browser.submit(f"{person.path}/delete", "person_delete", fate="keep")

    for first, second in ((edit, edit), (edit, block), (block, edit), (edit, delete), (delete, edit)):
        root, eva = await office.find("root"), await office.find("eva")
        office.users |= {"root": root.user, "eva": eva.user}
        async with office.browser("root") as roots, office.browser("eva") as evas:
            async with hold_people(office.site) as wait:
                begun = []
                for change, browser, person in ((first, roots, eva), (second, evas, root)):
                    begun.append(asyncio.create_task(change(browser, person)))
                    await wait(len(begun))
            done, refused = await asyncio.gather(*begun)
        what = f"{first.__name__}, then {second.__name__}"
        assert done.status_code == 303, (what, done.text)
        assert second is not edit or "This is the last administrator" in refused.text, (what, refused.text)
        assert (await office.find("root")).digest() == root.digest(), what
        eva = await office.find("eva")
        assert eva is None or not (eva.user.is_admin and eva.user.is_active), what
        async with office.site.worker.db.acquire() as conn:
            await conn.execute("UPDATE users SET status = 1, is_admin = true WHERE name = 'eva'")
        await office.site.worker.cache.drop([PERMISSIONS_TAG])


async def test_a_one_time_link_is_shown_once_and_opens_the_account(office):
    ann = await office.find("ann")
    async with office.browser("root") as browser:
        sent = await browser.submit(f"{ann.path}/login-link", "person_login_link")
        link = sent.text.split('once__value">')[1].split("<")[0]
        assert "no-store" in sent.headers["Cache-Control"]
        assert link not in (await browser.get(ann.path)).text
        log = await browser.get(f"/admin/audit.jsonl?action=account.login_link&subject={ann.id}")
        assert log.text.count("\n") == 1
        assert link.rpartition("/")[2] not in log.text
        assert "/people/why" in (await browser.get(ann.path)).text
    async with office.browser("mia") as browser:
        # Who may not open it is not shown it.
        assert "/people/why" not in (await browser.get(ann.path)).text
    async with office.site.client() as stranger:
        assert (await stranger.get("/user/login-link/" + link.rpartition("/")[2])).status_code == 200


@pytest.mark.story("2.6")
async def test_roles_are_given_to_people_and_lose_their_rights_with_their_role(office):
    ann = await office.find("ann")
    async with office.browser("root") as browser:
        sent = await browser.submit("/admin/people/roles", "role", name="Author")
        assert sent.headers["Location"] == "/admin/people/roles"
        taken = await browser.submit("/admin/people/roles", "role", name="AUTHOR")
        assert "There is a role “AUTHOR” already." in taken.text
        await browser.submit(
            "/admin/people/bulk",
            "people_bulk",
            action="add_role",
            item=[str(ann.id)],
            role_id=office.roles["editor"],
        )
        assert (await load_actor(office.site.web, ann.id)).may("access content overview")
        editor = office.roles["editor"]
        # The page is gone back to: the same button, for others and for another role.
        pressed, kit = {BUILD_ID_FIELD: build_id(), "action": "add_role"}, await office.find("kit")
        for person, role in ((ann, "editor"), (kit, "manager"), (kit, "editor")):
            chosen = {"item": [str(person.id)], "role_id": office.roles[role]}
            await browser.submit("/admin/people/bulk", "people_bulk", **pressed, **chosen)
        assert [role.name for role in (await office.find("kit")).roles] == ["editor", "keeper", "manager"]
        taken = {"item": [str(kit.id)], "action": "remove_role", BUILD_ID_FIELD: build_id()}
        for role in ("editor", "manager"):
            await browser.submit("/admin/people/bulk", "people_bulk", role_id=office.roles[role], **taken)
        assert [role.name for role in (await office.find("kit")).roles] == ["keeper"]
        asked = await browser.get(f"/admin/people/roles/{editor}/delete")
        assert "2 people lose what only it allowed them." in asked.text
        sent = await browser.submit(f"/admin/people/roles/{editor}/delete", "role_delete")
        assert "was deleted" in (await browser.get("/admin/people/roles")).text
        assert not (await load_actor(office.site.web, ann.id)).may("access content overview")
        for seeded in ("anonymous user", "authenticated user"):
            for path, form in (("", "role"), ("/delete", "role_delete")):
                sent = await browser.submit(
                    f"/admin/people/roles/{office.roles[seeded]}{path}", form, name="mine"
                )
                assert sent.status_code == 403
    async with office.browser("kit") as browser:
        sent = await browser.submit(f"/admin/people/roles/{office.roles['manager']}/delete", "role_delete")
        assert sent.status_code == 403
