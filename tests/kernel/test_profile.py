"""A profile adds up over the tasks of one request, and of that request alone."""

import asyncio

from kernel.profile import begin_profile, find_profile, note_time


async def test_time_of_all_tasks_of_a_request_is_added_up():
    profile = begin_profile()

    async def part():
        note_time("database", 0.010)
        note_time("taps", 0.002)

    await asyncio.gather(part(), part())
    note_time("database", 0.005, count=0)
    assert profile.as_fields() == {
        "database_ms": 25.0,
        "database_count": 2,
        "taps_ms": 4.0,
        "taps_count": 2,
    }


async def test_requests_at_the_same_time_do_not_mix():
    async def request(seconds):
        profile = begin_profile()
        await asyncio.sleep(0)
        note_time("redis", seconds)
        await asyncio.sleep(0)
        return profile.seconds["redis"]

    assert await asyncio.gather(request(0.1), request(0.2)) == [0.1, 0.2]


async def test_outside_a_request_nothing_is_kept():
    async def outside():
        note_time("render", 1.0)
        return find_profile()

    assert await asyncio.create_task(outside()) is None


async def test_the_header_has_a_part_for_what_happened():
    profile = begin_profile()
    note_time("render", 0.0123)
    render, total = profile.as_server_timing().split(", total")
    assert render == 'render;dur=12.3;desc="render, 1"'
    assert total.startswith(";dur=")
