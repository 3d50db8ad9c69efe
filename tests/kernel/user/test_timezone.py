"""A time zone is found by what people type, and by nothing that names none."""

import pytest

from kernel.clock import find_zone
from kernel.user.timezone import TIMEZONE_MAX, find_timezone, is_timezone, list_timezones, name_no_timezone


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Europe/Rome", "Europe/Rome"),
        (" europe/ROME ", "Europe/Rome"),
        ("rome", "Europe/Rome"),
        ("new  york", "America/New_York"),
        ("utc", "UTC"),
        ("Argentina/Ushuaia", None),
        ("Istanbul", None),
        ("Mars/North", None),
        ("Europe", None),
        ("localtime", None),
        ("../../etc/passwd", None),
        ("Europe/Rome\x00", None),
        ("Еurope/Rome", None),
        ("", None),
    ],
)
def test_a_zone_is_found_by_its_name_or_its_city(text, name):
    assert find_timezone(text) == name
    assert name is None or is_timezone(name)


def test_every_zone_of_the_list_is_known_here_and_found_by_its_name():
    names = list_timezones()
    assert len(names) > 300
    assert [name for name in names if str(find_zone(name)) != name or len(name) > TIMEZONE_MAX // 2] == []
    assert all(find_timezone(name) == name for name in names[::40])
    assert name_no_timezone("Mars").startswith("“Mars” is no time zone")
