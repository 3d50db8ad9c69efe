"""People are told by mail what was changed about how their account is entered, through a real server."""

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import orjson
import pytest

from kernel.clock import now
from kernel.context import Actor
from kernel.ids import uuid7
from kernel.jobs import RECORD_LOGIN, SET_PASSWORD, RecordLogin, SetPassword
from kernel.login_jobs import (
    DISABLE_SECOND_FACTOR,
    ENABLE_SECOND_FACTOR,
    REPLACE_RECOVERY_CODES,
    RESET_SECOND_FACTOR,
    SPEND_RECOVERY_CODE,
    DisableSecondFactor,
    EnableSecondFactor,
    ReplaceRecoveryCodes,
    ResetSecondFactor,
    SpendRecoveryCode,
)
from kernel.mail_jobs import CHANGE_MAIL, CONFIRM_MAIL, ChangeMail, ConfirmMail
from kernel.names import AUTHENTICATED_ROLE
from kernel.people.store import find_person
from kernel.person_jobs import SAVE_API_TOKEN, SAVE_PERSON, SaveApiToken, SavePerson
from kernel.user.account import create_user
from kernel.user.entry.code import digest_recovery_code, digest_recovery_codes
from kernel.user.entry.notices import NOTICES
from kernel.user.link_token import digest_link_token
from kernel.user.load import PERMISSIONS_TAG
from kernel.user.store import find_pass_hash, grant_permission
from kernel.user.token import USE_API_TOKENS
from tests.kernel.mail.conftest import open_post, serve_smtp
from tests.kernel.user.test_proof import find_token

CODE = "ABCDE-FGHJK-LMNPQ"


class Told:
    """What the server was given since it was last asked, as (recipient, subject, text)."""

    def __init__(self, mailbox):
        self.mailbox = mailbox

    def take(self):
        messages = [
            message_from_bytes(envelope.content, policy=default) for envelope in self.mailbox.envelopes
        ]
        self.mailbox.envelopes.clear()
        return [(m["To"], m["Subject"], m.get_body(["plain"]).get_content()) for m in messages]


@pytest.fixture
async def ada(database):
    return await create_user(database, name="Ada", password="correct horse battery", mail="ada@example.org")


@pytest.fixture
async def opened(with_server, renderer):
    async with serve_smtp() as (mailbox, port), open_post(with_server(port), renderer) as post:
        yield post, Told(mailbox)


async def set_up(post, user_id):
    setup = {"secret": "S" * 32, "recovery": digest_recovery_codes([CODE]), "step": 5}
    key = post.rt.shared.key("second-factor", "setup", str(user_id), "mine")
    await post.rt.shared.client.set(key, orjson.dumps(setup), px=60_000)


async def test_a_letter_tells_of_each_change_of_the_second_factor(opened, ada):
    post, told = opened
    actor, boss = Actor(ada.id), await create_user(post.rt.db, name="boss", password=None, is_admin=True)
    spent = SpendRecoveryCode(ada.id, digest_recovery_code(CODE).hex())
    on = ENABLE_SECOND_FACTOR, EnableSecondFactor(ada.id, "mine")
    off = DISABLE_SECOND_FACTOR, DisableSecondFactor(ada.id)
    for kind, payload, by, subject, words in (
        (*on, actor, "The second factor is on at", "can keep you out"),
        (SPEND_RECOVERY_CODE, spent, actor, "A recovery code was used at", "It was the last one."),
        (SPEND_RECOVERY_CODE, spent, actor, "", ""),
        (
            *(REPLACE_RECOVERY_CODES, ReplaceRecoveryCodes(ada.id, digest_recovery_codes([CODE]))),
            *(actor, "New recovery codes at", "old ones are good for nothing"),
        ),
        (*off, actor, "The second factor is off at", "https://example.org/user/password-reset"),
        (*off, actor, "", ""),
        (*on, actor, "The second factor is on at", "https://example.org"),
        (
            *(RESET_SECOND_FACTOR, ResetSecondFactor(ada.id), Actor(boss.id)),
            *("The second factor was turned off at", "Somebody who runs the site"),
        ),
        (RESET_SECOND_FACTOR, ResetSecondFactor(ada.id), Actor(boss.id), "", ""),
    ):
        await set_up(post, ada.id)
        await post.do(kind, payload, by)
        letters = told.take()
        assert [(to, about) for to, about, _ in letters] == (
            [("ada@example.org", f"{subject} {post.rt.config.site_name}")] if subject else []
        ), kind.name
        assert all(words in text and "Hello Ada," in text and CODE not in text for _, _, text in letters)
    async with post.rt.db.acquire() as conn:
        events = await conn.fetch("SELECT action FROM audit_event ORDER BY id")
    actions = [row["action"] for row in events]
    assert actions.count("account.second_factor_reset") == 1
    assert actions.count("account.recovery_codes_new") == 1


