"""Sessions: what is stored of them, how long, and who gets them."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from kernel.clock import now
from kernel.errors import TooLarge, Unavailable
from kernel.shared.connection import Shared
from kernel.shared.session import ANONYMOUS_TTL_S, MAX_FLASHES, Sessions

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


@pytest.mark.parametrize(
    ("user_id", "ttl_s"), [(ALICE, TTL_S), (None, ANONYMOUS_TTL_S)], ids=["user", "stranger"]
)
async def test_a_session_ends_when_it_is_not_used(sessions, redis_client, user_id, ttl_s):
    session = await sessions.create(user_id=user_id)
    await sessions.add_flash(session, "status", "hello")
    for key in sessions._keys(session.key):
        assert ttl_s - 5 < redis_client.ttl(key) <= ttl_s


async def test_use_renews_a_session_once_a_quarter_of_its_life_has_passed(sessions, redis_client):
    session = await sessions.create(user_id=ALICE)
    key = sessions._keys(session.key)[0]
    redis_client.expire(key, int(TTL_S * 0.76))
    await sessions.load(session.id)
    assert redis_client.ttl(key) <= TTL_S * 0.76
    redis_client.expire(key, int(TTL_S * 0.74))
    await sessions.load(session.id)
    assert redis_client.ttl(key) > TTL_S - 5


async def test_saving_does_not_change_how_long_a_session_lives(sessions, redis_client):
    session = await sessions.create(user_id=ALICE)
    key = sessions._keys(session.key)[0]
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
        sessions.add_flash(session, "status", "hello"),
    ):
        with pytest.raises(Unavailable):
            await write
    own_redis.start()
    again = await sessions.create(user_id=ALICE)
    assert (await sessions.load(again.id))[0] == again
    await shared.close()
