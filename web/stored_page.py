"""A page as it is kept for strangers: made from the application's answer, sent again, and its form in
Redis."""

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

Message: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

MAX_PAGE_BYTES: Final = 1_000_000
VARY: Final = (b"vary", b"Cookie, Accept")

# What belongs to one answer only, or is written anew for a kept one.
_DROPPED_HEADERS: Final = frozenset(
    (
        b"cache-control",
        b"connection",
        b"content-length",
        b"date",
        b"etag",
        b"server",
        b"transfer-encoding",
        b"vary",
        b"x-request-id",
    )
)
# What the key tells apart, or what makes a request pass by. A page that depends on more is not kept.
_KNOWN_VARY: Final = frozenset((b"", b"accept", b"cookie"))


@dataclass(frozen=True, slots=True)
class Page:
    """An answer 200. `short_headers` are those of a 304; `route` is the route's template."""

    headers: Headers
    short_headers: Headers
    body: bytes
    etag: bytes
    route: str

    @property
    def size_bytes(self) -> int:
        return len(self.body) + sum(len(name) + len(value) + 150 for name, value in self.headers)


def may_keep_answer(status: int, headers: Headers) -> bool:
    """Whether an answer that the application offers is one for every stranger, of known and bounded
    length."""
    length = -1
    for name, value in headers:
        if name in {b"set-cookie", b"content-encoding", b"content-range"}:
            return False
        if name == b"vary" and not _KNOWN_VARY.issuperset(part.strip().lower() for part in value.split(b",")):
            return False
        if name == b"cache-control" and (b"no-store" in value.lower() or b"private" in value.lower()):
            return False
        if name == b"content-length" and value.isdigit():
            length = int(value)
    return status == 200 and 0 <= length <= MAX_PAGE_BYTES


def build_page(headers: Headers, body: bytes, route: str) -> Page:
    """The validator is strong: it changes with every byte of the body and with its type."""
    kept = [(name, value) for name, value in headers if name not in _DROPPED_HEADERS]
    digest = hashlib.blake2b(body, digest_size=16)
    for name, value in kept:
        if name == b"content-type":
            digest.update(b"\0" + value)
    return _build(kept, body, b'"%s"' % digest.hexdigest().encode(), route)


def _build(kept: Headers, body: bytes, etag: bytes, route: str) -> Page:
    # Kept by clients, but asked for each time: what is current is known here alone.
    short: Headers = [(b"etag", etag), (b"cache-control", b"no-cache"), VARY]
    return Page([*kept, *short, (b"content-length", str(len(body)).encode())], short, body, etag, route)


def encode_page(page: Page) -> bytes:
    """One line of JSON, then the body as it is."""
    kept = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in page.headers
        if name not in _DROPPED_HEADERS
    ]
    head = {"etag": page.etag.decode(), "route": page.route, "headers": kept}
    return orjson.dumps(head) + b"\n" + page.body


def decode_page(raw: bytes) -> Page:
    line, _, body = raw.partition(b"\n")
    head = orjson.loads(line)
    kept = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]]
    return _build(kept, body, head["etag"].encode(), head["route"])


async def send_page(page: Page, send: Send, *, method: str, if_none_match: bytes, request_id: bytes) -> int:
    """The status that was sent: 304 when the client has this very page."""
    own = (b"x-request-id", request_id)
    if if_none_match and (page.etag in if_none_match or if_none_match.strip() == b"*"):
        await send({"type": "http.response.start", "status": 304, "headers": [*page.short_headers, own]})
        await send({"type": "http.response.body", "body": b""})
        return 304
    await send({"type": "http.response.start", "status": 200, "headers": [*page.headers, own]})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else page.body})
    return 200
