"""Who is locked out after failed logins, for how long, and who is not."""

import asyncio
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from kernel.errors import Unavailable
from kernel.shared.connection import Shared
from kernel.user.entry.lockout import (
    FAILURES_MAX,
    LOCK_MS,
    WINDOW_MS,
    Locked,
    begin_attempt,
    build_attempt,
    fail_attempt,
    find_network,
    pass_attempt,
)

ADA, BOB = uuid4(), uuid4()
ATTACKER, HOME = "203.0.113.9", "192.0.2.7"


@pytest.fixture
async def shared(redis_url, redis_prefix):
    shared = await Shared.open(redis_url, redis_prefix)
    yield shared
    await shared.close()


def attempt(user_id=ADA, *, name="ada", address=ATTACKER, device=None):
    return build_attempt(user_id=user_id, name=name, address=address, device=device)


async def fail(shared, times, **about):
    for _ in range(times):
        tried = attempt(**about)
        await begin_attempt(shared, tried)
        await fail_attempt(shared, tried)


async def is_locked(shared, **about):
    tried = attempt(**about)
    try:
        await begin_attempt(shared, tried)
    except Locked:
        return True
    await pass_attempt(shared, tried, is_whole=False)
    return False


@pytest.mark.story("2.8")
async def test_five_failures_lock_an_account_for_a_while_wherever_they_come_from(
    shared, redis_client, redis_prefix
):
    for number in range(FAILURES_MAX):
        assert not await is_locked(shared, address=HOME)
        await fail(shared, 1, address=f"198.51.100.{number}")
    with pytest.raises(Locked) as locked:
        await begin_attempt(shared, attempt(address=HOME))
    assert locked.value.message == (
        "Account temporarily locked after too many failed attempts. Try again in 15 minutes."
    )
    assert (locked.value.status, locked.value.code) == (429, "locked")
    assert locked.value.wait_s == pytest.approx(900, abs=2)
    keys = list(redis_client.scan_iter(f"{redis_prefix}:login:*"))
    assert keys
    assert all(840_000 < redis_client.pttl(key) <= 900_000 for key in keys)
    # Somebody else, from where one of them came, is not concerned.
    assert not await is_locked(shared, user_id=BOB, address="198.51.100.1")


@pytest.mark.story("2.8")
async def test_a_lock_ends_when_its_time_is_over(shared, redis_client, redis_prefix):
    await fail(shared, FAILURES_MAX)
    for key in redis_client.scan_iter(f"{redis_prefix}:login:lock:*"):
        redis_client.delete(key)  # as its time to live does
    assert not await is_locked(shared)
    await fail(shared, FAILURES_MAX - 1)
    assert not await is_locked(shared)


@pytest.mark.story("2.8")
@pytest.mark.parametrize(("minutes", "still_count"), [(14, True), (15, False)])
async def test_failures_count_for_a_quarter_of_an_hour(
    shared, redis_client, redis_prefix, minutes, still_count
):
    assert (FAILURES_MAX, WINDOW_MS, LOCK_MS) == (5, 900_000, 900_000)
    await fail(shared, 4)
    for key in redis_client.scan_iter(f"{redis_prefix}:login:failures:*"):
        for member, score in redis_client.zrange(key, 0, -1, withscores=True):
            redis_client.zadd(key, {member: score - minutes * 60_000})
    await fail(shared, 1)
    assert await is_locked(shared) == still_count


async def test_one_address_that_tries_every_name_is_locked_and_its_names_are_not(shared):
    for number in range(FAILURES_MAX):
        await fail(shared, 1, user_id=None, name=f"name {number}", address="2001:db8::1")
    assert await is_locked(shared, user_id=BOB, address="2001:db8::ffff")
    assert not await is_locked(shared, user_id=BOB, address="2001:db8:0:1::1")
    assert not await is_locked(shared, user_id=None, name="name 0", address=HOME)


@pytest.mark.story("2.8")
async def test_a_name_that_does_not_exist_locks_in_the_same_way(shared):
    for number, name in enumerate(["nobody", "Nobody", "NOBODY", "nobody", "nobody"]):
        await fail(shared, 1, user_id=None, name=name, address=f"198.51.100.{number}")
    with pytest.raises(Locked, match=r"Account temporarily locked .* in 15 minutes"):
        await begin_attempt(shared, attempt(user_id=None, name="noBODY", address=HOME))


