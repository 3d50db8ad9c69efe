"""A worker's metrics port answers who may ask, and outlives everybody else."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from kernel.app.open import open_kernel
from kernel.config import MetricsConfig
from kernel.errors import ConfigError
from workers.metrics_port import CLIENT_S, CLIENTS, HEAD_BYTES, offer_metrics

TOKEN = "a-token-of-some-length"


@pytest.fixture
def open_port(config, renderer, unused_tcp_port):
    """`async with open_port(allow=…) as port`: a worker's kernel that offers its metrics there."""

    @asynccontextmanager
    async def open_it(client_s=CLIENT_S, **access):
        metrics = MetricsConfig(port=unused_tcp_port, **access)
        settings = replace(config, metrics=metrics)
        async with open_kernel(settings, role="worker", with_plugins=False, renderer=renderer) as rt:
            async with offer_metrics(rt, client_s=client_s):
                yield unused_tcp_port

    return open_it


async def say(port, text, *, is_over=True):
    """What the port answers to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text)
        if is_over:
            writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def ask(port, path="/metrics", method="GET", **headers):
    async with httpx.AsyncClient() as client:
        return await client.request(method, f"http://127.0.0.1:{port}{path}", headers=headers)


@pytest.mark.story("14.3")
async def test_it_answers_prometheus(open_port):
    async with open_port() as port:
        answer = await ask(port)
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        assert [sample.value for sample in families["trovato_processes"].samples] == [1.0]
        assert {sample.labels["state"] for sample in families["trovato_database_connections"].samples} == {
            "in_use",
            "idle",
        }
        assert (await ask(port, method="HEAD")).content == b""
        assert (await ask(port, "/metrics?name=x")).status_code == 200
        for path, method in (("/", "GET"), ("/metrics", "POST"), ("/metrics/x", "GET")):
            assert (await ask(port, path, method)).status_code == 404


@pytest.mark.story("14.4")
async def test_it_answers_nobody_else(open_port):
    async with open_port(allow=(), token=TOKEN) as port:
        refused = await ask(port)
        assert refused.status_code == 403
        assert "METRICS_TOKEN" in refused.text
        assert "trovato_" not in refused.text
        assert (await ask(port, Authorization="Bearer wrong")).status_code == 403
        assert (await ask(port, Authorization=f"Bearer {TOKEN}")).status_code == 200


async def test_without_a_port_nothing_is_opened(config, renderer, unused_tcp_port):
    assert config.metrics.port == 0
    async with open_kernel(config, role="worker", with_plugins=False, renderer=renderer) as rt:
        async with offer_metrics(rt):
            with pytest.raises(OSError, match="Connect"):
                await asyncio.open_connection("127.0.0.1", unused_tcp_port)


async def test_a_taken_port_is_said(open_port):
    async with open_port():
        with pytest.raises(ConfigError, match=r"METRICS_PORT \d+ on 127\.0\.0\.1 cannot be used"):
            async with open_port():
                pass


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, id="tls"),
        pytest.param(b"\r\n\r\n", id="nothing"),
        pytest.param(b"GET /metrics\r\n\r\n", id="no-version"),
        pytest.param(b"GET  /metrics HTTP/1.1\r\n\r\n", id="two-spaces"),
        pytest.param(b"GET /metrics SPDY/3\r\n\r\n", id="another-protocol"),
        pytest.param(b"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n", id="no-colon"),
        pytest.param(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES * 2, id="huge-header"),
        pytest.param(b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n", id="many-headers"),
        pytest.param(b"x" * 1_000_000, id="a-megabyte-of-nothing"),
        pytest.param(b"GET /metrics HTTP/1.1\r\nHost: x", id="unfinished"),
        pytest.param(b"", id="silent"),
    ],
)
async def test_garbage_gets_no_metrics_and_does_no_harm(open_port, text):
    async with open_port() as port:
        answer = await say(port, text)
        assert b"trovato_" not in answer
        assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 "))
        assert (await ask(port)).status_code == 200


async def test_who_says_nothing_is_left(open_port):
    async with open_port(client_s=0.2) as port:
        assert await say(port, b"GET /metrics HT", is_over=False) == b""
        # And they hold up nobody: as many at once as there may be, then they are gone.
        assert (
            await asyncio.gather(*(say(port, b"", is_over=False) for _ in range(CLIENTS))) == [b""] * CLIENTS
        )
        assert (await ask(port)).status_code == 200


async def test_more_than_so_many_at_once_are_turned_away(open_port):
    async with open_port() as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS)]
        for _, writer in held:
            writer.write(b"GET /metrics HTTP/1.1\r\n")
            await writer.drain()
        assert await say(port, b"GET /metrics HTTP/1.1\r\n\r\n") == b""
        for _, writer in held:
            writer.write(b"\r\n")
        answers = await asyncio.gather(*(reader.read() for reader, _ in held))
        assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
        for _, writer in held:
            writer.close()
