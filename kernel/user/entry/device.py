"""Knows a browser again from which somebody has logged in before, by a signed cookie.

The cookie holds an entry for each of the last few accounts that were used there: a random id, when it was given out,
and a signature over both and the account. It opens nothing. It only says whose failed logins are counted apart.
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
ENTRY: Final = re.compile(r"([A-Za-z0-9_-]{22})\.([0-9]{1,12})\.([0-9a-f]{64})")
SEPARATOR: Final = "~"


def find_device(key: str, cookie: str, user_id: UUID, now: datetime) -> str | None:
    """The id of the device if it is known for this account."""
    for entry in _read(cookie):
        device, given, signature = entry.groups()
        is_right = hmac.compare_digest(signature, _sign(key, user_id, device, given))
        if is_right and 0 <= now.timestamp() - int(given) <= KNOWN_FOR_S:
            return device
    return None


def remember_device(key: str, cookie: str, user_id: UUID, now: datetime) -> str:
    """The cookie with an entry for this account put first; the others stay, as many as there is room for."""
    known = find_device(key, cookie, user_id, now)
    device, given = known or secrets.token_urlsafe(16), str(int(now.timestamp()))
    mine = f"{device}.{given}.{_sign(key, user_id, device, given)}"
    others = [entry[0] for entry in _read(cookie) if entry[1] != known]
    return SEPARATOR.join([mine, *others][:ACCOUNTS_MAX])


def _read(cookie: str) -> list[re.Match[str]]:
    """What has the form of an entry; whether it is one, its signature says."""
    parts = cookie.split(SEPARATOR, ACCOUNTS_MAX)[:ACCOUNTS_MAX]
    return [found for part in parts if (found := ENTRY.fullmatch(part))]


def _sign(key: str, user_id: UUID, device: str, given: str) -> str:
    return hmac.new(key.encode(), f"device {user_id} {device} {given}".encode(), hashlib.sha256).hexdigest()
