"""The two tiers between processes: what one drops no other serves, whatever is lost on the way."""

import asyncio
import time

import pytest

from kernel.shared.cache import DROP_CHUNK, MAX_LISTED, MAX_TAGS, Built, NewEntry, stage_key
from kernel.shared.cache_scripts import STATE_KEY
from kernel.shared.corner import Corner


async def test_what_one_process_puts_another_gets(open_process):
    one, two = await open_process(), await open_process()
    await one.cache.put("k", b"\x00value", ["t"], 60, one.cache.generation())
    assert await two.cache.get("k") == b"\x00value"
    # The second time it does not leave the process.
    await two.shared.client.flushdb()
    assert await two.cache.get("k") == b"\x00value"


async def test_a_drop_reaches_the_other_process_by_message(open_process, heard):
    one, two = await open_process(), await open_process()
    await one.cache.put("k", b"v", ["t", "u"], 60, one.cache.generation())
    assert await two.cache.get("k") == b"v"
    started = time.monotonic()
    await one.cache.drop(["t"])
    assert await one.cache.get("k") is None
    await heard(lambda: two.cache.generation() == one.cache.generation())
    assert time.monotonic() - started < 0.1
    assert await two.cache.get("k") is None


async def test_a_drop_leaves_other_tags_alone(process):
    cache = process.cache
    await cache.put("k", b"v", ["t"], 60, cache.generation())
    await cache.drop(["other"])
    assert await cache.get("k") == b"v"
    assert (await cache.fetch("k")).value == b"v"


async def test_a_lost_message_is_noticed_within_a_second(open_process, heard):
    one = await open_process()
    deaf = await open_process(poll_s=0.5, hears=False)
    await one.cache.put("k", b"v", ["t"], 60, one.cache.generation())
    assert await deaf.cache.get("k") == b"v"
    await one.cache.drop(["t"])
    dropped_at = time.monotonic()
    assert await deaf.cache.get("k") == b"v"
    await heard(lambda: deaf.cache._local.get("shared:k") is None)
    assert time.monotonic() - dropped_at < 1.0
    assert await deaf.cache.get("k") is None


async def test_local_entries_end_when_redis_was_not_heard_of_for_a_second(open_process):
    process = await open_process(poll_s=3600.0)
    cache = process.cache
    await cache.refresh()
    cache.put_local("k", "v", ["t"], 60, cache.generation())
    assert cache.get_local("k") == "v"
    cache.drops.fresh_until = time.monotonic() - 0.001
    assert cache.get_local("k") is None
    await cache.refresh()
    assert cache.get_local("k") == "v"
    assert 0.9 < cache.drops.fresh_until - time.monotonic() <= 1.0


async def test_observing_a_newer_generation_catches_up_first(open_process):
    one, deaf = await open_process(), await open_process(hears=False)
    await one.cache.put("k", b"v", ["t"], 60, one.cache.generation())
    deaf.cache.put_local("l", "v", ["t"], 60, deaf.cache.generation())
    assert await deaf.cache.get("k") == b"v"
    await one.cache.drop(["t"])
    await deaf.cache.observe(one.cache.generation())
    assert deaf.cache.generation() == one.cache.generation()
    assert await deaf.cache.get("k") is None
    assert deaf.cache.get_local("l") is None


async def test_observing_an_older_generation_changes_nothing(process):
    cache = process.cache
    await cache.put("k", b"v", ["t"], 60, cache.generation())
    before = cache.generation()
    await cache.observe(before - 5)
    await cache.observe(0)
    assert cache.generation() == before
    assert await cache.get("k") == b"v"


async def test_a_gap_between_messages_is_seen_and_filled(open_process, heard):
    one, two = await open_process(), await open_process(hears=False)
    for key, tag in (("a", "x"), ("b", "y")):
        await one.cache.put(key, b"v", [tag], 60, one.cache.generation())
        assert await two.cache.get(key) == b"v"
    await one.cache.drop(["x"])
    before = one.cache.generation()
    await one.cache.drop(["y"])
    message = {"epoch": str(one.cache.drops.epoch), "since": str(before), "tags": "y"}
    two.cache._hear_drop({**message, "generation": str(one.cache.generation())})
    assert two.cache.generation() < before
    await heard(lambda: two.cache.generation() == one.cache.generation())
    assert await two.cache.get("a") is None


