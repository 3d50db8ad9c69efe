"""Mails go through a real SMTP server: sent, put off, refused, encrypted, and what of them is kept."""

import asyncio
import re
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest

from kernel import clock
from kernel.ledger.cancel import retry_job
from kernel.ledger.store import find_job
from kernel.mail.post import HOURLY_MAX
from kernel.mail.store import list_messages
from kernel.mail_jobs import MAIL_PASSWORD_RESET, SEND_MAIL, MailPasswordReset
from kernel.user.account import create_user
from kernel.user.proof.reset import find_reset
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


async def test_a_server_that_is_away_is_tried_again_and_the_log_says_why(with_server, renderer, ada):
    port = find_free_port()
    async with open_post(with_server(port), renderer) as post:
        await ask_for_reset(post)
        (row,) = await list_log(post)
        assert (row.status, row.sent) == ("waiting", None)
        assert row.error.startswith("The mail server cannot be used: ")
        async with post.rt.db.acquire() as conn:
            job = await find_job(conn, row.id)
        assert (job.status, job.failures, job.payload) == ("queued", 1, {})
        assert job.run_at > clock.now()
        async with serve_smtp(port=port) as (mailbox, _):
            await post.hurry()
            await post.work_off()
        (row,) = await list_log(post)
        assert (row.status, row.error, row.text) == ("sent", "", None)
    # The try that failed and the one that did not would have carried the same name.
    assert f"<{row.id}@example.org>".encode() in mailbox.envelopes[0].content


async def test_a_recipient_who_is_refused_is_a_dead_letter(with_server, renderer, ada):
    async with serve_smtp() as (mailbox, port), open_post(with_server(port), renderer) as post:
        mailbox.answers["ada@example.org"] = "550 5.1.1 no such user"
        await ask_for_reset(post)
        (row,) = await list_log(post)
        assert (row.status, row.error) == (
            "failed",
            "The mail server refuses this mail: 550 5.1.1 no such user",
        )
        async with post.rt.db.acquire() as conn:
            assert (await find_job(conn, row.id)).status == "failed"
            assert [r.id for r in await list_messages(conn, "failed", None, 5)] == [row.id]
            assert await list_messages(conn, "sent", None, 5) == []
        # Somebody makes the mailbox and has the job tried again.
        del mailbox.answers["ada@example.org"]
        assert await retry_job(post.rt.ledger, row.id)
        await post.work_off()
        assert [r.status for r in await list_log(post)] == ["sent"]


async def test_a_recipient_who_is_put_off_is_tried_again(with_server, renderer, ada):
    async with serve_smtp() as (mailbox, port), open_post(with_server(port), renderer) as post:
        mailbox.answers["ada@example.org"] = "451 4.7.1 come back later"
        await ask_for_reset(post)
        (row,) = await list_log(post)
        assert (row.status, row.error) == (
            "waiting",
            "The mail server puts this mail off: 451 4.7.1 come back later",
        )
        async with post.rt.db.acquire() as conn:
            assert (await find_job(conn, row.id)).status == "queued"
        async with post.rt.db.acquire() as conn:
            await conn.execute(
                "UPDATE job SET failures = $2 WHERE id = $1", row.id, SEND_MAIL.max_attempts - 1
            )
        await post.hurry()
        await post.work_off()
        assert [r.status for r in await list_log(post)] == ["failed"]


async def test_a_mail_that_arrives_twice_has_one_name(with_server, renderer, ada):
    """The server has it, and the site does not learn that."""
    async with serve_smtp() as (mailbox, port), open_post(with_server(port), renderer) as post:
        mailbox.taken = "451 no more room for an answer"
        await ask_for_reset(post)
        mailbox.taken = "250 taken"
        await post.hurry()
        await post.work_off()
        assert [row.status for row in await list_log(post)] == ["sent"]
    names = [message_from_bytes(envelope.content)["Message-ID"] for envelope in mailbox.envelopes]
    assert len(names) == 2
    assert len(set(names)) == 1


async def test_a_mail_and_its_password_go_by_starttls_or_not_at_all(with_server, renderer, ada, monkeypatch):
    login = {"host": TLS_NAME, "username": "site", "password": "p@ss", "tls": "starttls"}
    async with serve_smtp(tls=True) as (mailbox, port):
        # The certificate is made out to another name than the address.
        async with open_post(with_server(port, **{**login, "host": "127.0.0.1"}), renderer) as post:
            await ask_for_reset(post)
            assert [row.status for row in await list_log(post)] == ["waiting"]
        assert mailbox.envelopes == []
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        resolve_here(monkeypatch)
        async with open_post(with_server(port, **login), renderer) as post:
            await post.hurry()
            await post.work_off()
            assert [row.status for row in await list_log(post)] == ["sent"]
    assert [envelope.was_encrypted for envelope in mailbox.envelopes] == [True]


async def test_a_server_that_does_not_offer_starttls_gets_nothing(with_server, renderer, ada):
    async with serve_smtp() as (mailbox, port):
        async with open_post(with_server(port, tls="starttls"), renderer) as post:
            await ask_for_reset(post)
            (row,) = await list_log(post)
    assert (row.status, mailbox.envelopes) == ("waiting", [])
    assert "STARTTLS" in row.error


async def test_what_is_over_is_not_sent_any_more(with_server, renderer, ada):
    """A server that comes back after the link has expired."""
    async with serve_smtp() as (mailbox, port), open_post(with_server(port), renderer) as post:
        mailbox.answers["ada@example.org"] = "451 later"
        await ask_for_reset(post)
        mailbox.answers.clear()
        async with post.rt.db.acquire() as conn:
            await conn.execute("UPDATE mail_message SET good_until = now()")
        await post.hurry()
        await post.work_off()
        (row,) = await list_log(post)
    assert (row.status, row.text, mailbox.envelopes) == ("late", None, [])


async def test_nobody_is_sent_more_than_a_few_of_a_kind_and_the_last_link_stays_good(config, renderer, ada):
    async with open_post(config, renderer) as post:
        for _ in range(HOURLY_MAX + 2):
            await ask_for_reset(post)
        rows = await list_log(post)
        assert [row.status for row in rows] == ["kept"] * HOURLY_MAX
        assert await find_reset(post.rt, read_link(rows[0])) is not None
        assert await find_reset(post.rt, read_link(rows[1])) is None
        async with post.rt.db.acquire() as conn:
            await conn.execute("UPDATE mail_message SET created = $1", clock.now() - timedelta(hours=2))
        await ask_for_reset(post)
        assert len(await list_log(post)) == HOURLY_MAX + 1


async def test_a_job_that_no_worker_could_end_leaves_a_mail_that_is_not_sent(with_server, renderer, ada):
    async with open_post(with_server(find_free_port()), renderer) as post:
        await ask_for_reset(post)
        async with post.rt.db.acquire() as conn:
            await conn.execute("UPDATE job SET status = 'dead' WHERE kind = 'send_mail'")
            assert [row.status for row in await list_messages(conn, "failed", None, 5)] == ["failed"]
            # The log keeps a mail for as long as the ledger keeps its job.
            await conn.execute("DELETE FROM job")
            assert await list_messages(conn, None, None, 5) == []


def read_link(row):
    return re.search(r"/user/password-reset/(\S+)", row.text)[1]


def resolve_here(monkeypatch):
    """The name of the certificate stands for this machine."""
    loop = asyncio.get_running_loop()
    ask = loop.getaddrinfo

    async def getaddrinfo(host, *args, **options):
        return await ask("127.0.0.1" if host == TLS_NAME else host, *args, **options)

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
