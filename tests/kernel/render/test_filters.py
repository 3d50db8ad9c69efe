"""How times, numbers, stages and teasers look."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kernel import clock
from kernel.render.filters import (
    in_zone,
    show_ago,
    show_as,
    show_date,
    show_datetime,
    show_number,
    stage_class,
    teaser,
)

WHEN = "2026-03-01T23:30:00+02:00"


def test_dates_are_shown_in_utc_and_kept_for_machines():
    assert show_date(WHEN) == (
        '<time datetime="2026-03-01T21:30:00+00:00" title="1 March 2026, 21:30 UTC">1 March 2026</time>'
    )
    assert show_datetime("2026-03-01T21:30:00") == (
        '<time datetime="2026-03-01T21:30:00+00:00" data-js="local-time">1 Mar 2026, 21:30 UTC</time>'
    )


@pytest.mark.parametrize(
    ("zone", "moment", "text"),
    [
        # Clocks go from 02:00 to 03:00, and from 03:00 back to 02:00: one hour never is, another one is twice.
        ("Europe/Rome", "2026-03-29T00:59:59Z", "29 Mar 2026, 01:59 CET"),
        ("Europe/Rome", "2026-03-29T01:00:00Z", "29 Mar 2026, 03:00 CEST"),
        ("Europe/Rome", "2026-10-25T00:30:00Z", "25 Oct 2026, 02:30 CEST"),
        ("Europe/Rome", "2026-10-25T01:30:00Z", "25 Oct 2026, 02:30 CET"),
        ("America/New_York", "2026-11-01T06:15:00Z", "1 Nov 2026, 01:15 EST"),
        ("Europe/Dublin", "2026-07-01T12:00:00Z", "1 Jul 2026, 13:00 IST"),
        # By half an hour, by an odd one, by night into another day, month or year.
        ("Australia/Lord_Howe", "2026-10-03T15:30:00Z", "4 Oct 2026, 02:30 UTC+11"),
        ("Asia/Kathmandu", "2026-03-01T18:15:00Z", "2 Mar 2026, 00:00 UTC+05:45"),
        ("Pacific/Kiritimati", "2025-12-31T10:00:00Z", "1 Jan 2026, 00:00 UTC+14"),
        ("America/Sao_Paulo", "2026-03-01T00:00:00Z", "28 Feb 2026, 21:00 UTC-03"),
        ("UTC", "2026-03-01T21:30:00Z", "1 Mar 2026, 21:30 UTC"),
        # What is not known, is no name of a zone at all, or is where a calendar ends.
        ("Mars/North", "2026-03-01T21:30:00Z", "1 Mar 2026, 21:30 UTC"),
        ("../../etc/passwd", "2026-03-01T21:30:00Z", "1 Mar 2026, 21:30 UTC"),
        ("Europe", "2026-03-01T21:30:00Z", "1 Mar 2026, 21:30 UTC"),
        ("", "2026-03-01T21:30:00Z", "1 Mar 2026, 21:30 UTC"),
        ("America/New_York", "0001-01-01T00:00:00Z", "1 Jan 1, 00:00 UTC"),
        ("Asia/Tokyo", "9999-12-31T23:59:00Z", "31 Dec 9999, 23:59 UTC"),
    ],
)
def test_a_time_is_shown_as_the_clocks_of_the_reader_show_it(zone, moment, text):
    when = datetime.fromisoformat(moment)
    with in_zone(clock.find_zone(zone)):
        assert show_datetime(when) == f'<time datetime="{when.isoformat()}">{text}</time>'
    # And of nobody else, whom the script of the page helps.
    assert show_datetime(when).startswith(f'<time datetime="{when.isoformat()}" data-js="local-time">')


def test_days_and_what_is_told_from_now_are_those_of_the_reader_too():
    with in_zone(clock.find_zone("Europe/Rome")):
        assert show_date("2026-02-28T23:30:05Z", seconds=True) == (
            '<time datetime="2026-02-28T23:30:05+00:00" title="1 March 2026, 00:30:05 CET">1 March 2026</time>'
        )
        assert show_as("2026-07-01T10:00:00Z", "in a <day>") == (
            '<time datetime="2026-07-01T10:00:00+00:00" title="1 July 2026, 12:00 CEST">in a &lt;day&gt;</time>'
        )


@pytest.mark.parametrize(
    ("zone", "day", "moment"),
    [
        ("UTC", date(2026, 3, 29), "2026-03-29T00:00"),
        ("Europe/Rome", date(2026, 3, 30), "2026-03-29T22:00"),
        ("Asia/Kathmandu", date(2026, 3, 1), "2026-02-28T18:15"),
        # Clocks went from midnight to 01:00, and from 01:00 back to midnight.
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00"),
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00"),
    ],
)
def test_a_day_begins_where_the_reader_is(zone, day, moment):
    began = clock.first_moment(day, clock.find_zone(zone))
    assert began == datetime.fromisoformat(moment).replace(tzinfo=UTC)


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
