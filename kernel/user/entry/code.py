"""One-time codes by time (RFC 6238), the picture that a phone reads them from, and recovery codes."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyotp
import segno

# In seconds, and in digits: what every program for one-time codes understands without being told.
STEP_S: Final = 30
DIGITS: Final = 6
# The code before and after the one of this moment: clocks differ, and people type slowly.
WINDOW: Final = 1
RECOVERY_CODES: Final = 10
# 75 bits each, so that a plain digest of one cannot be guessed.
RECOVERY_LETTERS: Final = 15
GROUP: Final = 5
# Without the letters and digits that are taken for one another.
ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CODE_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Picture:
    """A QR code as a path for SVG, in units of one module; `size` is its width and height."""

    size: int
    path: str


def build_secret() -> str:
    return pyotp.random_base32()


def draw_secret(secret: str, *, site_name: str, user_name: str) -> Picture:
    uri = pyotp.TOTP(secret).provisioning_uri(name=user_name, issuer_name=site_name)
    rows = [list(row) for row in segno.make(uri, error="m", micro=False).matrix_iter(border=4)]
    squares = [f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark]
    return Picture(len(rows), "".join(squares))


def find_step(secret: str, code: str, at: datetime) -> int | None:
    """The number of the 30 seconds whose code this is, if that is now or nearly."""
    digits = "".join(code.split())
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    totp = pyotp.TOTP(secret)
    now = int(at.timestamp()) // STEP_S
    steps = range(now - WINDOW, now + WINDOW + 1)
    return next((step for step in steps if hmac.compare_digest(totp.generate_otp(step), digits)), None)


def build_recovery_codes() -> list[str]:
    """As they are shown, this once."""
    codes = []
    for _ in range(RECOVERY_CODES):
        letters = "".join(secrets.choice(ALPHABET) for _ in range(RECOVERY_LETTERS))
        codes.append("-".join(letters[i : i + GROUP] for i in range(0, RECOVERY_LETTERS, GROUP)))
    return codes


def digest_recovery_codes(codes: Sequence[str]) -> list[str]:
    """What is stored of those that were just made, in hexadecimal digits."""
    return [digest.hex() for code in codes if (digest := digest_recovery_code(code)) is not None]


def digest_recovery_code(code: str) -> bytes | None:
    """What is stored of one, however it was typed; None for what is none."""
    letters = "".join(code[:CODE_MAX].replace("-", " ").split()).upper()
    if len(letters) != RECOVERY_LETTERS or set(letters) - set(ALPHABET):
        return None
    return hashlib.sha256(letters.encode()).digest()
