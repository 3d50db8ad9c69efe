"""Links in mails: what each is good for, once, for whom, and until when."""

import asyncio
import re
from uuid import uuid4

import pytest

from kernel import clock
from kernel.context import Actor
from kernel.jobs import SET_PASSWORD, SetPassword
from kernel.ledger.submit import submit_job
from kernel.mail.store import list_messages
from kernel.mail_jobs import (
    CHANGE_MAIL,
    CONFIRM_MAIL,
    CONFIRM_REGISTRATION,
    DECIDE_REGISTRATION,
    MAIL_PASSWORD_RESET,
    REGISTER,
    SET_REGISTRATION,
    ChangeMail,
    ConfirmMail,
    ConfirmRegistration,
    DecideRegistration,
    MailPasswordReset,
    Register,
    SetRegistration,
)
from kernel.setting.store import upsert_setting
from kernel.shared.session import Sessions
from kernel.user.account import create_user
from kernel.user.link_token import digest_link_token
from kernel.user.password import hash_password, verify_password
from kernel.user.proof.address import find_address_link
from kernel.user.proof.register import find_registration
from kernel.user.proof.registration import load_registration_mode
from kernel.user.proof.reset import find_reset
from kernel.user.proof.store import delete_expired_links, list_waiting
from kernel.user.store import find_credentials, find_user, find_user_by_name
from tests.kernel.mail.conftest import open_post

PASSWORD = "correct horse battery"


@pytest.fixture
async def post(config, renderer):
    async with open_post(config, renderer) as opened:
        yield opened


@pytest.fixture
async def ada(database):
    return await create_user(database, name="Ada", password=PASSWORD, mail="ada@example.org")


async def read_mails(post):
    """As (recipient, kind, token of the link), the first one first."""
    async with post.rt.db.acquire() as conn:
        rows = await list_messages(conn, None, None, 50)
    return [(row.recipient, row.kind, find_token(row.text)) for row in reversed(rows)]


def find_token(text):
    found = re.search(r"/([A-Za-z0-9_-]{43})\s", text)
    return found[1] if found else None


async def ask(post, who):
    await post.do(MAIL_PASSWORD_RESET, MailPasswordReset(who))
    return (await read_mails(post))[-1][2]


async def run_query(post, sql, *args):
    async with post.rt.db.acquire() as conn:
        return await conn.execute(sql, *args)


async def set_password(user_id, token, password="another long sentence"):
    digest = digest_link_token(token).hex()
    return SetPassword(user_id, await hash_password(password), link_digest=digest)


@pytest.mark.story("2.7")
async def test_a_link_is_mailed_to_the_address_of_the_account(post, ada):
    # Somebody who took the address of another person for a name.
    await create_user(post.rt.db, name="ADA@example.org", password=None, mail="eve@example.org")
    for number, who in enumerate(("ada@example.org", "ADA@EXAMPLE.ORG ", "Ada", "ada"), 1):
        await ask(post, who)
        mails = await read_mails(post)
        assert [mail[:2] for mail in mails] == [("ada@example.org", "password_reset")] * number
    token = mails[-1][2]
    assert (await find_reset(post.rt, token)).id == ada.id
    async with post.rt.db.acquire() as conn:
        row = await conn.fetchrow("SELECT digest, expires - created AS life FROM mailed_link")
    assert row["digest"] == digest_link_token(token)
    assert 3_590 < row["life"].total_seconds() < 3_610


@pytest.mark.story("2.7")
async def test_nobody_else_is_mailed_and_the_answer_is_the_same(post, ada):
    await create_user(post.rt.db, name="bob", password=PASSWORD)
    blocked = await create_user(post.rt.db, name="eve", password=PASSWORD, mail="eve@example.org")
    await run_query(post, "UPDATE users SET status = 0 WHERE id = $1", blocked.id)
    strange = ("", "%", "a" * 254, "ada@example.org\r\nBcc: x@example.org", "\u0430da@example.org")
    for who in ("nobody", "nobody@example.org", "bob", "eve", *strange):
        job = await post.do(MAIL_PASSWORD_RESET, MailPasswordReset(who))
        assert (job.status, job.result, job.payload) == ("done", {"outcome": "done"}, {}), who
    assert await read_mails(post) == []


