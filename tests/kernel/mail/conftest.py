"""A mail server on this machine, a site that sends through it, and its jobs run on the spot."""

import socket
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from kernel.app.open import open_kernel
from kernel.config import MailConfig, SmtpServer
from kernel.context import Context
from kernel.ledger.attempt import Attempts
from kernel.ledger.store import find_job
from kernel.ledger.submit import submit_job
from tests.fixtures.database import ROOT
from workers.handlers import HANDLERS

# The certificate is made out to this name.
TLS_NAME = "hooks.example.test"
CERTIFICATE = ROOT / "tests" / "fixtures" / "tls" / f"{TLS_NAME}.pem"
SENDER = "The Garden Gazette <site@example.org>"


class Mailbox:
    """What the server was given, and what it answers: by recipient, else 250."""

    def __init__(self):
        self.envelopes = []
        self.answers = {}
        self.taken = "250 taken"

    async def handle_RCPT(self, _server, _session, envelope, address, options):  # noqa: N802  # the name that the server looks for
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server, session, envelope):  # noqa: N802  # as above
        envelope.was_encrypted = session.ssl is not None
        self.envelopes.append(envelope)
        return self.taken


def check_login(_server, _session, _envelope, _mechanism, data):
    is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"site", b"p@ss")
    return AuthResult(success=is_right)


def find_free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@asynccontextmanager
async def serve_smtp(*, tls=False, port=None):
    """The mailbox and the port; with TLS nothing is taken before STARTTLS and a login."""
    mailbox = Mailbox()
    options = {}
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        options = {
            "tls_context": context,
            "require_starttls": True,
            "authenticator": check_login,
            "auth_required": True,
        }
    port = port or find_free_port()
    server = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    server.start()
    try:
        yield mailbox, port
    finally:
        server.stop()


@pytest.fixture
def with_server(config):
    """The site's configuration with a mail server at that port."""

    def make(port, **options):
        server = SmtpServer(**{"host": "127.0.0.1", "port": port, "tls": "none", **options})
        return replace(config, site_url="https://example.org", mail=MailConfig(server, SENDER))

    return make


@asynccontextmanager
async def open_post(config, renderer):
    """A worker that does what is asked for at once: `Post`."""
    async with open_kernel(config, role="worker", with_plugins=False, renderer=renderer) as rt:
        yield Post(rt)


class Post:
    def __init__(self, rt):
        self.rt = rt
        self.ctx = Context()
        work = {kind.name: (kind, partial(handler, rt)) for kind, handler in HANDLERS.items()}
        self.attempts = Attempts(rt.ledger, work)

    async def do(self, kind, payload, actor=None):
        """Submit it, make one attempt at it and at whatever follows; the job itself."""
        ctx = Context() if actor is None else Context().acting_as(actor)
        job_id = await submit_job(self.rt.ledger, ctx, kind, payload)
        await self.work_off()
        async with self.rt.db.acquire() as conn:
            return await find_job(conn, job_id)

    async def work_off(self):
        """One attempt at each job that is due, until none is."""
        while ids := await self.list_due():
            for job_id in ids:
                await self.attempts.make(job_id)

    async def list_due(self):
        async with self.rt.db.acquire() as conn:
            return [
                row["id"]
                for row in await conn.fetch(
                    "SELECT id FROM job WHERE status = 'queued' AND run_at <= now() ORDER BY id"
                )
            ]

    async def hurry(self):
        """What waits for its next try is due."""
        async with self.rt.db.acquire() as conn:
            await conn.execute("UPDATE job SET run_at = now() WHERE status = 'queued'")
