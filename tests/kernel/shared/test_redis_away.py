"""The cache while Redis is down, hangs, is full, and after it is back."""

import asyncio
import signal
import time

import pytest

from kernel.errors import Unavailable

pytestmark = pytest.mark.adversity


async def test_a_restart_ends_what_was_cached_before_it(open_process, own_redis, heard):
    one = await open_process(url=own_redis.url, poll_s=0.05)
    two = await open_process(url=own_redis.url, poll_s=0.05)
    before = one.cache.generation()
    await one.cache.put("k", b"old", ["t"], 60, before)
    assert await two.cache.get("k") == b"old"
    own_redis.stop()
    with pytest.raises(Unavailable):
        await one.cache.drop(["t"])
    own_redis.start()
    await heard(lambda: min(one.cache.generation(), two.cache.generation()) > before)
    assert await one.cache.get("k") is None
    assert await two.cache.get("k") is None
    await heard(lambda: one.bus.connected and two.bus.connected)
    await one.cache.put("k", b"new", ["t"], 60, one.cache.generation())
    assert await two.cache.get("k") == b"new"
    await one.cache.drop(["t"])
    await heard(lambda: two.cache.generation() == one.cache.generation())
    assert await two.cache.get("k") is None


async def test_a_restart_from_an_old_snapshot_brings_nothing_back(open_process, own_redis, heard):
    one = await open_process(url=own_redis.url, poll_s=0.05)
    await one.cache.put("k", b"old", ["t"], 60, one.cache.generation())
    own_redis.command("SAVE")
    await one.cache.drop(["t"])
    before = one.cache.generation()
    own_redis.stop()
    own_redis.start()
    assert own_redis.command("EXISTS", one.cache._entry_key("k")) == 1
    newcomer = await open_process(url=own_redis.url)
    assert await newcomer.cache.get("k") is None
    await heard(lambda: one.cache.generation() > before)
    assert await one.cache.get("k") is None


async def test_without_redis_local_entries_end_within_a_second(open_process, own_redis, heard):
    process = await open_process(url=own_redis.url, poll_s=0.2)
    process.cache.put_local("k", "v", ["t"], 60, process.cache.generation())
    assert process.cache.get_local("k") == "v"
    own_redis.stop()
    stopped_at = time.monotonic()
    await heard(lambda: process.cache.get_local("k") is None)
    assert time.monotonic() - stopped_at < 1.05
    own_redis.start()


async def test_without_redis_reads_and_puts_are_quiet(open_process, own_redis):
    process = await open_process(url=own_redis.url)
    cache = process.cache
    own_redis.stop()
    await cache.put("k", b"v", [], 60, cache.generation())
    assert await cache.get("k") is None
    await cache.observe(cache.generation() + 1)
    await cache.refresh()
    assert not cache.drops.is_fresh()


async def test_a_server_that_hangs_holds_up_one_request_and_not_the_others(open_process, own_redis, heard):
    process = await open_process(url=own_redis.url, poll_s=0.05)
    own_redis._server.send_signal(signal.SIGSTOP)
    try:
        await heard(lambda: process.cache._is_away)
        started = time.monotonic()
        for number in range(100):
            assert await process.cache.get(f"k{number}") is None
        assert time.monotonic() - started < 0.1
    finally:
        own_redis._server.send_signal(signal.SIGCONT)
    await heard(lambda: not process.cache._is_away)
    await process.cache.put("k", b"v", [], 60, process.cache.generation())
    assert await process.cache.get("k") == b"v"


async def test_a_full_server_refuses_drops_loudly(open_process, own_redis):
    process = await open_process(url=own_redis.url)
    own_redis.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(Unavailable) as caught:
        await process.cache.drop(["t"])
    assert "OutOfMemoryError" in caught.value.detail
    own_redis.command("CONFIG", "SET", "maxmemory", "0")
    await process.cache.drop(["t"])


async def test_an_evicted_state_takes_every_entry_with_it(open_process, own_redis):
    """Were tags keys of their own, the eviction of one would bring back what it had dropped."""
    process = await open_process(url=own_redis.url)
    cache = process.cache
    old = cache.generation()
    await cache.put("k", b"v", ["t"], 60, old)
    own_redis.command("DEL", cache._state)
    assert await cache.fetch("k") is None
    assert not await cache.store("k", b"v", ["t"], 60, old)
    await cache.refresh()
    assert not await cache.store("k", b"v", ["t"], 60, old)
    assert await cache.store("k", b"v", ["t"], 60, cache.generation())


async def test_closing_while_redis_hangs_takes_no_longer_than_a_command(open_process, own_redis):
    process = await open_process(url=own_redis.url, poll_s=0.01)
    own_redis._server.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(0.05)
        started = time.monotonic()
        await process.cache.close()
        await process.bus.close()
        assert time.monotonic() - started < 2.5
    finally:
        own_redis._server.send_signal(signal.SIGCONT)
