"""The time of day, asked in one place so that a test can hold it; and what it is elsewhere."""

from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def now() -> datetime:
    return datetime.now(UTC)


def find_zone(name: str) -> tzinfo:
    """UTC for a name that this machine does not know, or does not know any more."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def read_clock(moment: datetime, zone: tzinfo) -> datetime:
    """What clocks of the zone show; where they cannot show it, in the first and the last year, what UTC does."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


def first_moment(day: date, zone: tzinfo) -> datetime:
    """When the day begins in the zone, in UTC. Where clocks skip midnight, the day begins with what they skip to."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
