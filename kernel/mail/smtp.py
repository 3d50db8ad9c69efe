"""Hands a message to the SMTP server of the site."""

import ssl
from email.message import EmailMessage
from typing import Final

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from kernel.config import SmtpServer
from kernel.errors import BadInput, Unavailable

# For each answer of the server.
ANSWER_S: Final = 20.0
# Of what a server says, which is a stranger's text.
_TOLD_MAX: Final = 300


async def deliver(server: SmtpServer, message: EmailMessage) -> None:
    """Raises BadInput when the server refuses the message for good, Unavailable when another try may help."""
    client = SMTP(
        hostname=server.host,
        port=server.port,
        username=server.username or None,
        password=server.password or None,
        use_tls=server.tls == "implicit",
        start_tls=server.tls == "starttls",
        tls_context=None if server.tls == "none" else ssl.create_default_context(),
        timeout=ANSWER_S,
    )
    try:
        async with client:
            await client.send_message(message)
    except SMTPRecipientsRefused as error:
        raise _refuse(error.recipients[0].code, error.recipients[0].message) from error
    except SMTPDataError as error:
        raise _refuse(error.code, error.message) from error
    except SMTPSenderRefused as error:
        raise Unavailable(
            f"The mail server refuses the sender: {_clean(f'{error.code} {error.message}')}"
        ) from error
    except SMTPResponseException as error:
        raise Unavailable(f"The mail server says: {_clean(f'{error.code} {error.message}')}") from error
    except (SMTPException, ssl.SSLError, OSError) as error:
        raise Unavailable(f"The mail server cannot be used: {_clean(str(error))}") from error


def _refuse(code: int, said: str) -> BadInput | Unavailable:
    """What a server says about one mail: with a code of 500 and above it says so for good."""
    told = _clean(f"{code} {said}")
    if code >= 500:
        return BadInput(f"The mail server refuses this mail: {told}")
    return Unavailable(f"The mail server puts this mail off: {told}")


def _clean(text: str) -> str:
    """One line of visible characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:_TOLD_MAX].strip()