async def test_a_letter_tells_of_a_new_password_and_of_another_address_at_the_old_one(opened, ada):
    post, told = opened
    boss = await create_user(post.rt.db, name="boss", password="a long sentence", is_admin=True)

    async def set_password(pass_hash, **options):
        async with post.rt.db.acquire() as conn:
            old = await find_pass_hash(conn, ada.id)
        payload = SetPassword(ada.id, pass_hash, replaces=old, **options)
        assert (await post.do(SET_PASSWORD, payload, Actor(ada.id))).result["outcome"] == "saved"

    async def save(**changes):
        async with post.rt.db.acquire() as conn:
            person = await find_person(conn, ada.id)
        same = {"user_id": ada.id, "seen": person.digest(), "name": "Ada", "mail": person.user.mail}
        payload = SavePerson(**{**same, "is_active": True, "is_admin": False, "role_ids": [], **changes})
        assert (await post.do(SAVE_PERSON, payload, Actor(boss.id))).result["outcome"] == "saved"

    await set_password("a hash", is_rehash=True)
    assert told.take() == []
    await set_password("another hash")
    ((to, subject, text),) = told.take()
    assert (to, subject) == ("ada@example.org", f"A new password was set at {post.rt.config.site_name}")
    assert "https://example.org/user/password-reset" in text
    await post.do(CHANGE_MAIL, ChangeMail("new@example.org"), Actor(ada.id))
    asked, _ = told.take()
    digest = digest_link_token(find_token(asked[2])).hex()
    await post.do(CONFIRM_MAIL, ConfirmMail(digest), Actor(ada.id))
    ((to, _, text),) = told.take()
    assert to == "ada@example.org"
    assert "goes to another address" in text
    assert "new@example.org" not in text
    # By an administrator.
    await save(pass_hash="a third hash", mail="third@example.org")
    assert sorted((to, subject.split(" at ")[0]) for to, subject, _ in told.take()) == [
        ("new@example.org", "A new password was set"),
        ("new@example.org", "Another address for your account"),
    ]
    await save()
    await save(mail=None)
    assert [to for to, _, _ in told.take()] == ["third@example.org"]
    # Nobody is told who has no address.
    await set_password("a fourth hash")
    assert told.take() == []
    assert len({notice.kind for notice in NOTICES}) == len(NOTICES)
    assert all(len(notice.kind) <= 32 for notice in NOTICES)


async def test_a_letter_tells_of_what_others_can_come_in_with(opened, ada):
    post, told = opened
    boss = await create_user(post.rt.db, name="boss", password=None, is_admin=True)
    new = SaveApiToken(uuid7(), ada.id, "ab" * 32, "Nightly", now() + timedelta(days=1), None)
    async with post.rt.db.acquire() as conn:
        await grant_permission(conn, AUTHENTICATED_ROLE, USE_API_TOKENS)
    await post.rt.cache.drop([PERMISSIONS_TAG])
    for kind, payload, by in (
        (SAVE_API_TOKEN, new, boss),
        (SAVE_API_TOKEN, replace(new, token_id=uuid7(), digest="cd" * 32), ada),
        (RECORD_LOGIN, RecordLogin(ada.id, now(), is_by_link=True), ada),
        (RECORD_LOGIN, RecordLogin(ada.id, now()), ada),
    ):
        assert (await post.do(kind, payload, Actor(by.id))).result["outcome"] == "saved"
    made, used = told.take()
    assert (made[0], "It is called “Nightly”." in made[2]) == ("ada@example.org", True)
    assert "one-time link" in used[2]
