"""What the page cache reads of a request: whether it is a stranger's, and under which key its page is
kept."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from kernel.ids import uuid7
from kernel.names import LIVE
from kernel.shared.cache import stage_key

Scope: TypeAlias = MutableMapping[str, Any]

MAX_HOST_BYTES: Final = 255
MAX_PATH_CHARS: Final = 1_024
MAX_QUERY_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Request:
    """`key` is None when the request passes by the cache; `is_own` says that the address is one of the site's
    own, and not made up by adding a query or another host."""

    method: str
    key: str | None
    is_own: bool
    if_none_match: bytes
    request_id: bytes


def read_request(scope: Scope, session_cookie: bytes, own_hosts: frozenset[bytes]) -> Request:
    """Where header names or values are looked at, too little is kept rather than too much: the name of the
    session cookie anywhere among the cookies is a session, "json" anywhere in `Accept` asks for it."""
    method: str = scope["method"]
    is_stranger = method in {"GET", "HEAD"}
    host: bytes | None = None
    if_none_match = request_id = b""
    for name, value in scope["headers"]:
        if name == b"host":
            is_stranger = is_stranger and host is None
            host = value.lower()
        elif name == b"if-none-match":
            if_none_match = value
        elif name == b"x-request-id":
            request_id = value
        elif (
            (name == b"cookie" and session_cookie in value)
            or (name == b"accept" and b"json" in value.lower())
            # Quart takes a request that has a JSON body for one that wants a JSON answer.
            or name in {b"authorization", b"content-type", b"range"}
        ):
            is_stranger = False
    if not _is_request_id(request_id):
        request_id = str(uuid7()).encode()
    key = _build_key(scope, host or b"") if is_stranger else None
    return Request(method, key, host in own_hosts and not scope["query_string"], if_none_match, request_id)


def _is_request_id(text: bytes) -> bool:
    return 8 <= len(text) <= 64 and text.replace(b"-", b"").isalnum()


def _build_key(scope: Scope, host: bytes) -> str | None:
    """None for what is too long to be worth a place. The path comes last and decoded, as the routes see it:
    it is the only part that may hold a newline."""
    query: bytes = scope["query_string"]
    path: str = scope["path"]
    if len(host) > MAX_HOST_BYTES or len(path) > MAX_PATH_CHARS or len(query) > MAX_QUERY_BYTES:
        return None
    if b"\n" in host or b"\n" in query:
        return None
    ordered = _sort(query).decode("latin-1") if query else ""
    text = f"{scope['scheme']}\n{host.decode('latin-1')}\n{ordered}\n{path}"
    return stage_key(LIVE, text)


def _sort(query: bytes) -> bytes:
    """By name alone: values of one name keep their order, which may matter."""
    pairs = sorted(query.split(b"&"), key=lambda pair: pair.partition(b"=")[0])
    return b"&".join(pairs)
