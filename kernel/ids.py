"""Makes UUIDv7 ids (RFC 9562): sortable by time, never to be treated as a secret."""

import os
import time
from datetime import datetime
from uuid import UUID


def uuid7() -> UUID:
    """Above those that this process made before: the twelve bits behind the milliseconds are their fraction, a quarter
    of a microsecond (section 6.2, method 3), and a call takes longer than that."""
    millis, nanos = divmod(time.time_ns(), 1_000_000)
    random = int.from_bytes(os.urandom(8), "big")
    value = (millis & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76
    value |= (nanos * 4096 // 1_000_000) << 64
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
