"""What is shown of a mail of the log."""

import re
from typing import Any, Final

from kernel.mail.store import MailRow
from kernel.user.proof import letters

KINDS: Final = {
    letters.PASSWORD_RESET: "New password",
    letters.REGISTRATION: "Registration",
    letters.ADDRESS_TAKEN: "Address taken",
    letters.NEW_ADDRESS: "New address",
    letters.ADDRESS_NOTICE: "Notice of a new address",
    letters.SOMEBODY_WAITS: "Somebody waits",
    letters.LET_IN: "Let in",
}
LINK: Final = re.compile(r"https?://\S+")


def describe_mail(row: MailRow, *, site_url: str) -> dict[str, Any]:
    """`parts` are the text of a mail that is kept in place of being sent, as (text, whether it is a link to this site).
    Of any other mail nobody is shown what it says, for it may open somebody's account."""
    return {
        "id": str(row.id),
        "recipient": row.recipient,
        "subject": row.subject,
        "kind": KINDS.get(row.kind, row.kind.replace("_", " ").capitalize()),
        "status": row.status,
        "error": row.error,
        "created": row.created,
        "sent": row.sent,
        "parts": _split(row.text or "", site_url) if row.status == "kept" else [],
    }


def _split(text: str, site_url: str) -> list[tuple[str, bool]]:
    parts, end = [], 0
    for found in LINK.finditer(text):
        parts.append((text[end : found.start()], False))
        parts.append((found[0], found[0] == site_url or found[0].startswith(f"{site_url}/")))
        end = found.end()
    return [part for part in [*parts, (text[end:], False)] if part[0]]
