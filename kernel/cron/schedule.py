"""When a task is due: slots at even distances, counted in UTC.

A slot is a moment by the clock of the database. It does not move with daylight saving, restarts or the clocks of
workers, so that everybody who asks at any time means the same one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 86_400

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Every `every_s` seconds, `offset_s` after the multiples of that since 1970: daily at 03:00 is
    `Schedule(DAY_S, 3 * HOUR_S)`. Whole minutes, since cron looks once a minute."""

    every_s: int
    offset_s: int = 0

    def __post_init__(self) -> None:
        if self.every_s < MINUTE_S or self.every_s % MINUTE_S:
            raise ValueError(f"A schedule repeats after whole minutes, not after {self.every_s} s.")
        if not 0 <= self.offset_s < self.every_s or self.offset_s % MINUTE_S:
            raise ValueError(
                f"A schedule's offset is whole minutes and less than its {self.every_s} s, not {self.offset_s} s."
            )

    def slot_at(self, moment: datetime) -> datetime:
        """The slot that is due at this moment: the latest one that has come."""
        return self._slot(self._number(moment))

    def next_after(self, moment: datetime) -> datetime:
        return self._slot(self._number(moment) + 1)

    def count_between(self, earlier: datetime, later: datetime) -> int:
        """Slots that lie after the one moment and before the other."""
        last_before = self._number(later - timedelta(microseconds=1))
        return max(0, last_before - self._number(earlier))

    def describe(self) -> str:
        """`daily at 03:00 UTC`, in the words of the page of cron."""
        if self.every_s == DAY_S:
            return f"daily at {self.offset_s // HOUR_S:02}:{self.offset_s % HOUR_S // MINUTE_S:02} UTC"
        if self.every_s == HOUR_S:
            return f"hourly at :{self.offset_s // MINUTE_S:02}"
        if self.every_s == MINUTE_S:
            return "every minute"
        return f"every {self.every_s // MINUTE_S} minutes"

    def _number(self, moment: datetime) -> int:
        """Of the latest slot that has come, counted from 1970."""
        return (moment - _EPOCH - timedelta(seconds=self.offset_s)) // timedelta(seconds=self.every_s)

    def _slot(self, number: int) -> datetime:
        return _EPOCH + timedelta(seconds=self.offset_s + number * self.every_s)


EVERY_MINUTE: Final = Schedule(MINUTE_S)
