"""Passwords are hashed with Argon2id, beside the event loop, and checked in the same time for any reason."""

import asyncio
import time

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from kernel.user.password import (
    DUMMY_HASH,
    check_password,
    hash_password,
    needs_rehash,
    verify_password,
)


@pytest.mark.story("2.2")
async def test_a_password_is_kept_as_an_argon2id_hash_with_a_salt_of_its_own():
    one, two = await asyncio.gather(hash_password("open sesame"), hash_password("open sesame"))
    assert one != two
    parameters = extract_parameters(one)
    assert parameters.type is Type.ID
    # What the OWASP cheat sheet asks for at least: 19 MiB, two passes, one lane.
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19_456, 2, 1)
    assert (parameters.salt_len, parameters.hash_len) == (16, 32)
    assert await verify_password(one, "open sesame")
    assert not await verify_password(one, "open sesame ")


async def test_an_accent_fits_however_the_keyboard_sends_it():
    stored = await hash_password("caf\u00e9 au lait")
    assert await verify_password(stored, "cafe\u0301 au lait")


@pytest.mark.parametrize(
    ("stored", "password"),
    [
        pytest.param(None, "open sesame", id="no-hash"),
        pytest.param("", "open sesame", id="empty-hash"),
        pytest.param("$argon2id$v=19$nonsense", "open sesame", id="broken-hash"),
        pytest.param("plain text", "plain text", id="not-a-hash"),
        pytest.param(DUMMY_HASH, "", id="empty"),
        pytest.param(DUMMY_HASH, "\ud800", id="surrogate"),
        pytest.param(DUMMY_HASH, "p" * 1_000_000, id="endless"),
    ],
)
async def test_what_does_not_fit_is_refused_without_an_error(stored, password):
    assert await verify_password(stored, password) is False


async def test_a_password_too_long_to_have_been_set_does_not_fit_its_beginning():
    stored = await hash_password("p" * 500)
    assert await verify_password(stored, "p" * 500)
    assert not await verify_password(stored, "p" * 501)


async def test_only_hashes_of_other_parameters_are_replaced():
    assert not needs_rehash(DUMMY_HASH)
    assert not needs_rehash(await hash_password("open sesame"))
    assert needs_rehash(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("open sesame"))
    assert needs_rehash("not a hash")


async def test_the_event_loop_goes_on_while_passwords_are_checked():
    checking = asyncio.gather(*(verify_password(None, "open sesame") for _ in range(8)))
    turns = 0
    while not checking.done():
        await asyncio.sleep(0)
        turns += 1
    await checking
    # Eight checks take 80 ms at least; a blocked loop would have had a turn for each at most.
    assert turns > 100


async def test_a_check_without_a_hash_takes_as_long_as_one_with():
    stored = await hash_password("open sesame")

    async def least_work(pass_hash):
        """In seconds of this process' threads, however busy the machine is."""
        times = []
        for _ in range(5):
            begun = time.process_time()
            await verify_password(pass_hash, "wrong password")
            times.append(time.process_time() - begun)
        return min(times)

    ratio = await least_work(None) / await least_work(stored)
    assert 0.5 < ratio < 2


@pytest.mark.parametrize(
    ("password", "complaint"),
    [
        ("", "Use 10 characters or more; this password has 0."),
        ("nine char", "Use 10 characters or more; this password has 9."),
        ("ten chars.", ""),
        ("p" * 500, ""),
        ("p" * 501, "Use 500 characters at most; this password has 501."),
    ],
    ids=["empty", "short", "just-enough", "longest", "too-long"],
)
def test_a_new_password_is_long_enough_and_nothing_else_is_asked_of_it(password, complaint):
    assert check_password(password) == complaint
