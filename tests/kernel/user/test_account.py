"""Accounts are made with every mistake named, and the first administrator exactly once."""

import asyncio
from dataclasses import asdict

import pytest

from kernel.context import Actor
from kernel.errors import Invalid
from kernel.jobs import SET_PASSWORD, SetPassword
from kernel.ledger.submit import submit_job
from kernel.names import ANONYMOUS_ID
from kernel.user.account import check_new_password, create_user, ensure_administrator
from kernel.user.login import Source, log_in
from kernel.user.password import hash_password
from kernel.user.store import find_pass_hash, find_user, find_user_by_name, list_users
from tests.kernel.user.conftest import PASSWORD


@pytest.mark.story("2.2")
async def test_the_table_of_users_has_its_columns_and_the_anonymous_user_is_nil(conn):
    columns = await conn.fetch(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'users'"
    )
    types = {row["column_name"]: row["data_type"] for row in columns}
    assert set(types) == {
        *("id", "name", "pass", "mail", "is_admin", "created", "access", "login"),
        *("status", "timezone", "language", "data", "awaits_approval", "device_epoch", "skeleton", "twin"),
    }
    assert (types["id"], types["is_admin"], types["data"]) == ("uuid", "boolean", "jsonb")
    assert ANONYMOUS_ID.int == 0
    row = await conn.fetchrow("SELECT name, pass, is_admin FROM users WHERE id = $1", ANONYMOUS_ID)
    assert tuple(row) == ("", None, False)


@pytest.mark.story("2.2")
async def test_a_user_is_stored_with_a_hash_and_read_back(database):
    user = await create_user(database, name=" Ada  Lovelace ", password=PASSWORD, mail="ada@example.org")
    assert user.id.version == 7
    assert (user.name, user.mail, user.is_admin, user.is_active) == (
        "Ada Lovelace",
        "ada@example.org",
        False,
        True,
    )
    assert (user.access, user.login, user.timezone, user.language) == (None, None, "", "en")
    async with database.acquire() as conn:
        assert await find_user(conn, user.id) == user
        assert await find_user_by_name(conn, "ada lovelace") == user
        pass_hash = await find_pass_hash(conn, user.id)
    assert pass_hash.startswith("$argon2id$")
    assert PASSWORD not in pass_hash
    # What travels through the program has no hash in it.
    assert pass_hash not in str(asdict(user))


@pytest.mark.story("2.2")
async def test_any_user_may_be_an_administrator_and_the_first_is_nobody_special(database):
    first = await create_user(database, name="first", password=None)
    second = await create_user(database, name="second", password=None, is_admin=True)
    assert (first.is_admin, second.is_admin) == (False, True)


async def test_every_mistake_is_named_at_once(database):
    with pytest.raises(Invalid) as raised:
        await create_user(database, name="Ad\u200ba", password="short", mail="nowhere")
    assert raised.value.problems == {
        "name": "A username may not hold the character U+200B, which cannot be seen.",
        "mail": "'nowhere' is no e-mail address. Write it like ada@example.org.",
        "password": "Use 10 characters or more; this password has 5.",
    }
    async with database.acquire() as conn:
        assert await list_users(conn) == []


@pytest.mark.parametrize("name", ["Ada", "ada", "ADA", "\uff21da", " Ada"], ids=ascii)
async def test_a_name_is_given_once(database, ada, name):
    with pytest.raises(Invalid) as raised:
        await create_user(database, name=name, password=None)
    assert list(raised.value.problems) == ["name"]


async def test_case_is_ignored_in_other_scripts_too(database):
    await create_user(database, name="Ωμέγα", password=None)
    with pytest.raises(Invalid, match="attention"):
        await create_user(database, name="ωΜΈΓΑ", password=None)


@pytest.mark.parametrize(
    "mail",
    ["", "a", "@example.org", "a@b", "a@.org.", "a b@example.org", "a@exa\nmple.org", "a" * 250 + "@x.org"],
)
async def test_what_is_no_address_is_refused(database, mail):
    with pytest.raises(Invalid) as raised:
        await create_user(database, name="Ada", password=None, mail=mail)
    assert list(raised.value.problems) == ["mail"]


async def test_users_are_listed_by_name_without_the_anonymous_one(database):
    for name in ("bob", "Ada", "Cleo"):
        await create_user(database, name=name, password=None)
    async with database.acquire() as conn:
        assert [user.name for user in await list_users(conn)] == ["Ada", "bob", "Cleo"]
        assert [user.name for user in await list_users(conn, limit=2)] == ["Ada", "bob"]


async def test_processes_that_start_together_make_one_administrator(database):
    users = await asyncio.gather(*(ensure_administrator(database) for _ in range(5)))
    assert len({user.id for user in users}) == 1
    assert (users[0].name, users[0].is_admin, users[0].has_password) == ("admin", True, False)
    async with database.acquire() as conn:
        assert len(await list_users(conn)) == 1
        (told,) = await conn.fetch("SELECT action, actor_name, subject_label FROM audit_event")
    assert tuple(told) == ("account.create", "the command line", "admin")


async def test_an_administrator_who_may_log_in_is_found_again(database):
    boss = await create_user(database, name="boss", password=None, is_admin=True)
    assert await ensure_administrator(database) == boss
    async with database.acquire() as conn:
        await conn.execute("UPDATE users SET status = 0 WHERE id = $1", boss.id)
    assert (await ensure_administrator(database)).name == "admin"


async def test_a_name_that_somebody_has_is_not_taken_from_them(database):
    await create_user(database, name="Admin", password=None)
    assert (await ensure_administrator(database)).name == "admin 2"


async def test_a_password_is_changed_by_a_job_that_never_holds_it(rt, ctx, ada, database, run_jobs):
    pass_hash, older = await hash_password("a new password"), await hash_password("an older password")
    async with database.acquire() as conn:
        old = await find_pass_hash(conn, ada.id)
    own = ctx.acting_as(Actor(ada.id))
    for asked, replaces, new_hash, expected in (
        (ctx, old, pass_hash, "forbidden"),
        (own, None, pass_hash, "conflict"),
        (own, old, pass_hash, "saved"),
        # One that was given up and is tried again brings no older password back.
        (own, old, older, "conflict"),
    ):
        payload = SetPassword(ada.id, new_hash, replaces=replaces)
        await submit_job(rt.ledger, asked, SET_PASSWORD, payload)
        job = (await run_jobs())[-1]
        assert (job.result["outcome"], job.payload) == (expected, {})
    entered = await log_in(rt, ctx, "Ada", "a new password", Source("192.0.2.7"))
    assert entered.user.id == ada.id


async def test_the_anonymous_user_gets_no_password(rt, ctx, database, run_jobs):
    await submit_job(rt.ledger, ctx, SET_PASSWORD, SetPassword(ANONYMOUS_ID, await hash_password(PASSWORD)))
    (job,) = await run_jobs()
    assert job.result["outcome"] == "conflict"
    async with database.acquire() as conn:
        assert await find_pass_hash(conn, ANONYMOUS_ID) is None


def test_a_new_password_is_typed_twice():
    assert check_new_password("ten chars.", "ten chars.") == {}
    assert check_new_password("short", "other") == {
        "password": "Use 10 characters or more; this password has 5."
    }
    assert check_new_password("ten chars.", "ten chars!") == {
        "again": "The two passwords differ. Type the new password twice."
    }
