"""The cookie by which a browser is known again, and that nobody makes one up."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.user.entry.device import ACCOUNTS_MAX, find_device, remember_device

KEY = "the key of this site"
ADA, BOB = uuid4(), uuid4()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_device_is_known_for_its_accounts_and_no_other():
    cookie = remember_device(KEY, "", ADA, NOW)
    device = find_device(KEY, cookie, ADA, NOW)
    assert len(device) == 22
    assert find_device(KEY, cookie, BOB, NOW) is None
    both = remember_device(KEY, cookie, BOB, NOW)
    assert find_device(KEY, both, ADA, NOW) == device
    assert find_device(KEY, both, BOB, NOW) not in {None, device}


def test_it_stays_the_same_device_and_its_year_begins_anew():
    first = remember_device(KEY, "", ADA, NOW)
    later = NOW + timedelta(days=364)
    second = remember_device(KEY, first, ADA, later)
    assert second.count("~") == 0
    assert find_device(KEY, second, ADA, later + timedelta(days=364)) == find_device(KEY, first, ADA, NOW)
    assert find_device(KEY, first, ADA, NOW + timedelta(days=366)) is None
    # Nor is one known before it was given out.
    assert find_device(KEY, first, ADA, NOW - timedelta(days=1)) is None


def test_the_cookie_stays_small():
    cookie = remember_device(KEY, "", ADA, NOW)
    for _ in range(ACCOUNTS_MAX):
        cookie = remember_device(KEY, cookie, uuid4(), NOW)
    assert cookie.count("~") == ACCOUNTS_MAX - 1
    assert len(cookie) < 600
    assert find_device(KEY, cookie, ADA, NOW) is None


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1"), id="signature"),
        pytest.param(lambda cookie: "x" + cookie[1:], id="id"),
        pytest.param(lambda cookie: cookie.replace(".1772", ".1872"), id="time"),
        pytest.param(lambda cookie: cookie.rsplit(".", 1)[0], id="no-signature"),
        pytest.param(lambda cookie: f"~~~~~~{cookie}", id="behind-too-many"),
        pytest.param(lambda cookie: remember_device("another key", "", ADA, NOW), id="of-another-site"),
    ],
)
def test_a_forged_cookie_is_none(forge):
    cookie = remember_device(KEY, "", ADA, NOW)
    forged = forge(cookie)
    assert forged != cookie
    assert find_device(KEY, forged, ADA, NOW) is None


FORM = f"{'x' * 22}.1772366400.{'0' * 64}"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=30) | st.just(FORM), max_size=8).map("~".join))
def test_whatever_is_sent_is_no_device_and_does_no_harm(cookie):
    assert find_device(KEY, cookie, ADA, NOW) is None
    assert find_device(KEY, remember_device(KEY, cookie, ADA, NOW), ADA, NOW) is not None
