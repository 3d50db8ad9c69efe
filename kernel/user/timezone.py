"""The time zones that people can choose."""

from functools import cache
from typing import Final
from zoneinfo import available_timezones

# In characters; the longest name has half as many.
TIMEZONE_MAX: Final = 64


@cache
def list_timezones() -> tuple[str, ...]:
    """By name, the world's own first; without the old spellings that have no place in them. What the machine knows is
    looked up once, since that reads hundreds of files."""
    places = (name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
    return ("UTC", *sorted(places))


def is_timezone(name: str) -> bool:
    return name in list_timezones()


def find_timezone(text: str) -> str | None:
    """The zone that somebody means who types `europe/rome`, `New York` or `utc`; None for a place that is none, or that
    several have."""
    wanted = "_".join(text.split()).casefold()
    named = [name for name in list_timezones() if name.casefold() == wanted]
    there = [name for name in list_timezones() if name.rpartition("/")[2].casefold() == wanted]
    found = named or there
    return found[0] if len(found) == 1 else None


def name_no_timezone(text: str) -> str:
    """What is wrong with a text that `find_timezone` finds nothing for."""
    return f"“{text}” is no time zone, or the name of several places. Choose one from the list, such as Europe/Rome."