@pytest.mark.story("2.7")
async def test_a_link_sets_a_password_once_and_ends_sessions_and_other_links(post, ada):
    sessions = Sessions(post.rt.shared, 60)
    session = await sessions.create(user_id=ada.id)
    await post.do(CHANGE_MAIL, ChangeMail("new@example.org"), as_actor(ada))
    first, second = await ask(post, "Ada"), await ask(post, "Ada")
    # A newer one ends the older.
    assert await find_reset(post.rt, first) is None
    job = await post.do(SET_PASSWORD, await set_password(ada.id, second))
    assert (job.result, job.payload) == ({"outcome": "saved"}, {})
    async with post.rt.db.acquire() as conn:
        pass_hash = (await find_credentials(conn, "Ada")).pass_hash
        assert await conn.fetchval("SELECT count(*) FROM mailed_link") == 0
    assert pass_hash.startswith("$argon2id$")
    assert await verify_password(pass_hash, "another long sentence")
    assert (await sessions.load(session.id))[0] is None
    for replayed in (second, first, second[:-1] + "A"):
        again = await post.do(SET_PASSWORD, await set_password(ada.id, replayed, "yet another sentence"))
        assert again.result["outcome"] == "conflict"
    async with post.rt.db.acquire() as conn:
        assert (await find_credentials(conn, "Ada")).pass_hash == pass_hash


async def test_of_two_who_use_one_link_at_once_one_wins(post, ada):
    token = await ask(post, "Ada")
    payloads = [await set_password(ada.id, token, f"sentence number {n}") for n in range(4)]
    ids = [await submit_job(post.rt.ledger, post.ctx, SET_PASSWORD, payload) for payload in payloads]
    await asyncio.gather(*(post.attempts.make(job_id) for job_id in ids))
    async with post.rt.db.acquire() as conn:
        rows = await conn.fetch("SELECT result ->> 'outcome' AS outcome FROM job WHERE id = ANY($1)", ids)
    assert sorted(row["outcome"] for row in rows) == ["conflict", "conflict", "conflict", "saved"]


async def test_a_link_is_good_for_its_own_account_and_purpose_until_it_expires(post, ada):
    bob = await create_user(post.rt.db, name="bob", password=PASSWORD, mail="bob@example.org")
    token = await ask(post, "Ada")
    stolen = await post.do(SET_PASSWORD, await set_password(bob.id, token))
    assert stolen.result["outcome"] == "conflict"
    token = await ask(post, "Ada")
    assert await find_registration(post.rt, token) is None
    assert await find_address_link(post.rt, token) is None
    for forged in ("", token[:-1], f"{token}A", token[:-1] + "\n", "é" * 43, "../" * 20, token.swapcase()):
        assert await find_reset(post.rt, forged) is None
    await run_query(post, "UPDATE users SET status = 0 WHERE id = $1", ada.id)
    assert await find_reset(post.rt, token) is None
    await run_query(post, "UPDATE users SET status = 1 WHERE id = $1", ada.id)
    assert await find_reset(post.rt, token) is not None
    await run_query(post, "UPDATE mailed_link SET expires = $1", clock.now())
    assert await find_reset(post.rt, token) is None
    assert (await post.do(SET_PASSWORD, await set_password(ada.id, token))).result["outcome"] == "conflict"
    async with post.rt.db.transaction() as tx:
        assert await delete_expired_links(tx.conn, clock.now(), 10) == 1


async def test_a_link_to_an_address_that_the_account_no_longer_has_sets_no_password(post, ada):
    token = await ask(post, "Ada")
    await run_query(post, "UPDATE users SET mail = 'ADA@Example.org' WHERE id = $1", ada.id)
    assert await find_reset(post.rt, token) is not None
    for mail in ("new@example.org", None):
        await run_query(post, "UPDATE users SET mail = $2 WHERE id = $1", ada.id, mail)
        assert await find_reset(post.rt, token) is None
        job = await post.do(SET_PASSWORD, await set_password(ada.id, token))
        assert job.result["outcome"] == "conflict"


