"""Slots lie at even distances, and every moment belongs to one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.cron.model import TaskPast
from kernel.cron.schedule import DAY_S, HOUR_S, MINUTE_S, Schedule
from tests.fixtures.cron import make_task

moments = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001  # the time zone is an argument of its own
    datetime(2100, 1, 1),  # noqa: DTZ001  # as above
    timezones=st.just(UTC),
)


@st.composite
def schedules(draw):
    every = draw(st.integers(1, 20_000))
    return Schedule(every * MINUTE_S, draw(st.integers(0, every - 1)) * MINUTE_S)


@given(schedules(), moments)
def test_a_moment_lies_between_its_slot_and_the_next(schedule, moment):
    slot, following = schedule.slot_at(moment), schedule.next_after(moment)
    assert slot <= moment < following
    assert following - slot == timedelta(seconds=schedule.every_s)


@given(schedules(), moments)
def test_a_slot_is_its_own_slot(schedule, moment):
    slot = schedule.slot_at(moment)
    assert schedule.slot_at(slot) == slot
    assert schedule.slot_at(slot - timedelta(microseconds=1)) == slot - timedelta(seconds=schedule.every_s)
    assert int(slot.timestamp()) % schedule.every_s == schedule.offset_s


@given(schedules(), moments, moments)
def test_slots_between_two_moments_are_counted_without_either(schedule, one, other):
    earlier, later = sorted((one, other))
    counted = schedule.count_between(earlier, later)
    assert schedule.count_between(later, earlier) == 0
    every = timedelta(seconds=schedule.every_s)
    first = schedule.next_after(earlier)
    if first < later:
        assert first + (counted - 1) * every < later <= first + counted * every
    else:
        assert counted == 0


@given(schedules(), moments, st.integers(0, 1_000))
def test_between_two_slots_so_many_were_missed(schedule, moment, count):
    slot = schedule.slot_at(moment)
    assert schedule.count_between(slot, slot + (count + 1) * timedelta(seconds=schedule.every_s)) == count


@given(schedules(), moments, st.integers(-14, 14))
def test_the_time_zone_in_which_somebody_tells_the_time_does_not_matter(schedule, moment, hours):
    elsewhere = moment.astimezone(timezone(timedelta(hours=hours)))
    assert schedule.slot_at(elsewhere) == schedule.slot_at(moment)


@pytest.mark.parametrize(
    ("schedule", "moment", "slot", "words"),
    [
        (
            Schedule(DAY_S, 3 * HOUR_S),
            "2026-11-21T03:00:00Z",
            "2026-11-21T03:00:00Z",
            "daily at 03:00 UTC",
        ),
        (
            Schedule(DAY_S, 3 * HOUR_S + 5 * MINUTE_S),
            "2026-11-21T03:04:59Z",
            "2026-11-20T03:05:00Z",
            "daily at 03:05 UTC",
        ),
        (
            Schedule(HOUR_S, 10 * MINUTE_S),
            "2026-11-21T03:04:59Z",
            "2026-11-21T02:10:00Z",
            "hourly at :10",
        ),
        (Schedule(MINUTE_S), "2026-11-21T03:04:59.999Z", "2026-11-21T03:04:00Z", "every minute"),
        (Schedule(15 * MINUTE_S), "2026-11-21T03:14:00Z", "2026-11-21T03:00:00Z", "every 15 minutes"),
    ],
)
def test_slots_of_known_moments(schedule, moment, slot, words):
    assert schedule.slot_at(datetime.fromisoformat(moment)) == datetime.fromisoformat(slot)
    assert schedule.describe() == words


@pytest.mark.parametrize(
    ("every_s", "offset_s"), [(30, 0), (90, 0), (60, 60), (3_600, -60), (3_600, 30), (0, 0)]
)
def test_a_schedule_that_cron_cannot_keep_is_refused(every_s, offset_s):
    with pytest.raises(ValueError, match="schedule"):
        Schedule(every_s, offset_s)


def test_a_task_that_may_outlast_its_job_is_refused():
    with pytest.raises(ValueError, match="450 s at most"):
        make_task(limit_s=451.0)


def test_before_the_first_run_nothing_was_missed():
    assert make_task().find_missed(datetime(2026, 11, 21, tzinfo=UTC), TaskPast()) == 0


@pytest.mark.parametrize(("late_s", "is_too_late"), [(0, False), (300, False), (301, True)])
def test_what_is_not_caught_up_may_be_a_little_late(late_s, is_too_late):
    slot = datetime(2026, 11, 21, tzinfo=UTC)
    now = slot + timedelta(seconds=late_s)
    assert make_task(missed="skip").is_too_late(slot, now) is is_too_late
    assert make_task(missed="once").is_too_late(slot, now) is False
