"""Answers strangers from memory before the application is asked: the outermost layer of the web process.

Only GET and HEAD without a session, a token or a wish for JSON are looked up, under host, path and query.
Only what a route offered is kept: an answer 200 of known length, without cookies. Everything else passes
through. Every answer carries a request id and is counted, whoever gave it; the application's answers, and
whatever took long, also get a line in the log, in which the route stands and never the address: addresses may
hold what nobody should read.

Why some things are as they are:

- A page is valid while none of its tags was dropped (kernel.shared.cache). It has no age to tell: clients ask
  each time (`no-cache`) and mostly get a 304. A client's own `Cache-Control` is not obeyed, since a page that
  is served is current, and since anybody could use it to put load on the site.
- Pages with a query, or under a host that is not the site's own, stay in this process, whose tier is bounded:
  addresses can be made up without end, and Redis also holds the sessions and the queue.
- Redirects and errors are not kept: they are cheap to make, and addresses of nothing have no end.
- Strangers who ask for a page that is just being made wait for it, unless something was dropped since it was
  begun.
"""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast
from urllib.parse import urlsplit

import orjson
from structlog.contextvars import bind_contextvars

from kernel.config import Config
from kernel.log import get_logger
from kernel.names import PAGES_TAG
from kernel.profile import begin_profile, find_profile
from kernel.shared.cache import Cache
from kernel.shared.drops import short_names
from kernel.shared.local import LocalTier
from web.page_request import Request, Scope, read_request
from web.stored_page import (
    VARY,
    Headers,
    Message,
    Page,
    Send,
    build_page,
    decode_page,
    encode_page,
    may_keep_answer,
    send_page,
)