async def test_nobody_elses_failures_keep_a_person_from_a_known_device_out(shared):
    await fail(shared, FAILURES_MAX)
    await fail(shared, FAILURES_MAX, user_id=BOB, address=HOME)
    assert await is_locked(shared, address=HOME)
    assert not await is_locked(shared, address=HOME, device="x" * 22)
    # It is counted by itself, for this account alone.
    await fail(shared, FAILURES_MAX, address=HOME, device="x" * 22)
    assert await is_locked(shared, address=HOME, device="x" * 22)
    assert not await is_locked(shared, address=HOME, device="y" * 22)
    assert not await is_locked(shared, user_id=BOB, address=HOME, device="x" * 22)


async def test_a_success_forgets_the_failures_of_its_account_alone(shared):
    await fail(shared, FAILURES_MAX - 1)
    tried = attempt()
    await begin_attempt(shared, tried)
    await pass_attempt(shared, tried)
    await fail(shared, FAILURES_MAX - 1)
    assert not await is_locked(shared)
    # Whoever has an account himself cannot use it to guess at others for ever.
    own = attempt(user_id=BOB)
    await begin_attempt(shared, own)
    await pass_attempt(shared, own)
    await fail(shared, 1, user_id=uuid4())
    assert await is_locked(shared, user_id=BOB)


async def test_a_right_password_before_the_code_forgets_nothing(shared):
    await fail(shared, FAILURES_MAX - 1)
    tried = attempt(address=HOME)
    await begin_attempt(shared, tried)
    await pass_attempt(shared, tried, is_whole=False)
    await fail(shared, 1, address=HOME)
    assert await is_locked(shared, address=HOME)


async def test_a_hundred_attempts_at_once_are_five_guesses(shared):
    tries = [attempt(address=f"198.51.100.{number}") for number in range(100)]
    begun = await asyncio.gather(*(begin_attempt(shared, one) for one in tries), return_exceptions=True)
    assert [type(answer) for answer in begun].count(Locked) == 100 - FAILURES_MAX
    await asyncio.gather(*(fail_attempt(shared, one) for one in tries[:1]))
    # Those that are still under way lock nobody by themselves, and are forgotten with a process that stopped.
    through = [one for one, answer in zip(tries, begun, strict=True) if answer is None]
    for one in through:
        await pass_attempt(shared, one, is_whole=False)
    assert not await is_locked(shared)


async def test_what_a_process_left_behind_is_soon_forgotten(shared, redis_client, redis_prefix):
    for _ in range(FAILURES_MAX):
        await begin_attempt(shared, attempt())
    assert await is_locked(shared)
    for key in redis_client.scan_iter(f"{redis_prefix}:login:failures:*"):
        for member, score in redis_client.zrange(key, 0, -1, withscores=True):
            redis_client.zadd(key, {member: score - 31_000})
    assert not await is_locked(shared)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7%eth0", "192.0.2.7"),
        ("64:ff9b::192.0.2.7", "192.0.2.7"),
        ("2002:c000:207:9::1", "192.0.2.7"),
        ("fe80::7%eth0", "fe80::/64"),
        ("fe80::8", "fe80::/64"),
        ("unknown", "unknown"),
    ],
    ids=[
        "four",
        "six",
        "another-six",
        "mapped",
        "mapped-card",
        "translated",
        "six-to-four",
        "card",
        "no-card",
        "none",
    ],
)
def test_what_counts_as_one_place(address, network):
    assert find_network(address) == network


async def test_names_are_not_kept(shared, redis_client, redis_prefix):
    await fail(shared, 1, user_id=None, name="correct horse battery", address=HOME)
    keys = list(redis_client.scan_iter(f"{redis_prefix}:login:*"))
    kept = b"".join(key + redis_client.dump(key) for key in keys)
    assert b"correct" not in kept


@pytest.mark.adversity
async def test_without_redis_nobody_is_let_through(redis_prefix):
    nobody_listens = Shared(Redis(host="127.0.0.1", port=1), redis_prefix)
    with pytest.raises(Unavailable):
        await begin_attempt(nobody_listens, attempt())
    await nobody_listens.close()
