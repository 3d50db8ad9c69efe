"""The SQL of the log of mail."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from kernel.db.pool import Connection
from kernel.mail.letter import Message

MailStatus = Literal["waiting", "sent", "kept", "late", "failed"]


@dataclass(frozen=True, slots=True)
class MailRow:
    """A mail of the log. `id` is that of its job; `text` and `html` are None once it was sent."""

    id: UUID
    recipient: str
    subject: str
    kind: str
    status: MailStatus
    error: str
    text: str | None
    html: str | None
    good_until: datetime | None
    created: datetime
    sent: datetime | None

    @property
    def message(self) -> Message:
        """Raises BadInput."""
        return Message(self.recipient, self.subject, self.text or "", self.html)


_COLUMNS: Final = ", ".join(field.name for field in fields(MailRow))
# A job that no worker could end leaves its mail waiting; the ledger knows better.
_GIVEN_UP: Final = (
    "EXISTS (SELECT FROM job WHERE job.id = mail_message.id "
    "AND job.status IN ('dead', 'failed', 'cancelled'))"
)
_STATUS: Final = f"CASE WHEN status = 'waiting' AND {_GIVEN_UP} THEN 'failed' ELSE status END"
_KNOWN: Final = _COLUMNS.replace("status", f"{_STATUS} AS status")
_LOG: Final = f"SELECT {_COLUMNS} FROM (SELECT {_KNOWN} FROM mail_message) AS known"  # noqa: S608  # constants of this module


async def insert_message(
    conn: Connection, message_id: UUID, kind: str, message: Message, good_until: datetime | None
) -> None:
    """`message_id` is that of the job that sends it, in the same transaction."""
    await conn.execute(
        """
        INSERT INTO mail_message (id, recipient, subject, kind, text, html, good_until)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        message_id,
        message.recipient,
        message.subject,
        kind,
        message.text,
        message.html,
        good_until,
    )


async def count_recent(conn: Connection, recipient: str, kind: str, since: datetime) -> int:
    number: int = await conn.fetchval(
        "SELECT count(*) FROM mail_message WHERE lower(recipient) = lower($1) AND kind = $2 AND created > $3",
        recipient,
        kind,
        since,
    )
    return number


async def find_message(conn: Connection, message_id: UUID) -> MailRow | None:
    row = await conn.fetchrow(f"{_LOG} WHERE id = $1", message_id)
    return None if row is None else MailRow(**row)


async def list_messages(
    conn: Connection, status: MailStatus | None, before: UUID | None, limit: int
) -> list[MailRow]:
    """Newest first; with `before` those that are older."""
    rows = await conn.fetch(
        f"""
        {_LOG} WHERE ($1::text IS NULL OR status = $1) AND ($2::uuid IS NULL OR id < $2)
        ORDER BY id DESC LIMIT $3
        """,
        status,
        before,
        limit,
    )
    return [MailRow(**row) for row in rows]


async def mark_sent(conn: Connection, message_id: UUID) -> None:
    """What it said is forgotten, since it may hold a link that opens an account."""
    await conn.execute(
        "UPDATE mail_message SET status = 'sent', error = '', sent = now(), text = NULL, html = NULL WHERE id = $1",
        message_id,
    )


async def mark_unsent(conn: Connection, message_id: UUID, status: MailStatus, error: str = "") -> None:
    """`kept`, or not sent and why. One that is too late says nothing any more."""
    await conn.execute(
        """
        UPDATE mail_message SET status = $2, error = $3,
            text = CASE WHEN $4 THEN text END, html = CASE WHEN $4 THEN html END
        WHERE id = $1 AND status IN ('waiting', 'failed')
        """,
        message_id,
        status,
        error,
        status != "late",
    )
