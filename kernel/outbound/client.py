"""Asks other servers: at addresses that were checked, once, within bounds of time and size."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from ssl import SSLContext, create_default_context
from typing import Any, Final

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from kernel.log import get_logger
from kernel.names import is_local_host
from kernel.outbound.address import is_public
from kernel.outbound.request import Request

ANSWER_MAX: Final = 1_000_000
ANSWER_HEADERS_MAX: Final = 64_000
USER_AGENT: Final = "Trovato"
# Of the threads that all share, those that may wait for names: a server of names that does not answer holds one for
# longer than anybody waits here.
_LOOKUPS: Final = 3

# Given a name and a port, the addresses in the order in which to try them. Raises OSError.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

log = get_logger(__name__)


class FetchError(Exception):
    """There is no answer. `code` is refused-capability, unreachable, timeout or too-large; the text is for whoever
    wrote the program, and names no address."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` by name in small letters, several of one name in one, with commas. `body` as it was sent, which may be
    compressed: whoever unpacks it pays for it."""

    status: int
    headers: dict[str, str]
    body: bytes


class Outbound:
    """`private_hosts` are servers that may be in the site's own network and may be asked without TLS, each `name` or
    `name:port`. Without `tls` the certificates count that the machine trusts."""

    def __init__(
        self, private_hosts: Collection[str], *, resolve: Resolve | None = None, tls: SSLContext | None = None
    ) -> None:
        self._private_hosts = private_hosts
        self._lookups = asyncio.Semaphore(_LOOKUPS)
        self._resolve = resolve or self._look_up
        self._tls = tls

    async def fetch(self, request: Request) -> Answer:
        """Raises FetchError."""
        is_private = request.is_listed(self._private_hosts)
        if is_local_host(request.host) and not is_private:
            raise FetchError(
                "refused-capability",
                f"{request.host}:{request.port} is no server on the internet; whoever runs this site can list it in"
                " OUTBOUND_PRIVATE_HOSTS.",
            )
        if request.scheme != "https" and not is_private:
            raise FetchError("refused-capability", "Other servers are asked over https alone.")
        try:
            async with asyncio.timeout(request.timeout_s):
                addresses = await self._find_addresses(request, may_be_private=is_private)
                return await self._ask(request, addresses)
        except TimeoutError:
            raise FetchError(
                "timeout", f"{request.host} did not answer within {request.timeout_s:g} s."
            ) from None
        except ClientSSLError as error:
            log.info("another server has no good certificate", host=request.host, error=str(error))
            raise FetchError("unreachable", f"{request.host} has no certificate that is trusted.") from None
        except (ClientError, OSError, ValueError) as error:
            log.info("another server was not reached", host=request.host, error=repr(error))
            raise FetchError("unreachable", f"{request.host} gave no answer that is HTTP.") from None

    async def _find_tls(self) -> SSLContext:
        """Reading the machine's certificates takes 30 ms, which a process that asks no other server is spared."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(create_default_context)
        return self._tls

    async def _find_addresses(self, request: Request, *, may_be_private: bool) -> Sequence[str]:
        """All that the name stands for. They are asked for once, and the connection goes to one of these."""
        try:
            addresses = await self._resolve(request.host, request.port)
        except OSError:
            addresses = ()
        if not addresses:
            raise FetchError("unreachable", f"There is no server of the name {request.host}.")
        if not may_be_private and not all(is_public(address) for address in addresses):
            log.warning(
                "a name of another server leads into a private network",
                host=request.host,
                addresses=list(addresses),
            )
            raise FetchError(
                "refused-capability", f"{request.host} stands for an address that is not of the internet."
            )
        return addresses

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        await self._lookups.acquire()
        looking = asyncio.get_running_loop().run_in_executor(
            None, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        # Its thread is free when it ends, which may be after whoever asked has gone.
        looking.add_done_callback(self._end_lookup)
        found = await asyncio.shield(looking)
        return [str(address[0]) for *_, address in found]

    def _end_lookup(self, looking: "asyncio.Future[Any]") -> None:
        self._lookups.release()
        if not looking.cancelled():
            looking.exception()

    async def _ask(self, request: Request, addresses: Sequence[str]) -> Answer:
        url = URL.build(
            scheme=request.scheme,
            host=request.host,
            port=request.port,
            path=request.path,
            query_string=request.query,
            encoded=True,
        )
        # A connector of its own, so that no connection, cookie or name outlives the request.
        connector = TCPConnector(
            resolver=_Known(addresses),
            use_dns_cache=False,
            force_close=True,
            ssl=await self._find_tls(),
            limit=1,
        )
        async with (
            ClientSession(
                connector=connector,
                cookie_jar=DummyCookieJar(),
                # Its own limits; ours is around the whole.
                timeout=ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            ) as session,
            session.request(
                request.method,
                url,
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
            ) as response,
        ):
            headers = _read_headers(response)
            return Answer(response.status, headers, await _read_body(response))


class _Known(AbstractResolver):
    """Answers with the addresses that were checked, whatever the name stands for by now."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in self._addresses
            if family in {socket.AF_UNSPEC, socket.AF_INET6 if ":" in address else socket.AF_INET}
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _read_headers(response: ClientResponse) -> dict[str, str]:
    if sum(len(name) + len(value) for name, value in response.raw_headers) > ANSWER_HEADERS_MAX:
        raise FetchError(
            "too-large", f"The headers of the answer have more than {ANSWER_HEADERS_MAX:,} bytes."
        )
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.raw_headers:
        name, value = raw_name.decode("utf-8", "replace").lower(), raw_value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _read_body(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_MAX:
            # Without waiting for the rest, which may have no end.
            response.close()
            raise FetchError("too-large", f"The answer has more than {ANSWER_MAX:,} bytes.")
    return bytes(body)
