"""Knows a browser again from which somebody has logged in before, by a signed cookie.

The cookie holds an entry for each of the last few accounts that were used there: a random id, when it was given out,
the number of the account's password at that time, and a signature over these and the account. It opens nothing. It only
says whose failed logins are counted apart, until the account has another password.
"""

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

ACCOUNTS_MAX: Final = 5
KNOWN_FOR_S: Final = 365 * 86_400
ENTRY: Final = re.compile(
    r"(?P<device>[A-Za-z0-9_-]{22})\.(?P<given>[0-9]{1,12})\.(?P<epoch>[0-9]{1,10})\.(?P<signature>[0-9a-f]{64})"
)
SEPARATOR: Final = "~"


def find_device(key: str, cookie: str, user_id: UUID, epoch: int, now: datetime) -> str | None:
    """The id of the device if it is known for this account since its present password, whose number is `epoch`."""
    entry = _find_own(key, cookie, user_id)
    if entry is None or int(entry["epoch"]) != epoch:
        return None
    return entry["device"] if 0 <= now.timestamp() - int(entry["given"]) <= KNOWN_FOR_S else None


def remember_device(key: str, cookie: str, user_id: UUID, epoch: int, now: datetime) -> str:
    """The cookie with an entry for this account put first; the others stay, as many as there is room for."""
    own = _find_own(key, cookie, user_id)
    device, given = own["device"] if own else secrets.token_urlsafe(16), str(int(now.timestamp()))
    mine = f"{device}.{given}.{epoch}.{_sign(key, user_id, device, given, str(epoch))}"
    others = [entry[0] for entry in _read(cookie) if own is None or entry["device"] != own["device"]]
    return SEPARATOR.join([mine, *others][:ACCOUNTS_MAX])


def _find_own(key: str, cookie: str, user_id: UUID) -> re.Match[str] | None:
    """The entry of this account, however old."""
    for entry in _read(cookie):
        signature = _sign(key, user_id, entry["device"], entry["given"], entry["epoch"])
        if hmac.compare_digest(entry["signature"], signature):
            return entry
    return None


def _read(cookie: str) -> list[re.Match[str]]:
    """What has the form of an entry; whether it is one, its signature says."""
    parts = cookie.split(SEPARATOR, ACCOUNTS_MAX)[:ACCOUNTS_MAX]
    return [found for part in parts if (found := ENTRY.fullmatch(part))]


def _sign(key: str, user_id: UUID, device: str, given: str, epoch: str) -> str:
    text = f"device {user_id} {device} {given} {epoch}"
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