async def test_a_slow_reader_cannot_store_what_was_dropped(open_process):
    one, two = await open_process(), await open_process(hears=False)
    generation = one.cache.generation()
    slow = two.cache.generation()
    await one.cache.drop(["t"])
    await one.cache.put("k", b"old", ["t"], 60, generation)
    one.cache.put_local("k", "old", ["t"], 60, generation)
    await two.cache.put("k", b"old", ["t"], 60, slow)
    assert await one.cache.get("k") is None
    assert await two.cache.get("k") is None
    assert one.cache.get_local("k") is None
    assert await one.cache.store("k", b"new", ["t"], 60, one.cache.generation())


async def test_a_drop_of_many_tags_reaches_everybody(open_process, heard):
    one, two = await open_process(), await open_process()
    tags = [f"t{number}" for number in range(DROP_CHUNK * 2 + 1)]
    for key, tag in (("first", tags[0]), ("last", tags[-1])):
        await one.cache.put(key, b"v", [tag], 60, one.cache.generation())
        assert await two.cache.get(key) == b"v"
    await one.cache.drop(tags)
    await heard(lambda: two.cache.generation() == one.cache.generation())
    assert [await two.cache.get(key) for key in ("first", "last")] == [None, None]


async def test_who_missed_more_than_can_be_listed_starts_over(open_process):
    one, deaf = await open_process(), await open_process(hears=False)
    await deaf.cache.put("k", b"v", ["unrelated"], 60, deaf.cache.generation())
    await one.cache.drop([f"t{number}" for number in range(MAX_LISTED + 1)])
    await deaf.cache.refresh()
    assert deaf.cache.drops.floor == deaf.cache.generation() == one.cache.generation()
    assert deaf.cache._local.get("shared:k") is None
    # Redis still knows that nothing of it was dropped.
    assert await deaf.cache.get("k") == b"v"


@pytest.mark.parametrize("flushes", [1, 2])
async def test_a_flush_ends_everything_older(open_process, flushes, redis_prefix, redis_client):
    one, deaf = await open_process(), await open_process(hears=False)
    generation = one.cache.generation()
    await one.cache.put("k", b"v", ["t"], 60, generation)
    assert await deaf.cache.get("k") == b"v"
    for _ in range(flushes):
        redis_client.delete(*redis_client.scan_iter(f"{redis_prefix}:*"))
        await one.cache.refresh()
        await deaf.cache.refresh()
    assert await one.cache.get("k") is None
    assert await deaf.cache.get("k") is None
    await one.cache.put("k", b"old", ["t"], 60, generation)
    assert await deaf.cache.get("k") is None
    await one.cache.put("k", b"new", ["t"], 60, one.cache.generation())
    assert await deaf.cache.get("k") == b"new"


async def test_a_drop_after_a_flush_is_heard_by_those_who_did_not_see_the_flush(
    open_process, heard, redis_prefix, redis_client
):
    one, two = await open_process(), await open_process()
    two.cache.put_local("l", "v", ["t"], 60, two.cache.generation())
    redis_client.delete(*redis_client.scan_iter(f"{redis_prefix}:*"))
    await one.cache.drop(["u"])
    await heard(lambda: two.cache.generation() == one.cache.generation())
    assert two.cache.get_local("l") is None


async def test_a_server_that_lost_drops_is_not_believed(open_process, redis_client):
    """As after a restart from an old snapshot, or a replica that took over."""
    one, two = await open_process(), await open_process(hears=False)
    state = one.shared.key(*STATE_KEY)
    await one.cache.put("k", b"old", ["t"], 60, one.cache.generation())
    snapshot = redis_client.dump(state)
    entry = redis_client.dump(one.cache._entry_key("k"))
    await one.cache.drop(["t"])
    redis_client.restore(state, 0, snapshot, replace=True)
    redis_client.restore(one.cache._entry_key("k"), 0, entry, replace=True)
    assert await one.cache.get("k") is None
    redis_client.restore(one.cache._entry_key("k"), 0, entry, replace=True)
    await one.cache.refresh()
    assert one.cache.drops.epoch == one.cache.generation()
    assert await two.cache.get("k") is None


