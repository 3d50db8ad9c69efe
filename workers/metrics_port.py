"""Offers the metrics of one worker on a port of its own: one short question, one answer, and the connection ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from kernel.app.scrape import REFUSAL, Scrape, may_read_metrics
from kernel.config import MetricsConfig
from kernel.errors import ConfigError
from kernel.log import get_logger
from kernel.metrics import CONTENT_TYPE
from kernel.runtime import Runtime

log = get_logger(__name__)

HEAD_BYTES: Final = 8_192
# Asking and reading the answer together; who is slower is left.
CLIENT_S: Final = 5.0
CLIENTS: Final = 8


class MetricsPort:
    """Whoever connects is a stranger: what is read from them is bounded in size, time and number."""

    def __init__(self, scrape: Scrape, access: MetricsConfig, client_s: float) -> None:
        self._scrape = scrape
        self._client_s = client_s
        self._access = access
        self._clients = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self._clients += 1
        try:
            if self._clients <= CLIENTS:
                async with asyncio.timeout(self._client_s):
                    await self._answer(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            log.debug("a client of the metrics port left early", error=repr(error))
        finally:
            self._clients -= 1
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()  # closing would wait for who does not read
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status, content_type, body = "200 OK", CONTENT_TYPE, b""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request, headers = _read_head(head)
        except (asyncio.LimitOverrunError, ValueError):
            status, body = "400 Bad Request", b"This is no request that can be answered here.\n"
        else:
            peer = writer.get_extra_info("peername")
            if request not in {("GET", "/metrics"), ("HEAD", "/metrics")}:
                status, body = "404 Not Found", b"Here is /metrics and nothing else.\n"
            elif not may_read_metrics(self._access, peer[0], headers):
                status, body = "403 Forbidden", f"{REFUSAL}\n".encode()
            else:
                body = await self._scrape.render()
            if request[0] == "HEAD":
                body = b""
        if not status.startswith("200"):
            content_type = "text/plain; charset=utf-8"
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\nCache-Control: no-store\r\n\r\n".encode()
            + body
        )
        await writer.drain()


def _read_head(head: str) -> tuple[tuple[str, str], list[tuple[str, str]]]:
    """Method and path, and the headers with their names in lower case. Raises ValueError."""
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(line)
        headers.append((name.strip().lower(), value.strip()))
    return (method, target.partition("?")[0]), headers


@asynccontextmanager
async def offer_metrics(rt: Runtime, *, client_s: float = CLIENT_S) -> AsyncIterator[None]:
    """Nothing is opened without METRICS_PORT. Raises ConfigError when the port is taken."""
    access = rt.config.metrics
    if not access.port:
        yield
        return
    port = MetricsPort(Scrape(rt), access, client_s)
    try:
        server = await asyncio.start_server(port.serve, access.host, access.port, limit=HEAD_BYTES)
    except OSError as error:
        raise ConfigError(
            [f"METRICS_PORT {access.port} on {access.host} cannot be used: {error.strerror}."]
        ) from error
    async with server:
        yield
