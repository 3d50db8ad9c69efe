"""Sessions: what is stored of them, how long, and who gets them."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from kernel.clock import now
from kernel.errors import LoginRequired, TooLarge, Unavailable
from kernel.shared.connection import Shared
from kernel.shared.session import ANONYMOUS_TTL_S, MAX_FLASHES, MAX_SESSIONS, SEEN_MS, Client, Sessions

ALICE = UUID("0197a3c0-0000-7000-8000-000000000001")
BOB = UUID("0197a3c0-0000-7000-8000-000000000002")
TTL_S = 86_400.0


@pytest.fixture
def sessions(shared):
    return Sessions(shared, TTL_S)


@pytest.mark.story("2.5")
async def test_a_session_comes_back_as_it_was_made(sessions):
    made = await sessions.create(user_id=ALICE, data={"greeting": "ä"})
    loaded, _ = await sessions.load(made.id)
    assert loaded == made
    assert loaded.active_stage == "live"
    assert now() - loaded.created < timedelta(seconds=5)
    assert len(loaded.secret) == 43
    assert loaded.secret != loaded.id


@pytest.mark.story("2.5")
async def test_the_active_stage_is_kept(sessions):
    made = await sessions.create(user_id=ALICE)
    await sessions.save(replace(made, active_stage="spring", data={"n": 1}))
    loaded, _ = await sessions.load(made.id)
    assert (loaded.active_stage, loaded.data) == ("spring", {"n": 1})
    assert (loaded.id, loaded.secret, loaded.user_id) == (made.id, made.secret, ALICE)


async def test_the_id_is_nowhere_in_redis(sessions, redis_client, redis_prefix):
    made = await sessions.create(user_id=ALICE)
    await sessions.add_flash(made, "status", "hello")
    stored = b"".join(redis_client.dump(key) + key for key in redis_client.scan_iter(f"{redis_prefix}:*"))
    assert made.id.encode() not in stored
    assert made.key.encode() in stored
    assert made.id not in repr(made)
    assert made.secret not in repr(made)


@pytest.mark.parametrize(
    "session_id",
    ["", "x", "a" * 43, "a" * 44, "a" * 42 + "/", "../" * 20, "ä" * 43, "a" * 42 + "\n", "\ud800"],
    ids=ascii,
)
async def test_what_is_no_session_of_ours_is_none(sessions, session_id):
    session, _ = await sessions.load(session_id)
    assert session is None


async def test_the_cache_generation_comes_along(process):
    sessions = Sessions(process.shared, TTL_S)
    made = await sessions.create(user_id=ALICE)
    _, before = await sessions.load(made.id)
    assert before == process.cache.generation()
    await process.cache.drop(["t"])
    _, after = await sessions.load(made.id)
    assert after == process.cache.generation() > before
    _, unknown = await sessions.load("a" * 43)
    assert unknown == after


@pytest.mark.story("2.4")
async def test_a_deleted_session_is_gone_and_stays_gone(sessions, redis_client, redis_prefix):
    made = await sessions.create(user_id=ALICE)
    await sessions.add_flash(made, "status", "hello")
    await sessions.delete(made)
    assert (await sessions.load(made.id))[0] is None
    # Another tab that loaded it before goes on to write.
    await sessions.save(made)
    await sessions.add_flash(made, "status", "late")
    assert list(redis_client.scan_iter(f"{redis_prefix}:session:*")) == []


@pytest.mark.story("2.3")
async def test_a_login_changes_id_and_secret_and_keeps_what_a_stranger_had(sessions):
    stranger = await sessions.create(user_id=None, data={"destination": "/x"})
    await sessions.add_flash(stranger, "status", "please log in")
    alice = await sessions.rotate(stranger, user_id=ALICE)
    assert (await sessions.load(stranger.id))[0] is None
    loaded, _ = await sessions.load(alice.id)
    assert loaded.user_id == ALICE
    assert loaded.data == {"destination": "/x"}
    assert len({stranger.id, alice.id, stranger.secret, alice.secret}) == 4
    assert await sessions.take_flashes(alice) == [{"kind": "status", "text": "please log in"}]


async def test_nothing_of_one_user_goes_to_another(sessions, redis_client, redis_prefix):
    alice = await sessions.create(user_id=ALICE, active_stage="spring", data={"secret": 1})
    await sessions.add_flash(alice, "status", "for alice")
    bob = await sessions.rotate(alice, user_id=BOB)
    loaded, _ = await sessions.load(bob.id)
    assert (loaded.active_stage, loaded.data, loaded.has_flashes) == ("live", {}, False)
    assert len(list(redis_client.scan_iter(f"{redis_prefix}:session:*"))) == 1


async def test_rotating_without_a_session_makes_one(sessions):
    alice = await sessions.rotate(None, user_id=ALICE)
    assert (await sessions.load(alice.id))[0] == alice


async def test_flashes_are_given_out_once_in_order_and_bounded(sessions):
    session = await sessions.create(user_id=ALICE)
    assert not session.has_flashes
    for number in range(MAX_FLASHES + 2):
        await sessions.add_flash(session, "status", f"message {number}")
    loaded, _ = await sessions.load(session.id)
    assert loaded.has_flashes
    given = await asyncio.gather(*(sessions.take_flashes(loaded) for _ in range(5)))
    assert [len(flashes) for flashes in given if flashes] == [MAX_FLASHES]
    assert max(given, key=len)[-1] == {"kind": "status", "text": f"message {MAX_FLASHES + 1}"}
    assert not (await sessions.load(session.id))[0].has_flashes


@pytest.mark.story("2.10")
@pytest.mark.parametrize(
    ("whose", "ttl_s"),
    [
        pytest.param({"user_id": ALICE}, TTL_S, id="user"),
        pytest.param({"user_id": ALICE, "is_remembered": True}, 30 * 86_400, id="remembered"),
        pytest.param({"user_id": None}, ANONYMOUS_TTL_S, id="stranger"),
        pytest.param(
            {"user_id": None, "is_remembered": True}, ANONYMOUS_TTL_S, id="stranger-who-wants-to-stay"
        ),
    ],
)
async def test_a_session_ends_when_it_is_not_used(sessions, redis_client, key_of, whose, ttl_s):
    session = await sessions.create(**whose)
    await sessions.add_flash(session, "status", "hello")
    for key in (key_of(session), key_of(session) + ":flashes"):
        assert ttl_s - 5 < redis_client.ttl(key) <= ttl_s


@pytest.fixture
def key_of(redis_prefix):
    return lambda session: f"{redis_prefix}:session:{session.key}"


async def test_use_renews_a_session_every_few_minutes(sessions, redis_client, redis_prefix, key_of):
    session = await sessions.create(user_id=ALICE)
    listed, key = f"{redis_prefix}:sessions:{ALICE}", key_of(session)
    redis_client.pexpire(key, int(TTL_S * 1000) - SEEN_MS + 5_000)
    assert not (await sessions.load(session.id))[0].is_renewed
    assert redis_client.ttl(key) <= TTL_S - 294
    redis_client.pexpire(key, int(TTL_S * 1000) - SEEN_MS - 5_000)
    redis_client.zadd(listed, {session.key: 1.0})
    assert (await sessions.load(session.id))[0].is_renewed
    assert redis_client.ttl(key) > TTL_S - 5
    assert redis_client.zscore(listed, session.key) / 1000 > now().timestamp() + TTL_S - 5


async def test_a_short_session_is_renewed_once_a_quarter_of_its_life_has_passed(shared, redis_client, key_of):
    sessions = Sessions(shared, 100.0)
    session = await sessions.create(user_id=ALICE)
    redis_client.expire(key_of(session), 74)
    await sessions.load(session.id)
    assert redis_client.ttl(key_of(session)) > 95


async def test_a_person_has_a_list_of_sessions(sessions, redis_client, redis_prefix, key_of):
    phone = await sessions.create(
        user_id=ALICE, client=Client("Safari on iPhone", "192.0.2.7"), is_remembered=True
    )
    home = await sessions.rotate(None, user_id=ALICE, client=Client("Firefox on Linux", "2001:db8::7"))
    await sessions.create(user_id=BOB)
    await sessions.create(user_id=None)
    redis_client.pexpire(key_of(home), int(TTL_S * 1000) - 120_000)
    first, second = await sessions.list_own(ALICE)
    assert (first.key, first.client, first.is_remembered) == (
        phone.key,
        Client("Safari on iPhone", "192.0.2.7"),
        True,
    )
    assert (second.key, second.client, second.is_remembered) == (
        home.key,
        Client("Firefox on Linux", "2001:db8::7"),
        False,
    )
    assert timedelta(seconds=118) < now() - second.seen < timedelta(seconds=125)
    assert second.created == home.created
    # One that has ended is not in it, whether its time came or its key was lost.
    redis_client.zadd(f"{redis_prefix}:sessions:{ALICE}", {phone.key: 1.0})
    redis_client.delete(key_of(home))
    assert await sessions.list_own(ALICE) == []
    assert redis_client.zcard(f"{redis_prefix}:sessions:{ALICE}") == 0


async def test_another_id_takes_the_place_of_the_old_one_in_the_list(sessions):
    old = await sessions.create(user_id=ALICE)
    new = await sessions.rotate(old, user_id=ALICE)
    assert [session.key for session in await sessions.list_own(ALICE)] == [new.key]
    bob = await sessions.rotate(new, user_id=BOB)
    # What ended it meanwhile is not undone, and a stranger's session that is gone keeps nobody out.
    with pytest.raises(LoginRequired):
        await sessions.rotate(new, user_id=ALICE)
    assert await sessions.list_own(ALICE) == []
    assert [session.key for session in await sessions.list_own(BOB)] == [bob.key]


@pytest.mark.story("2.4")
async def test_one_session_or_all_of_a_person_end(sessions, redis_client, redis_prefix):
    mine, lost, other = [await sessions.create(user_id=ALICE) for _ in range(3)]
    bob = await sessions.create(user_id=BOB)
    assert not await sessions.delete_own(ALICE, bob.key)
    assert not await sessions.delete_own(ALICE, "x:../*")
    assert await sessions.delete_own(ALICE, lost.key)
    assert (await sessions.load(lost.id))[0] is None
    await sessions.add_flash(other, "status", "hello")
    assert await sessions.delete_all(ALICE, but=mine.key) == 1
    assert [session.key for session in await sessions.list_own(ALICE)] == [mine.key]
    assert await sessions.delete_all(ALICE) == 1
    assert await sessions.delete_all(ALICE) == 0
    assert (await sessions.load(bob.id))[0] is not None
    names = {key.decode() for key in redis_client.scan_iter(f"{redis_prefix}:session*")}
    assert names == {f"{redis_prefix}:session:{bob.key}", f"{redis_prefix}:sessions:{BOB}"}


async def test_a_person_has_no_more_sessions_than_can_be_shown(sessions):
    made = [await sessions.create(user_id=ALICE) for _ in range(MAX_SESSIONS + 2)]
    kept = {session.key for session in await sessions.list_own(ALICE)}
    assert len(kept) == MAX_SESSIONS
    assert made[-1].key in kept
    assert (await sessions.load(made[0].id))[0] is None


async def test_saving_does_not_change_how_long_a_session_lives(sessions, redis_client, key_of):
    session = await sessions.create(user_id=ALICE)
    key = key_of(session)
    redis_client.expire(key, 1000)
    await sessions.save(session)
    assert redis_client.ttl(key) <= 1000


async def test_a_session_does_not_become_a_store(sessions):
    session = await sessions.create(user_id=ALICE)
    with pytest.raises(TooLarge):
        await sessions.save(replace(session, data={"much": "x" * 20_000}))
    assert (await sessions.load(session.id))[0] == session


@pytest.mark.adversity
async def test_without_redis_a_reader_is_a_stranger_and_a_writer_is_told(own_redis, redis_prefix):
    shared = await Shared.open(own_redis.url, redis_prefix)
    sessions = Sessions(shared, TTL_S)
    session = await sessions.create(user_id=ALICE)
    own_redis.stop()
    assert await sessions.load(session.id) == (None, 0)
    assert await sessions.take_flashes(session) == []
    for write in (
        sessions.create(user_id=ALICE),
        sessions.save(session),
        sessions.rotate(session, user_id=ALICE),
        sessions.delete(session),
        sessions.delete_own(ALICE, session.key),
        sessions.delete_all(ALICE),
        sessions.list_own(ALICE),
        sessions.add_flash(session, "status", "hello"),
    ):
        with pytest.raises(Unavailable):
            await write
    own_redis.start()
    again = await sessions.create(user_id=ALICE)
    assert (await sessions.load(again.id))[0] == again
    await shared.close()
