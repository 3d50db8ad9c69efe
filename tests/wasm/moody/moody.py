"""A plugin for cron that does as it may read: loops, raises, answers nonsense, or works once an hour."""

from datetime import datetime, timedelta

from trovato_sdk import tap, variables


@tap
def cron(now: datetime, last_run: datetime | None, slot: datetime) -> str | None:
    if variables.get("loops", ""):
        while True:
            pass
    if variables.get("raises", ""):
        raise ValueError("boom")
    if variables.get("babbles", ""):
        return "x" * 100_000
    if last_run is not None and now - last_run < timedelta(hours=1):
        return None
    return f"Worked for the slot {slot.isoformat()}"
