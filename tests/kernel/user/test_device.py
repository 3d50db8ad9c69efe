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
    cookie = remember_device(KEY, "", ADA, 0, NOW)
    device = find_device(KEY, cookie, ADA, 0, NOW)
    assert len(device) == 22
    assert find_device(KEY, cookie, BOB, 0, NOW) is None
    both = remember_device(KEY, cookie, BOB, 0, NOW)
    assert find_device(KEY, both, ADA, 0, NOW) == device
    assert find_device(KEY, both, BOB, 0, NOW) not in {None, device}


def test_it_stays_the_same_device_and_its_year_begins_anew():
    first = remember_device(KEY, "", ADA, 0, NOW)
    later = NOW + timedelta(days=364)
    second = remember_device(KEY, first, ADA, 0, later)
    assert second.count("~") == 0
    assert find_device(KEY, second, ADA, 0, later + timedelta(days=364)) == find_device(
        KEY, first, ADA, 0, NOW
    )
    assert find_device(KEY, first, ADA, 0, NOW + timedelta(days=366)) is None
    # Nor is one known before it was given out.
    assert find_device(KEY, first, ADA, 0, NOW - timedelta(days=1)) is None


def test_it_is_unknown_after_a_new_password_until_it_is_remembered_again():
    cookie = remember_device(KEY, remember_device(KEY, "", BOB, 7, NOW), ADA, 3, NOW)
    device = find_device(KEY, cookie, ADA, 3, NOW)
    for epoch in (2, 4, 33):
        assert find_device(KEY, cookie, ADA, epoch, NOW) is None
    renewed = remember_device(KEY, cookie, ADA, 4, NOW)
    assert find_device(KEY, renewed, ADA, 4, NOW) == device
    assert find_device(KEY, renewed, ADA, 3, NOW) is None
    assert find_device(KEY, renewed, BOB, 7, NOW) is not None
    assert renewed.count("~") == 1


def test_the_cookie_stays_small():
    cookie = remember_device(KEY, "", ADA, 0, NOW)
    for _ in range(ACCOUNTS_MAX):
        cookie = remember_device(KEY, cookie, uuid4(), 0, NOW)
    assert cookie.count("~") == ACCOUNTS_MAX - 1
    assert len(cookie) < 600
    assert find_device(KEY, cookie, ADA, 0, NOW) is None


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1"), id="signature"),
        pytest.param(lambda cookie: "x" + cookie[1:], id="id"),
        pytest.param(lambda cookie: cookie.replace(".1772", ".1872"), id="time"),
        pytest.param(lambda cookie: cookie.replace(".0.", ".1."), id="password"),
        pytest.param(lambda cookie: cookie.rsplit(".", 1)[0], id="no-signature"),
        pytest.param(lambda cookie: f"~~~~~~{cookie}", id="behind-too-many"),
        pytest.param(lambda cookie: remember_device("another key", "", ADA, 0, NOW), id="of-another-site"),
    ],
)
def test_a_forged_cookie_is_none(forge):
    cookie = remember_device(KEY, "", ADA, 0, NOW)
    forged = forge(cookie)
    assert forged != cookie
    assert find_device(KEY, forged, ADA, 0, NOW) is None
    assert find_device(KEY, forged, ADA, 1, NOW) is None


FORM = f"{'x' * 22}.1772366400.0.{'0' * 64}"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=30) | st.just(FORM), max_size=8).map("~".join))
def test_whatever_is_sent_is_no_device_and_does_no_harm(cookie):
    assert find_device(KEY, cookie, ADA, 0, NOW) is None
    assert find_device(KEY, remember_device(KEY, cookie, ADA, 0, NOW), ADA, 0, NOW) is not None
