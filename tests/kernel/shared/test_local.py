"""The tier inside a process: its bounds, and what it no longer gives out."""

import pytest

from kernel.shared.drops import Drops
from kernel.shared.local import ENTRY_BYTES, TAG_BYTES, LocalTier


@pytest.fixture
def drops():
    drops = Drops()
    drops.apply(100, 0, 100, {})
    drops.fresh_until = float("inf")
    return drops


def put(tier, key, *, tags=(), generation=100, size_bytes=10, ttl_s=60):
    return tier.put(key, key.upper(), tags, ttl_s, generation, size_bytes=size_bytes)


def test_the_least_recently_used_leaves_first(drops):
    tier = LocalTier(drops, max_entries=2, max_bytes=10_000)
    put(tier, "a")
    put(tier, "b")
    assert tier.get("a") == "A"
    put(tier, "c")
    assert [tier.get(key) for key in "abc"] == ["A", None, "C"]


def test_bytes_are_bounded_and_counted(drops):
    each = 10 + 1 + ENTRY_BYTES + TAG_BYTES
    tier = LocalTier(drops, max_entries=100, max_bytes=3 * each)
    for key in "abcd":
        assert put(tier, key, tags=["t"])
    assert len(tier) == 3
    assert tier.bytes_used == 3 * each
    assert put(tier, "d", tags=["t"])
    assert tier.bytes_used == 3 * each
    assert not put(tier, "e", size_bytes=3 * each)
    assert len(tier) == 3


def test_a_dropped_entry_is_gone_and_its_bytes_too(drops):
    tier = LocalTier(drops, max_entries=10, max_bytes=10_000)
    put(tier, "a", tags=["t"])
    drops.apply(100, 100, 101, {"t": 101})
    assert tier.get("a") is None
    assert tier.bytes_used == 0
    assert not put(tier, "a", tags=["t"], generation=100)
    assert put(tier, "a", tags=["t"], generation=101)


def test_an_unrelated_drop_leaves_an_entry(drops):
    tier = LocalTier(drops, max_entries=10, max_bytes=10_000)
    put(tier, "a", tags=["t"])
    drops.apply(100, 100, 101, {"u": 101})
    assert tier.get("a") == "A"


def test_without_news_nothing_is_served_and_nothing_is_lost(drops):
    tier = LocalTier(drops, max_entries=10, max_bytes=10_000)
    put(tier, "a")
    drops.fresh_until = 0.0
    assert tier.get("a") is None
    drops.fresh_until = float("inf")
    assert tier.get("a") == "A"


@pytest.mark.parametrize("ttl_s", [0, -1])
def test_what_has_no_life_left_is_not_kept(drops, ttl_s):
    tier = LocalTier(drops, max_entries=10, max_bytes=10_000)
    assert not put(tier, "a", ttl_s=ttl_s)
    assert len(tier) == 0


def test_an_expired_entry_is_not_given_out(drops):
    tier = LocalTier(drops, max_entries=10, max_bytes=10_000)
    put(tier, "a", ttl_s=1e-9)
    assert tier.get("a") is None
    assert tier.bytes_used == 0
