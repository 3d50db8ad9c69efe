"""The plugin `webhooks` through its artefact, on a site, and a server of this machine that it tells."""

import asyncio
import hashlib
import hmac
import json
import socket
import time
from uuid import UUID

import pytest

from kernel.ledger.wait import wait_for_job

pytestmark = pytest.mark.long

SECRET = "s3cret"
NAME = "hooks.example.test"
ERROR = "SELECT error::text FROM job WHERE kind = 'work_plugin_queue'"


class Receiver:
    """Answers what a test says, one status after another, and keeps what it was sent as (headers, body)."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.deliveries = asyncio.Queue()

    async def handle(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        writer.write(f"HTTP/1.1 {self.statuses.pop(0)} X\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        self.deliveries.put_nowait((lines[0], headers, body.decode()))

    async def receive(self):
        async with asyncio.timeout(30):
            return await self.deliveries.get()


@pytest.fixture
async def receiver(monkeypatch):
    """On this machine, under a name that this process alone knows."""
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: look_up("127.0.0.1" if host == NAME else host, *a, **k)
    )
    made = Receiver(503, 204)
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.host = f"{NAME}:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    await server.wait_closed()


def check_signature(headers, body):
    """As the other server would, which knows the secret and has a clock."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}"
    digest = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
    assert hmac.compare_digest(headers["webhook-signature"], f"v1={digest}")
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 60


@pytest.mark.timeout(240)
async def test_a_save_is_told_with_a_signature_until_the_other_server_says_yes(open_with, receiver):
    hosts = frozenset({receiver.host})
    async with open_with("webhooks", host=receiver.host, outbound_private_hosts=hosts) as owner:
        await owner.set_variable("webhooks_url", f"http://{receiver.host}/trovato?a=b")
        await owner.set_variable("webhooks_secret", SECRET)
        page = await owner.save("Grüße")
        refused, told = await receiver.receive(), await receiver.receive()
        for line, headers, body in (refused, told):
            assert line == "POST /trovato?a=b HTTP/1.1"
            check_signature(headers, body)
            item = {"id": str(page["id"]), "type": "page", "title": "Grüße", "is_published": True}
            assert json.loads(body) == {"event": "item.created", "item": item}
        assert refused[1]["webhook-id"] == told[1]["webhook-id"]
        job = await wait_for_job(owner.site.web.ledger, UUID(told[1]["webhook-id"]), 30)
        assert (job.status, job.attempts) == ("done", 2)


@pytest.mark.timeout(240)
async def test_a_server_that_the_manifest_does_not_list_is_told_nothing(open_with, receiver):
    hosts = frozenset({receiver.host})
    async with open_with("webhooks", outbound_private_hosts=hosts) as owner:
        await owner.set_variable("webhooks_url", f"http://{receiver.host}/")
        await owner.set_variable("webhooks_secret", SECRET)
        await owner.save("A page")
        async with asyncio.timeout(20):
            while (told := await owner.fetchval(ERROR)) is None:
                await asyncio.sleep(0.05)
        assert f"does not list {receiver.host} in [capabilities] hosts" in told
        assert receiver.deliveries.empty()
