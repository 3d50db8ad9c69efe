"""Who may log in, that a refusal tells nothing, and what is recorded."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from argon2 import PasswordHasher, extract_parameters

from kernel.errors import LoginRequired, NotFound
from kernel.shared.refusals import read_refusal
from kernel.user.entry.lockout import FAILURES_MAX, Locked
from kernel.user.load import load_user
from kernel.user.login import (
    LOGIN_REFUSED,
    LoginOver,
    Source,
    log_in,
    log_in_by_link,
    require_login_holds,
    verify_own_password,
)
from kernel.user.login_link import consume_login_link, create_login_link, find_login_link
from kernel.user.password import HASHER, needs_rehash
from kernel.user.store import find_pass_hash
from kernel.user.ways_in import end_ways_in
from tests.kernel.user.conftest import PASSWORD

HOME = Source("192.0.2.7")


async def block(database, user):
    async with database.acquire() as conn:
        await conn.execute("UPDATE users SET status = 0 WHERE id = $1", user.id)


async def set_hash(database, user, pass_hash):
    async with database.acquire() as conn:
        await conn.execute("UPDATE users SET pass = $2, status = 1 WHERE id = $1", user.id, pass_hash)


async def list_jobs(database):
    async with database.acquire() as conn:
        return await conn.fetch("SELECT kind, payload FROM job ORDER BY created, id")


@pytest.mark.story("2.3")
async def test_the_right_password_logs_in_and_the_time_is_recorded(rt, ctx, ada, run_jobs, monkeypatch):
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    monkeypatch.setattr("kernel.clock.now", lambda: at)
    assert (await log_in(rt, ctx, "Ada", PASSWORD, HOME)).user == ada
    (job,) = await run_jobs()
    assert (job.kind, job.actor_id, job.request_id) == ("record_login", ada.id, "request-1")
    assert job.result == {"outcome": "saved"}
    user = await load_user(rt, ada.id)
    assert (user.login, user.access) == (at, at)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("ada", id="small"),
        pytest.param("ADA", id="capitals"),
        pytest.param("  Ada ", id="with-spaces"),
        pytest.param("\uff21\uff44\uff41", id="full-width"),
    ],
)
async def test_a_name_is_found_however_it_is_written(rt, ctx, ada, name):
    assert (await log_in(rt, ctx, name, PASSWORD, HOME)).user.id == ada.id


@pytest.mark.story("2.3")
@pytest.mark.parametrize(
    "entered",
    [
        pytest.param(("Ada", "wrong password"), id="wrong-password"),
        pytest.param(("Ada", ""), id="no-password"),
        pytest.param(("Ada", PASSWORD.upper()), id="another-case"),
        pytest.param(("Ada", "p" * 100_000), id="endless-password"),
        pytest.param(("Ada", "\ud800\x00"), id="unstorable-password"),
        pytest.param(("Bob", PASSWORD), id="unknown-name"),
        pytest.param(("", ""), id="the-anonymous-user"),
        pytest.param(("A\x00da", PASSWORD), id="unstorable-name"),
        pytest.param(("\ud800", PASSWORD), id="surrogate-name"),
        pytest.param(("A" * 100_000, PASSWORD), id="endless-name"),
    ],
)
async def test_every_refusal_is_the_same(rt, ctx, ada, database, entered):
    with pytest.raises(LoginRequired) as raised:
        await log_in(rt, ctx, *entered, HOME)
    assert (raised.value.message, raised.value.status) == (LOGIN_REFUSED, 401)
    assert [job["kind"] for job in await list_jobs(database)] == ["note_login_failure"]


@pytest.mark.story("2.3")
async def test_every_login_hashes_once_whoever_is_named_and_is_refused_alike(
    rt, ctx, ada, database, monkeypatch
):
    """Hashing takes longer than all the rest, so that a login without it would be known by its time."""
    verify, work = PasswordHasher.verify, []

    def watch(hasher, stored_hash, password):
        work.append(extract_parameters(stored_hash))
        return verify(hasher, stored_hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", watch)
    wrong = "wrong password"
    for name, password in (("Bob", PASSWORD), ("\x00", wrong), ("Ada", wrong), ("Ada", "p" * 100_000)):
        with pytest.raises(LoginRequired, match=LOGIN_REFUSED):
            await log_in(rt, ctx, name, password, HOME)
    for is_blocked in (True, False):
        # From elsewhere, before that is too much for one place.
        await (block(database, ada) if is_blocked else set_hash(database, ada, None))
        with pytest.raises(LoginRequired, match=LOGIN_REFUSED):
            await log_in(rt, ctx, "Ada", PASSWORD, Source("198.51.100.7"))
    assert work == [extract_parameters(HASHER.hash("any"))] * 6
    assert [job["kind"] for job in await list_jobs(database)] == ["note_login_failure"] * 6


async def test_a_hash_of_older_parameters_is_replaced_after_a_login(rt, ctx, ada, database, run_jobs):
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await set_hash(database, ada, old)
    await log_in(rt, ctx, "Ada", PASSWORD, HOME)
    assert [job["kind"] for job in await list_jobs(database)] == ["set_password", "record_login"]
    await run_jobs()
    async with database.acquire() as conn:
        fresh = await find_pass_hash(conn, ada.id)
    assert fresh != old
    assert not needs_rehash(fresh)
    assert (await log_in(rt, ctx, "Ada", PASSWORD, HOME)).user.id == ada.id
    assert [job["kind"] for job in await list_jobs(database)][2:] == ["record_login"]


async def test_a_login_holds_until_the_password_is_another_or_the_account_blocked(
    rt, ctx, ada, database, run_jobs
):
    await set_hash(database, ada, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD))
    step = await log_in(rt, ctx, "Ada", PASSWORD, HOME)
    await require_login_holds(rt, step)
    await run_jobs()
    # Hashed anew it is the same password.
    await require_login_holds(rt, step)
    await block(database, ada)
    with pytest.raises(LoginOver):
        await require_login_holds(rt, step)
    await set_hash(database, ada, "changed meanwhile")
    with pytest.raises(LoginOver):
        await require_login_holds(rt, step)


async def test_a_late_rehash_does_not_bring_back_an_old_password(rt, ctx, ada, database, run_jobs):
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await set_hash(database, ada, old)
    await log_in(rt, ctx, "Ada", PASSWORD, HOME)
    await set_hash(database, ada, "changed meanwhile")
    rehash, _ = await run_jobs()
    assert rehash.result["outcome"] == "conflict"
    async with database.acquire() as conn:
        assert await find_pass_hash(conn, ada.id) == "changed meanwhile"


async def test_a_flood_while_somebody_is_locked_out_is_one_row_of_the_ledger(
    rt, ctx, ada, database, redis_client
):
    for _ in range(FAILURES_MAX):
        with pytest.raises(LoginRequired):
            await log_in(rt, ctx, "Ada", "wrong password", HOME)
    elsewhere = [Source(f"198.51.100.{number}") for number in range(1, 151)]
    flood = [
        *[("Ada", HOME)] * 200,
        *[(f"name {number}", HOME) for number in range(150)],
        *[("Ada", source) for source in elsewhere],
    ]
    assert len(flood) == 500
    for name, source in flood:
        with pytest.raises(Locked):
            await log_in(rt, ctx, name, PASSWORD, source)

    async def count():
        async with database.acquire() as conn:
            return await conn.fetchval("SELECT count(*) FROM job WHERE payload->>'reason' = 'locked'")

    assert (len(await list_jobs(database)), await count()) == (FAILURES_MAX + 1, 1)
    # All of them are counted, by address, in what cron takes up.
    counted = Counter()
    for tally in redis_client.scan_iter(rt.shared.key("tally", "refused:*")):
        for field, number in redis_client.hgetall(tally).items():
            counted[read_refusal(field.decode())] += int(number)
    assert counted == {
        ("locked", "address", HOME.address): 350,
        **{("locked", "address", source.address): 1 for source in elsewhere},
    }
    # Told again once that time is over; nothing else is kept of whom it was told.
    marks = list(redis_client.scan_iter(rt.shared.key("refused", "*")))
    assert len(marks) == 2
    assert all(0 < redis_client.pttl(mark) <= 900_000 for mark in marks)
    redis_client.delete(*marks)
    for _ in range(2):
        with pytest.raises(Locked):
            await log_in(rt, ctx, "Ada", PASSWORD, HOME)
    assert await count() == 2


async def test_ones_own_password_is_asked_for_again(rt, ctx, ada, database):
    """Who guesses it in a session that was left open is locked out, and the audit log hears of that, once."""
    assert await verify_own_password(rt, ctx, ada, PASSWORD)
    for _ in range(5):
        assert not await verify_own_password(rt, ctx, ada, "wrong password")
    for _ in range(2):
        with pytest.raises(Locked):
            await verify_own_password(rt, ctx, ada, PASSWORD)
    assert [job["kind"] for job in await list_jobs(database)] == ["note_login_failure"]


async def test_a_link_logs_in_once(rt, ctx, ada, database):
    token = await create_login_link(rt, ada.id, 60)
    # Looking at its page does not spend it.
    assert [await find_login_link(rt, token) for _ in range(2)] == [ada.id, ada.id]
    assert (await log_in_by_link(rt, ctx, token, HOME)).user == ada
    ((kind, payload),) = [(job["kind"], job["payload"]) for job in await list_jobs(database)]
    # They are told of it by mail.
    assert (kind, payload["is_by_link"]) == ("record_login", True)
    assert await find_login_link(rt, token) is None
    with pytest.raises(NotFound):
        await log_in_by_link(rt, ctx, token, HOME)


async def test_of_many_presses_at_once_one_logs_in(rt, ada):
    token = await create_login_link(rt, ada.id, 60)
    answers = await asyncio.gather(*(consume_login_link(rt, token) for _ in range(20)))
    assert sorted(answers, key=str) == [ada.id] + [None] * 19


async def test_a_link_expires_and_its_token_is_not_stored(rt, ada, redis_client, redis_prefix):
    token = await create_login_link(rt, ada.id, 60)
    (key,) = redis_client.scan_iter(f"{redis_prefix}:login-link:*")
    assert token.encode() not in key + redis_client.get(key)
    assert 0 < redis_client.pttl(key) <= 60_000


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 43, id="guessed"),
        pytest.param("\ud800" * 43, id="surrogates"),
        pytest.param("../../x", id="path"),
        pytest.param("a" * 100_000, id="endless"),
    ],
)
async def test_a_link_that_was_never_made_is_none(rt, ctx, ada, token):
    assert await find_login_link(rt, token) is None
    with pytest.raises(NotFound):
        await log_in_by_link(rt, ctx, token, HOME)


@pytest.mark.parametrize("state", ["blocked", "deleted"])
async def test_a_link_for_an_account_that_is_gone_or_blocked_is_refused(rt, ctx, ada, database, state):
    user_id = ada.id if state == "blocked" else uuid4()
    await block(database, ada)
    token = await create_login_link(rt, user_id, 60)
    with pytest.raises(NotFound):
        await log_in_by_link(rt, ctx, token, HOME)
    assert await list_jobs(database) == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("pass = 'another'", id="new-password"),
        pytest.param("is_admin = true", id="administrator"),
        pytest.param("status = 0", id="blocked"),
    ],
)
async def test_a_link_is_for_the_account_as_it_was(rt, ctx, ada, database, change):
    token = await create_login_link(rt, ada.id, 60)
    async with database.acquire() as conn:
        await conn.execute(f"UPDATE users SET {change} WHERE id = $1", ada.id)
    assert await find_login_link(rt, token) is None
    with pytest.raises(NotFound):
        await log_in_by_link(rt, ctx, token, HOME)


async def test_whoever_ends_the_sessions_of_somebody_ends_their_links(rt, ada):
    first, second = [await create_login_link(rt, ada.id, ttl_s) for ttl_s in (60, 30)]
    await end_ways_in(rt, [ada.id])
    assert [await find_login_link(rt, token) for token in (first, second)] == [None, None]
