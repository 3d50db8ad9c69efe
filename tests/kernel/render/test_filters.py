"""How times, numbers, stages and teasers look."""

from datetime import timedelta

import pytest

from kernel import clock
from kernel.render.filters import show_ago, show_date, show_datetime, show_number, stage_class, teaser

WHEN = "2026-03-01T23:30:00+02:00"


def test_dates_are_shown_in_utc_and_kept_for_machines():
    assert show_date(WHEN) == (
        '<time datetime="2026-03-01T21:30:00+00:00" title="1 March 2026, 21:30 UTC">1 March 2026</time>'
    )
    assert show_datetime("2026-03-01T21:30:00") == (
        '<time datetime="2026-03-01T21:30:00+00:00" data-js="local-time">1 Mar 2026, 21:30 UTC</time>'
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, ">just now<"),
        (59, ">just now<"),
        (61, ">1 minute ago<"),
        (7_300, ">2 hours ago<"),
        (6 * 86_400 + 60, ">6 days ago<"),
    ],
)
def test_recent_times_are_told_from_now(seconds, text):
    assert text in show_ago(clock.now() - timedelta(seconds=seconds))


def test_older_times_are_told_as_a_date():
    when = clock.now() - timedelta(days=8)
    assert show_ago(when) == show_date(when)


def test_numbers_have_thousands():
    assert show_number(10_001) == "10,001"


def test_live_has_a_colour_of_its_own_and_a_stage_keeps_its_colour():
    assert stage_class("live") == "stage-live"
    others = {stage_class(f"stage_{n}") for n in range(100)}
    assert others == {f"stage-{n}" for n in range(1, 7)}


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], ""),
        (["<p>a &amp; <b>b</b>, c</p><p>d</p>"], "a & b, c d"),
        (['<p class="x">2 min</p>', "<div><p>word</p></div>"], "word"),
        (['<p class="lead">said</p>', "<p>word</p>"], "said"),
        (["<ul><li>a</li><li>b</li></ul>"], "a b"),
        (["<p>one two three four</p>"], "one two three…"),
        (["<p>abcdefghijklmnopqrstuvwxyz</p>"], "abcdefghijklmno…"),
    ],
)
def test_a_teaser_is_the_first_words(parts, text):
    assert teaser(parts, 15) == text
