"""The time of day, asked in one place so that a test can hold it."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
