"""Mails go through a real SMTP server: sent, put off, refused, encrypted, and what of them is kept."""

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest

from kernel import clock
from kernel.app.open import open_kernel
from kernel.mail.letter import Letter
from kernel.mail.post import HOURLY_MAX, post_letter
from kernel.mail.store import find_message, list_messages
from kernel.mail_jobs import MAIL_PASSWORD_RESET, SEND_MAIL, MailPasswordReset
from kernel.user.account import create_user
from tests.kernel.mail.conftest import CERTIFICATE, TLS_NAME, find_free_port, open_post, serve_smtp


async def ask_for_reset(post, name="Ada"):
    job = await post.do(MAIL_PASSWORD_RESET, MailPasswordReset(name))
    assert job.result == {"outcome": "done"}


async def list_log(post):
    async with post.rt.db.acquire() as conn:
        return await list_messages(conn, None, None, 50)


@pytest.fixture
async def ada(database):
    return await create_user(database, name="Ada", password="correct horse", mail="ada@example.org")


async def test_a_mail_is_sent_once_and_its_text_is_forgotten(with_server, renderer, ada):
    async with serve_smtp() as (mailbox, port), open_post(with_server(port), renderer) as post:
        await ask_for_reset(post)
        (row,) = await list_log(post)
        assert (row.status, row.recipient, row.text, row.html) == ("sent", "ada@example.org", None, None)
        assert row.sent is not None
        # Another delivery of the same job.
        async with post.rt.db.acquire() as conn:
            await conn.execute("UPDATE job SET status = 'queued' WHERE id = $1", row.id)
        await post.work_off()
    (envelope,) = mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("site@example.org", ["ada@example.org"])
    message = message_from_bytes(envelope.content, policy=default)
    assert message["From"] == "The Garden Gazette <site@example.org>"
    assert message["To"] == "ada@example.org"
    assert message["Message-ID"] == f"<{row.id}@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_body(["plain"]).get_content()
    assert "https://example.org/user/password-reset/" in text
    assert "Choose a new password</a>" in message.get_body(["html"]).get_content()
