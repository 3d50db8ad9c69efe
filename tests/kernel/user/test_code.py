"""One-time codes and recovery codes as they are made, shown and read again."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.user.entry.code import (
    ALPHABET,
    RECOVERY_CODES,
    build_recovery_codes,
    build_secret,
    digest_recovery_code,
    draw_secret,
    find_step,
)

NOW = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
SECRET = build_secret()


def code_at(seconds):
    return pyotp.TOTP(SECRET).at(NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(("seconds", "steps"), [(0, 0), (-30, -1), (30, 1), (-60, None), (60, None)], ids=str)
def test_a_code_is_good_for_its_moment_and_the_ones_beside_it(seconds, steps):
    now = int(NOW.timestamp()) // 30
    assert find_step(SECRET, code_at(seconds), NOW) == (None if steps is None else now + steps)


def test_a_code_may_be_typed_in_groups():
    code = code_at(0)
    assert find_step(SECRET, f" {code[:3]} {code[3:]} ", NOW) is not None


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=20) | st.from_regex(r"[0-9]{6}", fullmatch=True))
def test_whatever_else_is_typed_is_no_code(text):
    if "".join(text.split()) not in {code_at(seconds) for seconds in (-30, 0, 30)}:
        assert find_step(SECRET, text, NOW) is None
    assert digest_recovery_code(text) is None or len(text) >= 15


def test_recovery_codes_are_many_different_and_read_however_they_are_typed():
    codes = build_recovery_codes()
    assert len(set(codes)) == RECOVERY_CODES
    assert all(len(code) == 17 and set(code) <= {*ALPHABET, "-"} for code in codes)
    digest = digest_recovery_code(codes[0])
    assert digest_recovery_code(f" {codes[0].lower().replace('-', ' ')} ") == digest
    assert digest_recovery_code(codes[0][:-1]) is None
    assert digest_recovery_code(codes[0][:-1] + "0") is None


def test_the_picture_is_a_path_and_nothing_else():
    picture = draw_secret(SECRET, site_name='A "site" & more', user_name="Ada <script>\u2028 Käß")
    assert set(picture.path) <= set("M hv1-z0123456789")
    assert 21 + 8 <= picture.size <= 120
