"""A letter to one person, as plain text and as HTML, made into a message that no header can be smuggled into."""

import html
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final
from uuid import UUID

from kernel.errors import BadInput
from kernel.mail.address import check_address

SUBJECT_MAX: Final = 200
# As the default of the standard library, and long lines are folded so that every server takes them.
POLICY: Final = SMTP.clone(max_line_length=78)


@dataclass(frozen=True, slots=True)
class Letter:
    """`link` stands on a line of its own between `paragraphs` and `after`; `link_label` is the button's in HTML."""

    kind: str
    recipient: str
    subject: str
    paragraphs: tuple[str, ...]
    link: str = ""
    link_label: str = ""
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A letter as it is kept. Raises BadInput when recipient or subject could become another header."""

    recipient: str
    subject: str
    text: str
    html: str | None = None

    def __post_init__(self) -> None:
        problem = check_address(self.recipient)
        if problem:
            raise BadInput(problem)
        if not self.subject or len(self.subject) > SUBJECT_MAX or not self.subject.isprintable():
            raise BadInput("A subject is one line of visible characters.")


def write_message(letter: Letter, *, site_name: str, site_url: str) -> Message:
    """Raises BadInput."""
    return Message(
        letter.recipient,
        letter.subject,
        _write_text(letter, site_name, site_url),
        _write_html(letter, site_name, site_url),
    )


def write_mime(message: Message, *, sender: str, message_id: str, created: datetime) -> EmailMessage:
    """Ready to be handed to a server. Raises BadInput for a sender that is none."""
    mime = EmailMessage(policy=POLICY)
    mime["From"] = read_sender(sender)
    mime["To"] = Address(addr_spec=message.recipient)
    mime["Subject"] = message.subject
    mime["Date"] = format_datetime(created)
    mime["Message-ID"] = message_id
    # So that no robot answers it.
    mime["Auto-Submitted"] = "auto-generated"
    mime.set_content(message.text)
    if message.html is not None:
        mime.add_alternative(message.html, subtype="html")
    return mime


def read_sender(sender: str) -> Address:
    """From `site@example.org` or `The Site <site@example.org>`. Raises BadInput."""
    name, address = parseaddr(sender)
    local, _, domain = address.rpartition("@")
    if not sender.isprintable() or not local or not domain:
        raise BadInput("A sender is written like site@example.org or The Site <site@example.org>.")
    return Address(display_name=name, username=local, domain=domain)


def build_message_id(job_id: UUID, sender: str) -> str:
    """The same at every try, so that a server or a person who gets it twice can tell."""
    return f"<{job_id}@{read_sender(sender).domain}>"


def _write_text(letter: Letter, site_name: str, site_url: str) -> str:
    blocks = [*letter.paragraphs, *([letter.link] if letter.link else []), *letter.after]
    return "\n\n".join([*blocks, f"-- \n{site_name}\n{site_url}"]) + "\n"


def _write_html(letter: Letter, site_name: str, site_url: str) -> str:
    """Plain enough for every reader of mail: no styles from elsewhere, no images, so nobody learns when it was read."""
    parts = [f"<p>{html.escape(text)}</p>" for text in letter.paragraphs]
    if letter.link:
        link = html.escape(letter.link)
        parts.append(f'<p><a href="{link}">{html.escape(letter.link_label)}</a></p>')
        parts.append(f"<p>If that does not open, copy this address: {link}</p>")
    parts += [f"<p>{html.escape(text)}</p>" for text in letter.after]
    foot = f'<p>{html.escape(site_name)}<br><a href="{html.escape(site_url)}">{html.escape(site_url)}</a></p>'
    body = "\n".join([*parts, "<hr>", foot])
    return f'<!doctype html>\n<html lang="en">\n<body>\n{body}\n</body>\n</html>\n'
