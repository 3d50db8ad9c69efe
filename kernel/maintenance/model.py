"""Whether the site is closed, and what visitors are told."""

from dataclasses import dataclass
from typing import Any, Final

SETTING: Final = "site.maintenance"
MESSAGE: Final = "We are working on this site. Please come back in a few minutes."
MESSAGE_MAX: Final = 500
# How long visitors' programs are told to wait before they ask again.
RETRY_AFTER_S: Final = 300


@dataclass(frozen=True, slots=True)
class Maintenance:
    is_on: bool = False
    message: str = MESSAGE


def read_maintenance(stored: Any) -> Maintenance:
    """Of the setting's JSON. Raises ValueError."""
    if stored is None:
        return Maintenance()
    message = stored.get("message") if isinstance(stored, dict) else None
    if message is None:
        raise ValueError("it has no message")
    return Maintenance(stored.get("is_on") is True, str(message) or MESSAGE)


def check_message(message: str) -> str:
    """What is wrong with it, or nothing."""
    if len(message) > MESSAGE_MAX:
        return f"The message may have {MESSAGE_MAX} characters."
    return ""
