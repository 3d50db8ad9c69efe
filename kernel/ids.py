"""Makes UUIDv7 ids (RFC 9562): sortable by time to the millisecond, never to be treated as a secret."""

import os
import time
from datetime import datetime
from uuid import UUID


def uuid7() -> UUID:
    millis = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (millis & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76
    value |= (random >> 68 & 0xFFF) << 64
    value |= 0b10 << 62
    value |= random & 0x3FFFFFFFFFFFFFFF
    return UUID(int=value)


def first_uuid7(moment: datetime) -> UUID:
    """What no id made at this moment or later is below, for asking the order of ids about time."""
    return UUID(int=(int(moment.timestamp() * 1000) & 0xFFFFFFFFFFFF) << 80)


def parse_uuid(text: str) -> UUID | None:
    """The id in its canonical 36-character form, or None; other spellings would give one page many addresses."""
    if len(text) != 36:
        return None
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text else None