Receive: TypeAlias = Callable[[], Awaitable[Message]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

log = get_logger(__name__)

# Where the application finds the PageMark of its request, in the ASGI scope.
MARK: Final = "trovato.page"
# Part of every key in Redis, so that a release with another form of entry does not read the old ones.
FORMAT: Final = "page1"
LOCAL_PAGES_BYTES: Final = 32 * 1024 * 1024
# Routes that machines ask all day, or that come in dozens with each page: their lines are for debugging.
QUIET_ROUTES: Final = ("/health", "/metrics", "/static/")
# Nobody was there any more to be answered; the number is what nginx writes for it.
GONE: Final = 499
METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


@dataclass(slots=True)
class PageMark:
    """What the application says about its answer. `route` is the route's template, for the metrics."""

    route: str = "other"
    tags: Collection[str] | None = None
    ttl_s: float = 0.0

    def offer(self, tags: Collection[str], ttl_s: float) -> None:
        """The answer is the same for every stranger until one of the tags is dropped, for `ttl_s` at most."""
        self.tags = tags
        self.ttl_s = ttl_s


@dataclass(frozen=True, slots=True)
class Making:
    """A page that is being made from data no older than `generation`. None when it turns out not to be
    kept."""

    generation: int
    page: "asyncio.Future[Page | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def may_be_joined(self, generation: int) -> bool:
        """Not by those who come after a drop that it may not know of."""
        return self.generation >= generation

    async def wait(self) -> Page | None:
        """Shielded: one visitor who leaves must not take the page from the others."""
        return await asyncio.shield(self.page)


Made: TypeAlias = Callable[[PageMark, Page | None], None]


class PageCache:
    """Wraps the application of one process. `session_cookie` is the name of the cookie that makes somebody
    known. `read_epoch` tells apart what processes with different plugins make: a page of one is none of another's."""

    def __init__(
        self,
        app: Application,
        cache: Cache,
        config: Config,
        session_cookie: str,
        *,
        read_epoch: Callable[[], str] = lambda: "",
    ) -> None:
        self._app = app
        self._read_epoch = read_epoch
        self._cache = cache
        self._metrics = cache.metrics
        self._slow_s = config.slow_request_ms / 1000
        self._session_cookie = session_cookie.encode()
        hosts = (urlsplit(config.public_url).netloc, f"{config.host}:{config.port}")
        self._own_hosts = frozenset(host.lower().encode() for host in hosts)
        self._pages = LocalTier(cache.drops, max_entries=config.cache_entries, max_bytes=LOCAL_PAGES_BYTES)
        self._making: dict[str, Making] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request = read_request(scope, self._session_cookie, self._own_hosts)
        key = f"{self._read_epoch()} {request.key}" if request.key is not None else None
        page = self._find_here(key) if key is not None else None
        if page is None:
            # From here on something may be logged. The server gives each request a task of its own, so that
            # nobody else's lines get this id.
            bind_contextvars(request_id=request.request_id.decode())
            begin_profile()
            page = await self._find_elsewhere(request, key) if key is not None else None
        if page is not None:
            await self._answer(page, request, send, started)
        elif key is None or request.method == "HEAD":
            await self._pass(scope, receive, _Answer(send, request, None), started)
        else:
            await self._make(scope, receive, send, request, key=key, started=started)

    def _find_here(self, key: str) -> Page | None:
        page = cast("Page | None", self._pages.get(key))
        self._metrics.count_lookup("page", page is not None)
        return page

    async def _find_elsewhere(self, request: Request, key: str) -> Page | None:
        """With somebody who is making it now, or in Redis."""
        making = self._find_making(key)
        if making is not None:
            return await making.wait()
        if not request.is_own:
            return None
        entry = await self._cache.fetch(f"{FORMAT}\n{key}")
        if entry is None:
            # Somebody may have begun it, or even finished, while Redis was asked.
            making = self._find_making(key)
            return await making.wait() if making is not None else cast("Page | None", self._pages.get(key))
        try:
            page = decode_page(entry.value)
        except (orjson.JSONDecodeError, KeyError) as error:
            log.warning("a page in Redis could not be read", error=repr(error))
            return None
        self._pages.put(key, page, entry.tags, entry.ttl_s, entry.generation, size_bytes=page.size_bytes)
        return page

    def _find_making(self, key: str) -> Making | None:
        making = self._making.get(key)
        return making if making is not None and making.may_be_joined(self._cache.generation()) else None

    async def _answer(self, page: Page, request: Request, send: Send, started: float) -> None:
        status = await send_page(
            page,
            send,
            method=request.method,
            if_none_match=request.if_none_match,
            request_id=request.request_id,
        )
        seconds = time.perf_counter() - started
        self._metrics.count_request(request.method, page.route, status, seconds)
        if seconds > self._slow_s:
            _log_request(request, page.route, status, seconds, is_slow=True)

    async def _make(
        self, scope: Scope, receive: Receive, send: Send, request: Request, *, key: str, started: float
    ) -> None:
        """Run the application; keep its answer here at once, and in Redis after it was sent."""
        making = Making(self._cache.generation())
        self._making[key] = making
        answer = _Answer(send, request, functools.partial(self._made, key, making))
        try:
            await self._pass(scope, receive, answer, started)
        finally:
            self._made(key, making, answer.mark, None)
        page, mark = answer.page, answer.mark
        if page is not None and request.is_own:
            value, tags = encode_page(page), _tags_of(mark)
            await self._cache.store(f"{FORMAT}\n{key}", value, tags, mark.ttl_s, making.generation)

    def _made(self, key: str, making: Making, mark: PageMark, page: Page | None) -> None:
        """The first call counts: it tells those who wait, and ends the waiting."""
        if making.page.done():
            return
        if page is not None:
            tags, size = _tags_of(mark), page.size_bytes
            self._pages.put(key, page, tags, mark.ttl_s, making.generation, size_bytes=size)
        making.page.set_result(page)
        if self._making.get(key) is making:
            del self._making[key]

    async def _pass(self, scope: Scope, receive: Receive, answer: "_Answer", started: float) -> None:
        request, mark = answer.request, answer.mark
        outcome = GONE
        # The application reads the same id that the answer will carry.
        headers = [pair for pair in scope["headers"] if pair[0] != b"x-request-id"]
        headers.append((b"x-request-id", request.request_id))
        try:
            await self._app({**scope, "headers": headers, MARK: mark}, receive, answer.take)
        except Exception:
            outcome = 500
            raise
        finally:
            status = answer.status or outcome
            seconds = (answer.ready or time.perf_counter()) - started
            method = request.method if request.method in METHODS else "other"
            self._metrics.count_request(method, mark.route, status, seconds)
            _log_request(request, mark.route, status, seconds, is_slow=seconds > self._slow_s)


class _Answer:
    """What the application sends: passed on at once, or held until it is whole and then sent as a page."""

    def __init__(self, send: Send, request: Request, made: Made | None) -> None:
        self.mark = PageMark()
        self.request = request
        # Until the application says one.
        self.status: int | None = None
        self.page: Page | None = None
        # When the answer was there, if that is not its end: a stream of events goes on for as long as somebody looks.
        self.ready: float | None = None
        self._send = send
        self._made = made
        self._held: Headers | None = None
        self._body: list[bytes] = []

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif message["type"] == "http.response.body" and self._held is not None:
            self._body.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._finish(self._held)
        else:
            await self._send(message)

    async def _start(self, message: Message) -> None:
        self.status = message["status"]
        headers: Headers = [(name.lower(), value) for name, value in message["headers"]]
        if self._made is not None:
            if self.mark.tags is not None and may_keep_answer(self.status, headers):
                self._held = headers
                return
            self._made(self.mark, None)
        if any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers):
            self.ready = time.perf_counter()
        await self._send({**message, "headers": _complete(headers, self.request.request_id)})

    async def _finish(self, headers: Headers) -> None:
        self._held = None
        self.page = page = build_page(headers, b"".join(self._body), self.mark.route)
        if self._made is not None:
            self._made(self.mark, page)
        request = self.request
        self.status = await send_page(
            page,
            self._send,
            method=request.method,
            if_none_match=request.if_none_match,
            request_id=request.request_id,
        )


def _log_request(request: Request, route: str, status: int, seconds: float, *, is_slow: bool) -> None:
    """With what the profile says of it; the request id is bound."""
    write = log.warning if is_slow else log.debug if route.startswith(QUIET_ROUTES) else log.info
    profile = find_profile()
    write(
        "slow request" if is_slow else "request",
        method=request.method,
        route=route,
        status=status,
        ms=round(seconds * 1000, 1),
        **(profile.as_fields() if profile is not None else {}),
    )


def _tags_of(mark: PageMark) -> list[str]:
    return short_names([*(mark.tags or ()), PAGES_TAG])


def _complete(headers: Headers, request_id: bytes) -> Headers:
    """An answer that says nothing about caching is for this visitor alone."""
    complete = [pair for pair in headers if pair[0] != b"x-request-id"]
    complete.append((b"x-request-id", request_id))
    if not any(name == b"cache-control" for name, _ in headers):
        complete.append((b"cache-control", b"private, no-cache"))
        if not any(name == b"vary" for name, _ in headers):
            complete.append(VARY)
    return complete
