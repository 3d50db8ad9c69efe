"""Names the tallies of refused requests and logins, which every process adds to and cron takes up."""

from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from kernel.shared.rate_limit import OTHERS

# One tally for each stretch of time.
STRETCH_S: Final = 600
# Beside the names of limits: attempts to log in while too many failed ones keep everybody out.
LOCKED: Final = "locked"
# Long enough for a cron that was away for a day.
KEEP_S: Final = 86_400 + 2 * STRETCH_S


def name_tally(moment: datetime) -> str:
    return f"refused:{int(moment.timestamp()) // STRETCH_S}"


def begin_of_stretch(moment: datetime) -> datetime:
    return datetime.fromtimestamp(int(moment.timestamp()) // STRETCH_S * STRETCH_S, UTC)


def write_refusal(door: str, who_kind: str, who: str) -> str:
    return orjson.dumps([door, who_kind, who]).decode()


def read_refusal(field: str) -> tuple[str, str, str]:
    """Door, kind of requester and requester. What was counted together is of nobody."""
    if field == OTHERS:
        return OTHERS, OTHERS, ""
    door, who_kind, who = orjson.loads(field)
    return door, who_kind, who


def list_stretches(since: datetime, now: datetime) -> list[datetime]:
    """The beginnings of the stretches that are over, from the one of `since` on: as far back as tallies are kept."""
    first = begin_of_stretch(max(since, now - timedelta(seconds=KEEP_S)))
    number = int((begin_of_stretch(now) - first).total_seconds()) // STRETCH_S
    return [first + timedelta(seconds=place * STRETCH_S) for place in range(number)]
