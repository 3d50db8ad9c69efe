"""A window lets in what it allows in any stretch of its length, for all processes together."""

import asyncio
from dataclasses import replace

import pytest

from kernel.shared.rate_limit import OTHERS, RateLimits, Window, describe_shares, find_refusal
from kernel.shared.tally import Tallies

TALLY = "refused"


async def take(limits, *windows, refusal="somebody"):
    named = [replace(window, refusal=f"{refusal} {window.name}") for window in windows]
    return await limits.take(named, tally=TALLY, keep_tally_s=60)


async def age(shared, window, ms):
    """What the window let in was let in so much earlier."""
    key = shared.key("rate", window.name, window.who)
    moments = await shared.client.lrange(key, 0, -1)
    for place, moment in enumerate(moments):
        await shared.client.lset(key, place, int(moment) - ms)


@pytest.mark.story("14.1")
async def test_two_processes_let_in_together_what_the_window_allows(open_process):
    first, second = await open_process(), await open_process()
    window = Window("forms", "ada", 5, 60)
    answers = await asyncio.gather(
        *(take(RateLimits(process.shared), window) for _ in range(10) for process in (first, second))
    )
    let_in = [shares for shares in answers if find_refusal(shares) is None]
    assert sorted(shares[0].remaining for shares in let_in) == [0, 1, 2, 3, 4]
    assert await Tallies(first.shared).read([TALLY]) == {"somebody forms": 15}


async def test_a_request_leaves_the_window_when_its_time_has_passed_and_not_before(process):
    limits, window = RateLimits(process.shared), Window("forms", "ada", 2, 60)
    await take(limits, window)
    await age(process.shared, window, 40_000)
    await take(limits, window)
    refused = find_refusal(await take(limits, window))
    assert 19 < refused.wait_s <= 20
    await age(process.shared, window, 19_000)
    assert find_refusal(await take(limits, window)) is not None
    await age(process.shared, window, 2_000)
    shares = await take(limits, window)
    # The second request, 21 s ago, and this one.
    assert find_refusal(shares) is None
    assert shares[0].remaining == 0
    assert 38 < shares[0].reset_s <= 39


async def test_who_is_refused_by_one_window_uses_nothing_of_the_others(process):
    limits = RateLimits(process.shared)
    narrow, wide = Window("login", "192.0.2.1", 1, 60), Window("forms", "ada", 10, 3_600)
    await take(limits, narrow, wide)
    shares = await take(limits, narrow, wide)
    assert find_refusal(shares).window.name == narrow.name
    assert await Tallies(process.shared).read([TALLY]) == {"somebody login": 1}
    assert (await take(limits, wide))[0].remaining == 8


async def test_a_lower_limit_counts_what_was_let_in_before_it_and_a_higher_one_lets_in_more(process):
    limits = RateLimits(process.shared)
    for _ in range(4):
        await take(limits, Window("forms", "ada", 4, 60))
    assert find_refusal(await take(limits, Window("forms", "ada", 2, 60))) is not None
    assert (await take(limits, Window("forms", "ada", 6, 60)))[0].remaining == 1


async def test_nothing_is_kept_for_longer_than_its_window(process):
    window = Window("forms", "ada", 3, 60)
    await take(RateLimits(process.shared), window)
    ttl_ms = await process.shared.client.pttl(process.shared.key("rate", "forms", "ada"))
    assert 59_000 < ttl_ms <= 60_000


async def test_the_tally_of_refusals_stays_bounded(process, monkeypatch):
    monkeypatch.setattr("kernel.shared.rate_limit.REFUSALS_MAX", 2)
    limits, window = RateLimits(process.shared), Window("forms", "ada", 1, 60)
    await take(limits, window)
    for name in ("a", "b", "c", "d", "a"):
        await take(limits, window, refusal=name)
    assert await Tallies(process.shared).read([TALLY]) == {"a forms": 2, "b forms": 1, OTHERS: 2}


async def test_the_headers_say_what_is_allowed_and_what_is_left(process):
    limits = RateLimits(process.shared)
    windows = (Window("login", "192.0.2.1", 5, 60), Window("forms", "ada", 30, 60))
    assert describe_shares(await take(limits, *windows)) == {
        "RateLimit-Policy": '"login";q=5;w=60, "forms";q=30;w=60',
        "RateLimit": '"login";r=4;t=60, "forms";r=29;t=60',
    }
