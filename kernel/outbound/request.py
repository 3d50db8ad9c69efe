"""Reads what an untrusted program wants to ask of another server, and leaves nothing to interpretation."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kernel.names import is_host

BODY_MAX: Final = 100_000
TIMEOUT_MAX_S: Final = 10.0
HEADERS_MAX: Final = 50
HEADERS_BYTES_MAX: Final = 16_000
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# Narrower than the standard: what two programs could read differently (a user before the host, a backslash, a space,
# another alphabet) is no URL here. An address in numbers is no name of a host.
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]{1,253})(:(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/\[\]-]*)?(\?(?P<query>[A-Za-z0-9._~!$&'()*+,;=:@%/?\[\]-]*))?"
)
_URL_MAX: Final = 4_000
_PORTS: Final = {"https": 443, "http": 80}
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
# About the connection, which is ours, or about where a request ends.
_OUR_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_KEYS: Final = ("method", "url", "headers", "body", "timeout_s")


class RequestError(ValueError):
    """It is not sent; the text says why, for whoever wrote the program."""


@dataclass(frozen=True, slots=True)
class Request:
    """`host` is a name in small letters, `path` and `query` are as they are sent."""

    method: str
    scheme: str
    host: str
    port: int
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    timeout_s: float

    def is_listed(self, hosts: Collection[str]) -> bool:
        """Whether one of the entries, each `name` or `name:port`, means its server; without a port it is the usual
        one of the scheme."""
        if f"{self.host}:{self.port}" in hosts:
            return True
        return self.port == _PORTS[self.scheme] and self.host in hosts


def read_request(data: object) -> Request:
    """`data` is JSON. Raises RequestError with a sentence."""
    if not isinstance(data, Mapping):
        raise RequestError("The request must be an object.")
    unknown = [str(key)[:64] for key in data if key not in _KEYS]
    if unknown:
        raise RequestError(f"The request has {unknown[0]!r}; known are {', '.join(_KEYS)}.")
    method = data.get("method", "GET")
    if method not in METHODS:
        raise RequestError(f"method must be one of {', '.join(METHODS)}.")
    scheme, host, port, path, query = _read_url(data.get("url"))
    return Request(
        method,
        scheme,
        host,
        port,
        path,
        query,
        _read_headers(data.get("headers", {})),
        _read_body(data.get("body", "")),
        _read_timeout(data.get("timeout_s", TIMEOUT_MAX_S)),
    )


def _read_url(url: object) -> tuple[str, str, int, str, str]:
    if not isinstance(url, str) or len(url) > _URL_MAX:
        raise RequestError(f"url must be text of at most {_URL_MAX:,} characters.")
    parts = _URL.fullmatch(url)
    host = parts["host"].lower() if parts else ""
    if parts is None or not is_host(host):
        raise RequestError(
            "url must look like https://api.example.com/path?query=1: a name and no address, no user, no fragment,"
            " other letters in punycode or percent-encoded."
        )
    port = int(parts["port"] or _PORTS[parts["scheme"]])
    if not 1 <= port <= 65_535:
        raise RequestError("url must have a port from 1 to 65535.")
    return parts["scheme"], host, port, parts["path"] or "/", parts["query"] or ""


def _read_headers(headers: Any) -> dict[str, str]:
    if not isinstance(headers, Mapping) or len(headers) > HEADERS_MAX:
        raise RequestError(f"headers must be an object with at most {HEADERS_MAX} entries.")
    size = 0
    for name, value in headers.items():
        shown = str(name)[:64]
        if not _HEADER_NAME.fullmatch(name):
            raise RequestError(f"headers holds {shown!r}, which is no name of a header.")
        if name.lower() in _OUR_HEADERS:
            raise RequestError(f"headers holds {shown!r}, which the kernel sets itself or never sends.")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise RequestError(f"The header {shown!r} must be text of one line, in ASCII.")
        size += len(name) + len(value)
    if size > HEADERS_BYTES_MAX:
        raise RequestError(f"headers may hold {HEADERS_BYTES_MAX:,} bytes together.")
    return dict(headers)


def _read_body(body: object) -> bytes:
    if not isinstance(body, str):
        raise RequestError("body must be text.")
    data = body.encode()
    if len(data) > BODY_MAX:
        raise RequestError(f"body may have {BODY_MAX:,} bytes.")
    return data


def _read_timeout(timeout_s: object) -> float:
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float):
        timeout_s = 0
    if not 0 < timeout_s <= TIMEOUT_MAX_S:
        raise RequestError(f"timeout_s must be a number above 0, and {TIMEOUT_MAX_S:g} at most.")
    return float(timeout_s)