async def test_a_password_that_is_only_hashed_anew_ends_nothing(post, ada):
    token = await ask(post, "Ada")
    async with post.rt.db.acquire() as conn:
        old = (await find_credentials(conn, "Ada")).pass_hash
    await post.do(
        SET_PASSWORD,
        SetPassword(ada.id, fresh := await hash_password(PASSWORD), replaces=old, is_rehash=True),
        as_actor(ada),
    )
    assert await find_reset(post.rt, token) is not None
    await post.do(
        SET_PASSWORD,
        SetPassword(ada.id, await hash_password("a new sentence"), replaces=fresh),
        as_actor(ada),
    )
    assert await find_reset(post.rt, token) is None


async def register(post, name="Bruna", mail="bruna@example.org"):
    await post.do(REGISTER, Register(name, mail, await hash_password(PASSWORD)))
    return (await read_mails(post))[-1]


async def confirm(post, token):
    job = await post.do(CONFIRM_REGISTRATION, ConfirmRegistration(digest_link_token(token).hex()))
    return job.result


async def set_mode(post, mode):
    async with post.rt.db.transaction() as tx:
        await upsert_setting(tx.conn, "registration", mode)


async def test_nobody_registers_where_it_is_off(post):
    assert await load_registration_mode(post.rt) == "off"
    await post.do(REGISTER, Register("Bruna", "bruna@example.org", await hash_password(PASSWORD)))
    assert await read_mails(post) == []
    await set_mode(post, "open")
    _, _, token = await register(post)
    await set_mode(post, "anything")
    assert (await confirm(post, token))["outcome"] == "conflict"


async def test_an_account_is_made_once_its_address_has_answered(post, ada):
    await set_mode(post, "open")
    recipient, kind, token = await register(post)
    assert (recipient, kind) == ("bruna@example.org", "registration")
    # A second one, by somebody else with a name that looks the same: until a link is followed nothing is taken.
    _, _, rival = await register(post, name="Brun\u0251", mail="rival@example.org")
    async with post.rt.db.acquire() as conn:
        assert await find_user_by_name(conn, "Bruna") is None
    assert (await find_registration(post.rt, token)).name == "Bruna"
    done = await confirm(post, token)
    async with post.rt.db.acquire() as conn:
        user = await find_user_by_name(conn, "Bruna")
    assert done == {"outcome": "saved", "is_waiting": False, "user_id": str(user.id)}
    assert (user.mail, user.is_active, user.is_admin) == ("bruna@example.org", True, False)
    assert (await confirm(post, token))["outcome"] == "conflict"
    assert "given to somebody else" in (await confirm(post, rival))["message"]


async def test_of_a_taken_address_only_its_owner_is_told(post, ada):
    await set_mode(post, "open")
    assert await register(post, mail="ADA@example.org") == ("ada@example.org", "address_taken", None)
    async with post.rt.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM mailed_link") == 0
    # What was chosen by a stranger stands in no mail to an address that nobody has proven.
    await register(post, name="Buy at evil.example", mail="victim@example.org")
    async with post.rt.db.acquire() as conn:
        rows = await list_messages(conn, None, None, 5)
    assert all("evil.example" not in f"{row.subject}{row.text}{row.html}" for row in rows)


async def test_who_needs_approval_waits_until_somebody_decides(post):
    boss = await create_user(post.rt.db, name="boss", password=None, mail="boss@example.org", is_admin=True)
    await set_mode(post, "approval")
    for name in ("Bruna", "Carlo"):
        _, _, token = await register(post, name, f"{name.lower()}@example.org")
        assert (await confirm(post, token))["is_waiting"] is True
    told = [mail for mail in await read_mails(post) if mail[1] == "somebody_waits"]
    assert [recipient for recipient, _, _ in told] == ["boss@example.org"] * 2
    async with post.rt.db.acquire() as conn:
        bruna, carlo = await list_waiting(conn, 10)
        assert not (await find_user(conn, bruna.id)).is_active
    refused = await post.do(
        DECIDE_REGISTRATION, DecideRegistration(bruna.id, approves=True), Actor(id=carlo.id)
    )
    assert refused.result["outcome"] == "forbidden"
    await post.do(DECIDE_REGISTRATION, DecideRegistration(bruna.id, approves=True), as_actor(boss))
    await post.do(DECIDE_REGISTRATION, DecideRegistration(carlo.id, approves=False), as_actor(boss))
    again = await post.do(DECIDE_REGISTRATION, DecideRegistration(bruna.id, approves=False), as_actor(boss))
    assert again.result["outcome"] == "conflict"
    async with post.rt.db.acquire() as conn:
        assert (await find_user(conn, bruna.id)).is_active
        assert await find_user(conn, carlo.id) is None
        assert await list_waiting(conn, 10) == []
    assert (await read_mails(post))[-1][:2] == ("bruna@example.org", "let_in")


