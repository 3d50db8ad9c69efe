"""The page cache before an application of a few lines: what is kept, for whom, and until when."""

import asyncio
from dataclasses import dataclass, field

import pytest

from kernel.config import Config
from kernel.metrics import Metrics
from kernel.names import PAGES_TAG
from kernel.shared.bus import Bus
from kernel.shared.cache import Cache
from kernel.shared.connection import Shared
from web.page_cache import LOCAL_PAGES_BYTES, MARK, PageCache
from web.page_request import MAX_HOST_BYTES, MAX_PATH_CHARS, MAX_QUERY_BYTES
from web.stored_page import MAX_PAGE_BYTES

COOKIE = "trovato"
HOST = "example.org"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    messages: int


@dataclass
class App:
    """Answers with how often it was asked, under what the test sets; `gate` holds it up on purpose."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [(b"content-type", b"text/html")])
    tags: list[str] | None = field(default_factory=lambda: ["t"])
    chunks: list[bytes] = field(default_factory=list)
    has_length: bool = True
    asked: list[dict] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def __call__(self, scope, receive, send):
        self.asked.append(scope)
        scope[MARK].route = "/page/<name>"
        body = [b"answer %d" % len(self.asked), *self.chunks]
        if self.gate is not None:
            await self.gate.wait()
        if self.tags is not None:
            scope[MARK].offer(self.tags, 60)
        headers = list(self.headers)
        if self.has_length:
            headers.append((b"content-length", str(sum(map(len, body))).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for chunk in body:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@dataclass
class Process:
    app: App
    cache: Cache
    pages: PageCache

    async def ask(self, path="/page/a", *headers, method="GET", query="", host=HOST, scheme="http"):
        return await ask(self.pages, path, *headers, method=method, query=query, host=host, scheme=scheme)


async def ask(pages, path, *headers, method, query, host, scheme):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", host.encode()), *((name.encode(), value.encode()) for name, value in headers)],
    }
    await pages(scope, receive, send)
    start, *bodies = sent
    assert start["type"] == "http.response.start"
    names = [name for name, _ in start["headers"]]
    assert len(names) == len(set(names)), f"a header is given twice: {names}"
    received = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], received, b"".join(body["body"] for body in bodies), len(sent))


@pytest.fixture
async def open_process(redis_url, redis_prefix):
    opened = []

    async def open_one(**config):
        shared = await Shared.open(redis_url, redis_prefix)
        bus = Bus(shared)
        await bus.start()
        cache = Cache(shared, bus, Metrics(), max_entries=100, max_ttl_s=600, poll_s=3600)
        await cache.start()
        cache.drops.fresh_until = float("inf")
        opened.append((cache, bus, shared))
        app = App()
        config = Config(site_url=f"http://{HOST}", **config)
        return Process(app, cache, PageCache(app, cache, config, COOKIE))

    yield open_one
    for cache, bus, shared in opened:
        await cache.close()
        await bus.close()
        await shared.close()


@pytest.fixture
async def process(open_process):
    return await open_process()


async def test_the_second_visitor_is_answered_without_the_application(process):
    first, second = await process.ask(), await process.ask()
    assert (first.status, first.body) == (second.status, second.body) == (200, b"answer 1")
    assert len(process.app.asked) == 1
    assert second.messages == 2
    assert {**first.headers, "x-request-id": ""} == {**second.headers, "x-request-id": ""}
    assert {**second.headers, "x-request-id": "", "etag": ""} == {
        "content-type": "text/html",
        "content-length": "8",
        "cache-control": "no-cache",
        "vary": "Cookie, Accept",
        "etag": "",
        "x-request-id": "",
    }


async def test_another_process_answers_from_redis(open_process):
    one, two = await open_process(), await open_process()
    first = await one.ask()
    second = await two.ask()
    assert (second.body, second.headers["etag"]) == (first.body, first.headers["etag"])
    assert two.app.asked == []
    # From now on it has the page itself.
    await two.cache._shared.client.delete(two.cache._entry_key(f"page1\n http\n{HOST}\n\n/page/a"))
    assert (await two.ask()).body == b"answer 1"
    assert two.app.asked == []


async def test_a_drop_ends_a_page_everywhere(open_process):
    one, two = await open_process(), await open_process()
    await one.ask()
    await two.ask()
    heard = asyncio.Event()
    two.cache._bus.subscribe("cache-drop", lambda _message: heard.set())
    await one.cache.drop(["t"])
    await heard.wait()
    assert (await two.ask()).body == b"answer 1"
    assert len(two.app.asked) == 1
    assert (await one.ask()).body == b"answer 1"
    assert len(one.app.asked) == 1


async def test_all_pages_can_be_dropped_at_once(process):
    await process.ask("/page/a")
    process.app.tags = []
    await process.ask("/page/b")
    await process.cache.drop([PAGES_TAG])
    await process.ask("/page/a")
    await process.ask("/page/b")
    assert len(process.app.asked) == 4


@pytest.mark.parametrize(
    "header",
    [
        ("cookie", "trovato=abc"),
        ("cookie", "other=1; trovato=abc"),
        ("cookie", "__Host-trovato=abc"),
        ("cookie", "a=b;trovato =abc"),
        ("authorization", "Bearer x"),
        ("accept", "application/json"),
        ("accept", "text/html, Application/JSON;q=0.5"),
        ("content-type", "application/json"),
        ("range", "bytes=0-3"),
    ],
    ids=": ".join,
)
async def test_a_known_visitor_or_a_program_passes_by_and_leaves_nothing(process, header):
    await process.ask()
    own = await process.ask("/page/a", header)
    assert own.body == b"answer 2"
    assert own.headers["cache-control"] == "private, no-cache"
    assert own.headers["vary"] == "Cookie, Accept"
    assert (await process.ask()).body == b"answer 1"
    await process.ask("/page/b", header)
    await process.ask("/page/b")
    assert len(process.app.asked) == 4


@pytest.mark.parametrize(
    "header",
    [
        ("cookie", "theme=dark"),
        ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("cache-control", "no-cache"),
        ("cache-control", "max-age=0"),
        ("pragma", "no-cache"),
        ("if-modified-since", "Sat, 21 Nov 2026 10:00:00 GMT"),
    ],
    ids=": ".join,
)
async def test_a_stranger_is_served_whatever_else_he_sends(process, header):
    await process.ask()
    assert (await process.ask("/page/a", header)).body == b"answer 1"


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("headers", [(b"set-cookie", b"a=b")]),
        ("headers", [(b"Set-Cookie", b"a=b")]),
        ("headers", [(b"vary", b"Accept-Language")]),
        ("headers", [(b"vary", b"Cookie, *")]),
        ("headers", [(b"cache-control", b"no-store")]),
        ("headers", [(b"cache-control", b"Private")]),
        ("headers", [(b"content-encoding", b"gzip")]),
        ("status", 404),
        ("status", 301),
        ("status", 500),
        ("status", 206),
        ("tags", None),
        ("has_length", False),
        ("chunks", [b"x" * MAX_PAGE_BYTES]),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_not_the_same_for_every_stranger_is_not_kept(
    process, change, value, redis_client, redis_prefix
):
    setattr(process.app, change, value)
    first, second = await process.ask(), await process.ask()
    assert second.status == process.app.status
    assert second.body.startswith(b"answer 2")
    assert "etag" not in second.headers
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert list(redis_client.scan_iter(f"{redis_prefix}:cache:entry:*")) == []


async def test_headers_of_the_application_stay(process):
    process.app.headers = [
        (b"content-type", b"text/html"),
        (b"Content-Security-Policy", b"default-src 'self'"),
        (b"vary", b"cookie"),
        (b"date", b"Sat, 21 Nov 2026 10:00:00 GMT"),
        (b"x-request-id", b"of-the-first-visitor"),
    ]
    await process.ask()
    kept = await process.ask()
    assert kept.headers["content-security-policy"] == "default-src 'self'"
    assert kept.headers["x-request-id"] != "of-the-first-visitor"
    assert "date" not in kept.headers
    assert kept.headers["vary"] == "Cookie, Accept"


async def test_an_answer_with_its_own_cache_control_is_left_alone(process):
    process.app.tags = None
    process.app.headers = [(b"cache-control", b"public, max-age=60")]
    answer = await process.ask()
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert "vary" not in answer.headers


async def test_a_page_in_pieces_is_kept_whole(process):
    process.app.chunks = [b" and", b" more"]
    assert (await process.ask()).body == (await process.ask()).body == b"answer 1 and more"
    assert len(process.app.asked) == 1


async def test_a_page_is_sent_again_only_when_it_has_changed(process):
    first = await process.ask()
    etag = first.headers["etag"]
    same = await process.ask("/page/a", ("if-none-match", etag))
    assert (same.status, same.body) == (304, b"")
    assert same.headers["etag"] == etag
    assert same.headers["vary"] == "Cookie, Accept"
    assert same.headers["cache-control"] == "no-cache"
    assert "content-length" not in same.headers
    await process.cache.drop(["t"])
    changed = await process.ask("/page/a", ("if-none-match", etag))
    assert (changed.status, changed.body) == (200, b"answer 2")
    assert changed.headers["etag"] != etag


async def test_a_page_made_again_without_change_is_not_sent_again(process):
    etag = (await process.ask()).headers["etag"]
    await process.cache.drop(["t"])
    process.app.asked.clear()
    assert (await process.ask("/page/a", ("if-none-match", etag))).status == 304
    assert len(process.app.asked) == 1


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("{}", 304),
        ("W/{}", 304),
        ('"x", {}', 304),
        ("*", 304),
        ('"x"', 200),
        ("", 200),
        ('W/"', 200),
        ("{}x", 304),
    ],
)
async def test_if_none_match_is_read_as_a_list(process, value, status):
    etag = (await process.ask()).headers["etag"]
    assert (await process.ask("/page/a", ("if-none-match", value.replace("{}", etag)))).status == status


async def test_equal_bodies_of_other_types_have_other_validators(process):
    etag = (await process.ask()).headers["etag"]
    process.app.asked.clear()
    process.app.headers = [(b"content-type", b"text/plain")]
    other = await process.ask("/page/b")
    assert other.body == b"answer 1"
    assert other.headers["etag"] != etag


async def test_head_is_answered_from_a_page_and_makes_none(process):
    await process.ask(method="HEAD")
    await process.ask(method="HEAD")
    assert len(process.app.asked) == 2
    got = await process.ask()
    head = await process.ask(method="HEAD")
    assert len(process.app.asked) == 3
    assert head.body == b""
    assert {**head.headers, "x-request-id": ""} == {**got.headers, "x-request-id": ""}
    assert (await process.ask("/page/a", ("if-none-match", got.headers["etag"]), method="HEAD")).status == 304


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
async def test_other_methods_reach_the_application(process, method):
    await process.ask()
    assert (await process.ask(method=method)).body == b"answer 2"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a=1&b=2", "b=2&a=1", True),
        ("a=1&b=2&a=0", "b=2&a=1&a=0", True),
        ("a=1&a=2", "a=2&a=1", False),
        ("a=1", "a=1&b=", False),
        ("a=1", "a=%31", False),
        ("", "a=1", False),
    ],
)
async def test_the_order_of_a_query_does_not_matter(process, one, other, same):
    await process.ask(query=one)
    await process.ask(query=other)
    assert len(process.app.asked) == (1 if same else 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"path": "/a"}, {"path": "/b"}),
        ({"path": "/a"}, {"path": "/A"}),
        ({"path": "/a"}, {"path": "/a", "host": "other.org"}),
        ({"path": "/a"}, {"path": "/a", "scheme": "https"}),
        ({"path": "/a", "query": "b"}, {"path": "/a?b"}),
        ({"path": "/a", "query": "b"}, {"path": "/a\nb"}),
        ({"path": "/a", "host": "h", "query": "x"}, {"path": "x\n/a", "host": "h"}),
        ({"path": "\nx\n/a", "host": ""}, {"path": "/a", "host": "x"}),
    ],
    ids=repr,
)
async def test_different_addresses_never_share_a_page(process, one, other):
    await process.ask(**one)
    await process.ask(**other)
    assert len(process.app.asked) == 2


async def test_a_host_is_the_same_in_any_case(process):
    await process.ask(host="Example.ORG")
    await process.ask(host="example.org")
    assert len(process.app.asked) == 1


@pytest.mark.parametrize(
    "address",
    [
        {"query": "q" * (MAX_QUERY_BYTES + 1)},
        {"host": "h" * (MAX_HOST_BYTES + 1)},
        {"path": "/" + "p" * MAX_PATH_CHARS},
        {"query": "a\nb"},
        {"host": "a\nb"},
    ],
    ids=lambda address: str(address)[:25],
)
async def test_an_excessive_address_has_no_place(process, address):
    await process.ask(**address)
    await process.ask(**address)
    assert len(process.app.asked) == 2


async def test_two_hosts_in_one_request_pass_by(process):
    await process.ask("/page/a", ("host", "evil.example"))
    await process.ask("/page/a", ("host", "evil.example"))
    assert len(process.app.asked) == 2


async def test_made_up_addresses_leave_nothing_in_redis_and_stay_within_bounds(
    process, redis_client, redis_prefix
):
    for number in range(150):
        await process.ask(query=f"x={number}")
        await process.ask(host=f"host{number}.example")
    assert list(redis_client.scan_iter(f"{redis_prefix}:cache:entry:*")) == []
    assert len(process.pages._pages) == 300
    small = PageCache(process.app, process.cache, Config(cache_entries=10), COOKIE)
    for number in range(50):
        await ask(small, "/", method="GET", query=f"x={number}", host=HOST, scheme="http")
    assert len(small._pages) == 10
    assert small._making == {}


async def test_large_pages_stay_within_the_bytes(process):
    process.app.chunks = [b"x" * (MAX_PAGE_BYTES - 100)]
    for number in range(LOCAL_PAGES_BYTES // MAX_PAGE_BYTES + 5):
        await process.ask(query=f"x={number}")
    assert process.pages._pages.bytes_used <= LOCAL_PAGES_BYTES
    assert 25 < len(process.pages._pages) <= LOCAL_PAGES_BYTES // MAX_PAGE_BYTES


async def test_a_page_dropped_while_it_was_made_is_not_kept(process):
    process.app.gate = asyncio.Event()
    slow = asyncio.create_task(process.ask())
    while not process.app.asked:
        await asyncio.sleep(0)
    await process.cache.drop(["t"])
    process.app.gate.set()
    assert (await slow).body == b"answer 1"
    assert (await process.ask()).body == b"answer 2"
    assert (await process.ask()).body == b"answer 2"


async def test_a_stampede_asks_the_application_once(process):
    process.app.gate = asyncio.Event()
    asked = [asyncio.create_task(process.ask()) for _ in range(30)]
    while not process.app.asked:
        await asyncio.sleep(0)
    process.app.gate.set()
    answers = await asyncio.gather(*asked)
    assert {answer.body for answer in answers} == {b"answer 1"}
    assert len({answer.headers["x-request-id"] for answer in answers}) == 30
    assert process.pages._making == {}


async def test_what_somebody_else_made_while_redis_was_asked_is_not_made_again(process, monkeypatch):
    fetch, asked, answered = process.cache.fetch, asyncio.Event(), asyncio.Event()

    async def fetch_late(key):
        entry = await fetch(key)
        asked.set()
        await answered.wait()
        return entry

    with monkeypatch.context() as patch:
        patch.setattr(process.cache, "fetch", fetch_late)
        late = [asyncio.create_task(process.ask()) for _ in range(3)]
        await asked.wait()
    assert (await process.ask()).body == b"answer 1"
    answered.set()
    assert {answer.body for answer in await asyncio.gather(*late)} == {b"answer 1"}


async def test_who_comes_after_a_drop_does_not_wait_for_a_page_begun_before_it(process):
    gate = process.app.gate = asyncio.Event()
    slow = asyncio.create_task(process.ask())
    while not process.app.asked:
        await asyncio.sleep(0)
    await process.cache.drop(["t"])
    process.app.gate = None
    assert (await process.ask()).body == b"answer 2"
    gate.set()
    assert (await slow).body == b"answer 1"
    assert (await process.ask()).body == b"answer 2"


async def test_those_who_wait_for_a_page_that_is_not_kept_ask_themselves(process):
    process.app.gate = asyncio.Event()
    process.app.tags = None
    asked = [asyncio.create_task(process.ask()) for _ in range(5)]
    while not process.app.asked:
        await asyncio.sleep(0)
    process.app.gate.set()
    answers = await asyncio.gather(*asked)
    assert sorted(answer.body for answer in answers) == [b"answer %d" % number for number in range(1, 6)]
    assert process.pages._making == {}


async def test_those_who_wait_for_somebody_who_left_ask_themselves(process):
    process.app.gate = asyncio.Event()
    first = asyncio.create_task(process.ask())
    while not process.app.asked:
        await asyncio.sleep(0)
    second = asyncio.create_task(process.ask())
    await asyncio.sleep(0)
    first.cancel()
    process.app.gate.set()
    assert (await second).body == b"answer 2"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_without_news_from_redis_pages_are_made_anew(process):
    await process.ask()
    process.cache.drops.fresh_until = 0.0
    process.cache._is_away = True
    assert (await process.ask()).body == b"answer 2"


async def test_a_spoiled_entry_is_made_anew(process, redis_client):
    await process.ask()
    key = process.cache._entry_key(f"page1\n http\n{HOST}\n\n/page/a")
    redis_client.hset(key, "value", b"no json")
    process.pages._pages._entries.clear()
    assert (await process.ask()).body == b"answer 2"


@pytest.mark.parametrize(
    ("sent", "is_taken"),
    [
        ("0197a3c0-0000-7000-8000-000000000001", True),
        ("abcdefgh", True),
        ("short", False),
        ("x" * 65, False),
        ("a b c d e f", False),
        ("<script>", False),
    ],
)
async def test_a_request_id_is_taken_over_when_it_is_one(process, sent, is_taken):
    passed = await process.ask("/page/a", ("x-request-id", sent))
    hit = await process.ask("/page/a", ("x-request-id", sent))
    (scope,) = process.app.asked
    seen = [value.decode() for name, value in scope["headers"] if name == b"x-request-id"]
    assert seen == [passed.headers["x-request-id"]]
    assert (passed.headers["x-request-id"] == sent) is is_taken
    assert (hit.headers["x-request-id"] == sent) is is_taken


async def test_every_answer_is_counted_under_its_route(process):
    etag = (await process.ask()).headers["etag"]
    await process.ask()
    await process.ask("/page/a", ("if-none-match", etag))
    await process.ask(method="BREW")
    sample = process.cache.metrics.registry.get_sample_value

    def count(method, status):
        labels = {"method": method, "route": "/page/<name>", "status": status}
        return sample("trovato_http_requests_total", labels)

    assert (count("GET", "200"), count("GET", "304"), count("other", "200")) == (2.0, 1.0, 1.0)
    assert sample("trovato_cache_lookups_total", {"tier": "page", "outcome": "hit"}) == 2.0
    assert sample("trovato_cache_lookups_total", {"tier": "page", "outcome": "miss"}) == 1.0

    def count_timed(status):
        labels = {"method": "GET", "route": "/page/<name>", "status": status}
        return sample("trovato_http_request_seconds_count", labels)

    assert (count_timed("2xx"), count_timed("3xx")) == (2.0, 1.0)
    assert b"trovato_http_requests_total" in process.cache.metrics.render()


async def test_an_application_that_fails_is_counted_and_holds_nobody_up(process):
    async def fail(_scope, _receive, _send):
        raise ValueError("no")

    pages = PageCache(fail, process.cache, Config(), COOKIE)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await ask(pages, "/", method="GET", query="", host=HOST, scheme="http")
    labels = {"method": "GET", "route": "other", "status": "500"}
    assert process.cache.metrics.registry.get_sample_value("trovato_http_requests_total", labels) == 2.0
    assert pages._making == {}


async def test_other_protocols_pass(process):
    seen = []

    async def app(scope, _receive, _send):
        seen.append(scope)

    pages = PageCache(app, process.cache, Config(), COOKIE)
    await pages({"type": "lifespan"}, None, None)
    assert seen == [{"type": "lifespan"}]