async def test_a_new_process_does_not_believe_what_another_server_left(
    open_process, redis_client, redis_prefix
):
    one = await open_process()
    await one.cache.put("k", b"old", ["t"], 60, one.cache.generation())
    state = one.shared.key(*STATE_KEY)
    (run,) = (member for member in redis_client.zrange(state, 0, -1) if member.startswith(b"-run:"))
    redis_client.zrem(state, run)
    redis_client.zadd(state, {"-run:another": -1})
    two = await open_process()
    assert two.cache.generation() > one.cache.generation()
    assert await two.cache.get("k") is None


async def test_a_second_process_of_the_same_server_keeps_what_is_there(open_process):
    one = await open_process()
    await one.cache.put("k", b"v", ["t"], 60, one.cache.generation())
    two = await open_process()
    assert two.cache.generation() == one.cache.generation()
    assert await two.cache.get("k") == b"v"


async def test_old_drops_are_pruned(process, redis_client):
    state = process.shared.key(*STATE_KEY)
    redis_client.zadd(state, {"ancient": 1_000_000})
    await process.cache.drop(["t"])
    members = {member.split(b":")[0] for member in redis_client.zrange(state, 0, -1)}
    assert members == {b"-generation", b"-epoch", b"-run", b"t"}


async def test_a_value_may_not_outlive_what_is_remembered_of_drops(process, redis_client):
    cache = process.cache
    await cache.put("k", b"v", [], 10**9, cache.generation())
    assert redis_client.pttl(cache._entry_key("k")) <= 600_000
    (entry,) = cache._local._entries.values()
    assert entry.expires <= time.monotonic() + 600


@pytest.mark.parametrize(
    "key", ["", "a b", "\ud800", "x" * 100_000, "\n", "stage:live:x", "*"], ids=lambda key: ascii(key[:12])
)
async def test_any_text_may_be_a_key_or_a_tag(process, key):
    cache = process.cache
    await cache.put(key, b"v", [key], 60, cache.generation())
    assert (await cache.fetch(key)).value == b"v"
    assert await cache.fetch(key + "x") is None
    await cache.drop([key])
    assert await cache.get(key) is None
    assert await cache.fetch(key) is None


async def test_a_value_with_too_many_tags_is_not_kept(process):
    cache = process.cache
    await cache.put("most", b"v", [f"t{n}" for n in range(MAX_TAGS)], 60, cache.generation())
    await cache.put("more", b"v", [f"t{n}" for n in range(MAX_TAGS + 1)], 60, cache.generation())
    assert await cache.get("most") == b"v"
    assert await cache.get("more") is None


async def test_dropping_nothing_is_no_drop(process):
    before = process.cache.generation()
    await process.cache.drop([])
    assert process.cache.generation() == before


async def test_generations_only_grow(open_process):
    one, two = await open_process(), await open_process()
    seen = [one.cache.generation()]
    for number in range(50):
        await (one, two)[number % 2].cache.drop(["t"])
        seen.append((one, two)[number % 2].cache.generation())
    assert seen == sorted(set(seen))


async def test_local_and_shared_keys_do_not_meet(process):
    cache = process.cache
    await cache.put("k", b"shared", [], 60, cache.generation())
    cache.put_local("k", "local", [], 60, cache.generation())
    assert await cache.get("k") == b"shared"
    assert cache.get_local("k") == "local"


def test_only_stages_have_a_prefix():
    assert stage_key("live", "page:/") == "page:/"
    assert stage_key("spring", "page:/") == "stage:spring:page:/"


async def test_a_stampede_builds_once(process):
    builds = []
    go_on = asyncio.Event()

    async def build():
        builds.append(1)
        await go_on.wait()
        return Built(b"v", ["t"])

    asked = [asyncio.create_task(process.cache.get_or_build("k", build, 60)) for _ in range(50)]
    while not builds:
        await asyncio.sleep(0)
    # Somebody who comes later, and whose lookup in Redis is answered, still shares the build under way.
    assert await process.cache.get("k") is None
    go_on.set()
    assert await asyncio.gather(*asked) == [b"v"] * 50
    assert len(builds) == 1
    assert await process.cache.get_or_build("k", build, 60) == b"v"
    assert len(builds) == 1


