"""What an address of mail may look like, and its one spelling."""

import re
import unicodedata
from typing import Final

from kernel.names import is_host

# In characters: the limits of SMTP, of the address as a whole and of what stands before the @.
ADDRESS_MAX: Final = 254
LOCAL_MAX: Final = 64
# The unquoted form alone: no server of today hands out others, and quotes are where readers of addresses differ.
LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def normalise_address(text: str) -> str:
    """The domain in small ASCII letters, so that one that only looks like another is seen to be different
    (`xn--pple-43d.com`). What cannot be an address stays as it is, for `check_address` to complain of."""
    text = text.strip(" ")
    local, at, domain = text.rpartition("@")
    if not at or len(text) > ADDRESS_MAX:
        return text
    ascii_domain = _to_ascii(domain)
    return f"{local}@{ascii_domain}" if ascii_domain else text


def check_address(address: str) -> str:
    """What is wrong with a normalised address, as a sentence; "" when nothing is. Whether it exists shows when mail
    arrives."""
    local, _, domain = address.rpartition("@")
    is_good = len(address) <= ADDRESS_MAX and len(local) <= LOCAL_MAX and LOCAL.fullmatch(local)
    if not is_good or "." not in domain or not is_host(domain):
        return f"{address[:60]!r} is no e-mail address. Write it like ada@example.org."
    return ""


def _to_ascii(domain: str) -> str:
    """Empty for a domain that would turn into another one on the way: `straße.de` is not `strasse.de`, and signs that
    stand for several letters or none are how one passes for the other."""
    if domain.isascii():
        return domain.lower()
    plain = unicodedata.normalize("NFC", domain).lower()
    try:
        encoded = plain.encode("idna").decode("ascii")
        is_same = encoded.encode("ascii").decode("idna") == plain
    except UnicodeError:
        return ""
    return encoded.lower() if is_same else ""
