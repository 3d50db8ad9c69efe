"""Locks across processes: one holder at a time, its token, its fence."""

import asyncio

import pytest

from kernel.errors import Unavailable
from kernel.shared.connection import Shared
from kernel.shared.lock import Locks


@pytest.fixture
def locks(shared):
    return Locks(shared)


async def test_one_of_many_gets_it(locks):
    taken = [lock for lock in await asyncio.gather(*(locks.acquire("a", 60) for _ in range(20))) if lock]
    assert len(taken) == 1
    assert await locks.acquire("a", 60) is None
    assert await locks.acquire("b", 60) is not None


async def test_a_released_lock_can_be_had_again_with_a_larger_fence(locks):
    first = await locks.acquire("a", 60)
    assert await locks.release(first)
    second = await locks.acquire("a", 60)
    assert second.fence > first.fence
    assert second.token != first.token


async def test_only_the_holder_releases_and_extends(locks, redis_client, shared):
    first = await locks.acquire("a", 60)
    redis_client.delete(shared.key("lock", "a"))
    second = await locks.acquire("a", 60)
    assert not await locks.release(first)
    assert not await locks.extend(first, 60)
    assert await locks.extend(second, 120)
    assert 60 < redis_client.ttl(shared.key("lock", "a")) <= 120
    assert await locks.release(second)
    assert not await locks.release(second)
    assert not await locks.extend(second, 60)


async def test_a_lock_ends_by_itself(locks, redis_client, shared):
    first = await locks.acquire("a", 60)
    redis_client.pexpire(shared.key("lock", "a"), 1)
    while redis_client.exists(shared.key("lock", "a")):
        pass
    assert not await locks.extend(first, 60)
    assert (await locks.acquire("a", 60)).fence > first.fence


async def test_the_fence_grows_across_a_flush(locks, redis_client, shared):
    first = await locks.acquire("a", 60)
    redis_client.delete(shared.key("lock", "a"), shared.key("fence", "a"))
    assert (await locks.acquire("a", 60)).fence > first.fence


@pytest.mark.adversity
async def test_without_redis_nobody_holds_anything(own_redis, redis_prefix):
    shared = await Shared.open(own_redis.url, redis_prefix)
    locks = Locks(shared)
    lock = await locks.acquire("a", 60)
    own_redis.stop()
    for attempt in (locks.acquire("a", 60), locks.extend(lock, 60), locks.release(lock)):
        with pytest.raises(Unavailable):
            await attempt
    await shared.close()