async def test_who_may_register_is_set_by_those_who_administer_people(post, ada):
    boss = await create_user(post.rt.db, name="boss", password=None, is_admin=True)
    refused = await post.do(SET_REGISTRATION, SetRegistration("open"), as_actor(ada))
    assert refused.result["outcome"] == "forbidden"
    assert (await post.do(SET_REGISTRATION, SetRegistration("open"), as_actor(boss))).result == {
        "outcome": "saved"
    }
    assert await load_registration_mode(post.rt) == "open"


async def test_an_address_changes_when_the_link_to_the_new_one_is_followed(post, ada):
    reset = await ask(post, "Ada")
    await post.do(CHANGE_MAIL, ChangeMail("new@example.org"), as_actor(ada))
    mails = await read_mails(post)
    assert [mail[:2] for mail in mails[1:]] == [
        ("new@example.org", "new_address"),
        ("ada@example.org", "address_notice"),
    ]
    token = mails[1][2]
    digest = digest_link_token(token).hex()
    async with post.rt.db.acquire() as conn:
        assert (await find_user(conn, ada.id)).mail == "ada@example.org"
        old = await list_messages(conn, None, None, 1)
    assert "new@example.org" not in old[0].text
    done = (await post.do(CONFIRM_MAIL, ConfirmMail(digest), as_actor(ada))).result
    assert done == {"outcome": "saved", "user_id": str(ada.id)}
    async with post.rt.db.acquire() as conn:
        told = await conn.fetch(
            "SELECT subject_id, subject_label FROM audit_event WHERE action = 'account.mail'"
        )
        assert [tuple(row) for row in told] == [(str(ada.id), "Ada")]
        assert (await find_user(conn, ada.id)).mail == "new@example.org"
    # The link that went to the old address opens nothing any more.
    assert await find_reset(post.rt, reset) is None
    assert (await post.do(CONFIRM_MAIL, ConfirmMail(digest), as_actor(ada))).result["outcome"] == "conflict"


async def test_an_address_is_nobody_elses_and_its_link_too(post, ada):
    bob = await create_user(post.rt.db, name="bob", password=PASSWORD, mail="bob@example.org")
    await post.do(CHANGE_MAIL, ChangeMail("BOB@example.org"), as_actor(ada))
    assert await read_mails(post) == [("bob@example.org", "address_taken", None)]
    await post.do(CHANGE_MAIL, ChangeMail("new@example.org"), as_actor(ada))
    token = (await read_mails(post))[1][2]
    stranger = await post.do(CONFIRM_MAIL, ConfirmMail(digest_link_token(token).hex()), as_actor(bob))
    assert stranger.result["outcome"] == "conflict"
    # Both want the same one: whoever confirms first has it.
    tokens = []
    for person in (ada, bob):
        await post.do(CHANGE_MAIL, ChangeMail("shared@example.org"), as_actor(person))
        tokens.append(next(m[2] for m in reversed(await read_mails(post)) if m[1] == "new_address"))
    outcomes = [
        (await post.do(CONFIRM_MAIL, ConfirmMail(digest_link_token(t).hex()), as_actor(p))).result["outcome"]
        for t, p in zip(tokens, (ada, bob), strict=True)
    ]
    assert outcomes == ["saved", "conflict"]
    await post.do(CHANGE_MAIL, ChangeMail("gone@example.org"), Actor(id=uuid4()))
    assert not any(mail[0] == "gone@example.org" for mail in await read_mails(post))


def as_actor(user):
    """Whoever the job is for."""
    return Actor(id=user.id, name=user.name)
