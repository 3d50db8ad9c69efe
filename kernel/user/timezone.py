"""The time zones that people can choose."""

from zoneinfo import available_timezones


def list_timezones() -> list[str]:
    """By name, the world's own first; without the old spellings that have no place in them."""
    return [
        "UTC",
        *sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")),
    ]


def is_timezone(name: str) -> bool:
    return name in {"UTC", *available_timezones()}