async def test_a_build_begun_before_a_drop_is_not_shared_after_it(process):
    values = iter([b"old", b"new"])
    go_on = asyncio.Event()
    begun = asyncio.Event()

    async def build():
        value = next(values)
        if value == b"old":
            begun.set()
            await go_on.wait()
        return Built(value, ["t"])

    first = asyncio.create_task(process.cache.get_or_build("k", build, 60))
    await begun.wait()
    await process.cache.drop(["t"])
    assert await process.cache.get_or_build("k", build, 60) == b"new"
    go_on.set()
    assert await first == b"old"
    assert await process.cache.get("k") == b"new"


async def test_when_the_builder_leaves_another_takes_over(process):
    begun = asyncio.Queue()
    go_on = asyncio.Event()

    async def build():
        begun.put_nowait(asyncio.current_task())
        await go_on.wait()
        return Built(b"v", [])

    asked = [asyncio.create_task(process.cache.get_or_build("k", build, 60)) for _ in range(3)]
    builder = await begun.get()
    builder.cancel()
    second = await begun.get()
    assert second is not builder
    go_on.set()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(result) for result in results].count(asyncio.CancelledError) == 1
    assert results.count(b"v") == 2


async def test_a_failed_build_fails_everybody_and_is_not_remembered(process):
    begun = asyncio.Event()
    go_on = asyncio.Event()

    async def fail():
        begun.set()
        await go_on.wait()
        raise ValueError("no")

    async def build():
        return Built(b"v", [])

    asked = [asyncio.create_task(process.cache.get_or_build("k", fail, 60)) for _ in range(3)]
    await begun.wait()
    go_on.set()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(result) for result in results] == ["no", "no", "no"]
    assert await process.cache.get_or_build("k", build, 60) == b"v"


async def test_lookups_are_counted_by_tier(process):
    cache = process.cache
    await cache.get("k")
    await cache.put("k", b"v", [], 60, cache.generation())
    await cache.get("k")
    sample = process.metrics.registry.get_sample_value
    counted = {
        (tier, outcome): sample("trovato_cache_lookups_total", {"tier": tier, "outcome": outcome})
        for tier, outcome in (("local", "hit"), ("local", "miss"), ("shared", "miss"), ("shared", "hit"))
    }
    assert counted == {
        ("local", "hit"): 1.0,
        ("local", "miss"): 1.0,
        ("shared", "miss"): 1.0,
        ("shared", "hit"): None,
    }


async def test_from_a_corner_that_is_full_goes_what_was_put_there_first(process):
    cache = process.cache
    full, other = Corner("full", 3, 100), Corner("other", 3, 100)

    async def put(corner, *entries):
        new = [NewEntry(key, b"x" * size, ["t"], 60) for key, size in entries]
        return await cache.store_many(new, cache.generation(), corner)

    async def list_kept():
        keys = ["a", "b", "c", "d", "e", "beside"]
        return [key for key, entry in zip(keys, await cache.fetch_many(keys), strict=True) if entry]

    assert await put(other, ("beside", 90)) == 1
    assert await put(full, ("a", 10), ("b", 10), ("c", 10)) == 3
    # Put again, it is the newest; too many now.
    assert [await put(full, ("a", 20)), await put(full, ("d", 10))] == [1, 1]
    assert await list_kept() == ["a", "c", "d", "beside"]
    # Too many bytes: only what has to go does.
    assert await put(full, ("e", 75)) == 1
    assert await list_kept() == ["d", "e", "beside"]
    # What does not count any more, because Redis lost the list, leaves no false sum behind.
    await process.shared.client.delete(process.shared.key("cache", "listed", "full"))
    assert await put(full, ("a", 90)) == 1
    assert await list_kept() == ["a", "d", "e", "beside"]
    # Nobody remembers a corner in which nothing lives any more.
    assert 0 < await process.shared.client.pttl(process.shared.key("cache", "sizes", "full")) <= 3_600_000
