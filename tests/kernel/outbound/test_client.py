"""Real servers on this machine are asked: which are reached, by which address, and what bounds the rest."""

import asyncio
import gzip
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from kernel.outbound.client import ANSWER_MAX, FetchError, Outbound
from kernel.outbound.request import read_request
from tests.fixtures.database import ROOT

NAME = "hooks.example.test"
CERTIFICATE = ROOT / "tests" / "fixtures" / "tls" / f"{NAME}.pem"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Server:
    """`requests` are the heads and bodies that it was sent; `left` says that a client has gone."""

    port: int = 0
    requests: list = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serve(answer, *, address="127.0.0.1", port=0, tls=None):
    """`answer` is bytes, or makes bytes one after the other."""
    server = Server()

    async def handle(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")), 0
            )
            server.requests.append(head + await reader.readexactly(length))
            for part in [answer] if isinstance(answer, bytes) else answer():
                writer.write(part)
                await writer.drain()
            if not isinstance(answer, bytes):
                await reader.read()
        except ConnectionError:
            pass
        finally:
            server.left.set()
            writer.close()

    listener = await asyncio.start_server(handle, address, port, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()


class Names:
    """A table of names; each question takes the next of a name's answers, the last one for good."""

    def __init__(self, **answers):
        self.answers = {name.replace("_", "."): list(lists) for name, lists in answers.items()}
        self.asked = []

    async def __call__(self, host, port):
        self.asked.append((host, port))
        lists = self.answers.get(host)
        if lists is None:
            raise OSError("no such name")
        return lists.pop(0) if len(lists) > 1 else lists[0]


def make_names(*addresses):
    return Names(hooks_example_test=[list(addresses) or ["127.0.0.1"]])


async def ask(server, outbound=None, *, scheme="http", path="/", host=NAME, **request):
    outbound = outbound or Outbound({f"{NAME}:{server.port}"}, resolve=make_names())
    url = f"{scheme}://{host}:{server.port}{path}"
    return await outbound.fetch(read_request({"url": url, "timeout_s": 5, **request}))


async def refuse(*given, **request):
    with pytest.raises(FetchError) as refused:
        await ask(*given, **request)
    assert "127." not in refused.value.message
    return refused.value.code


def make_tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def test_an_answer_comes_as_it_was_sent():
    sent = (
        b"HTTP/1.1 404 Not Found\r\nX-Two: a\r\nx-two: b\r\nX-Odd: \xff\r\nSet-Cookie: id=1\r\n"
        b"Content-Length: 3\r\n\r\n\xff\x00x"
    )
    async with serve(sent) as server:
        answer = await ask(
            server, method="POST", path="/a%2Fb?q=%20", body="grüße", headers={"X-Signature": "abc"}
        )
        assert answer.status == 404
        assert answer.headers == {
            "x-two": "a, b",
            "x-odd": "\ufffd",
            "set-cookie": "id=1",
            "content-length": "3",
        }
        assert answer.body == b"\xff\x00x"
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == "POST /a%2Fb?q=%20 HTTP/1.1"
        assert {f"Host: {NAME}:{server.port}", "X-Signature: abc", "User-Agent: Trovato"} < set(lines)
        assert "Accept-Encoding: identity" in lines
        assert body.decode() == "grüße"


async def test_nothing_is_remembered_from_one_request_to_the_next(monkeypatch):
    """No cookie and no connection; and no proxy that the environment of the process names."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    sent = b"HTTP/1.1 200 OK\r\nSet-Cookie: id=1\r\nContent-Length: 0\r\n\r\n"
    async with serve(sent) as server:
        outbound = Outbound({f"{NAME}:{server.port}"}, resolve=make_names())
        for _ in range(2):
            await ask(server, outbound)
        assert len(server.requests) == 2
        assert not any(b"cookie" in request.lower() for request in server.requests)


async def test_a_certificate_must_be_trusted_and_made_out_to_the_name():
    # That a client does not trust it is the server's to complain about.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    names = Names(hooks_example_test=[["127.0.0.1"]], other_example_test=[["127.0.0.1"]])
    async with serve(OK, tls=make_tls()) as server:
        private = {f"{NAME}:{server.port}", f"other.example.test:{server.port}"}
        outbound = Outbound(private, resolve=names, tls=trusting)
        assert (await ask(server, outbound, scheme="https")).body == b"ok"
        assert await refuse(server, outbound, scheme="https", host="other.example.test") == "unreachable"
        assert await refuse(server, Outbound(private, resolve=names), scheme="https") == "unreachable"
        assert len(server.requests) == 1


async def test_only_private_hosts_are_asked_without_tls():
    names = Names(hooks_example_test=[["93.184.216.34"]])
    async with serve(OK) as server:
        assert await refuse(server, Outbound(frozenset(), resolve=names)) == "refused-capability"
        # Another port of a private host is not private.
        assert await refuse(server, Outbound({NAME}, resolve=names)) == "refused-capability"
    assert names.asked == []


async def test_a_name_of_one_label_is_asked_only_when_the_operator_lists_it():
    # As a resolver answers that adds a domain of its own.
    names = Names(localhost=[["93.184.216.34"]])
    async with serve(OK) as server:
        for listed in (frozenset(), {"localhost"}):
            outbound = Outbound(listed, resolve=names)
            for scheme in ("http", "https"):
                assert await refuse(server, outbound, host="localhost", scheme=scheme) == "refused-capability"
        assert names.asked == []
        listed = Outbound({f"localhost:{server.port}"}, resolve=Names(localhost=[["127.0.0.1"]]))
        assert (await ask(server, listed, host="localhost")).body == b"ok"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["93.184.216.34", "127.0.0.1"],
        ["2606:4700::1111", "64:ff9b::7f00:1"],
        ["0.0.0.0"],
    ],
    ids="-".join,
)
async def test_a_name_that_leads_into_a_private_network_is_not_asked(addresses):
    """Every address counts, whichever would be tried first."""
    async with serve(OK, tls=make_tls()) as server:
        outbound = Outbound(
            frozenset(), resolve=make_names(*addresses), tls=ssl.create_default_context(cafile=CERTIFICATE)
        )
        assert await refuse(server, outbound, scheme="https") == "refused-capability"
        assert server.requests == []


async def test_a_name_that_changes_after_the_check_is_asked_at_the_address_that_was_checked():
    names = Names(hooks_example_test=[["127.0.0.1"], ["127.0.0.2"]])
    async with serve(OK) as checked, serve(OK, address="127.0.0.2", port=checked.port) as other:
        outbound = Outbound({f"{NAME}:{checked.port}"}, resolve=names)
        assert (await ask(checked, outbound)).status == 200
        assert (len(checked.requests), len(other.requests)) == (1, 0)
    assert names.asked == [(NAME, checked.port)]


async def test_a_server_with_several_addresses_is_reached_by_the_first_that_answers():
    async with serve(OK, address="127.0.0.2") as server:
        outbound = Outbound({f"{NAME}:{server.port}"}, resolve=make_names("127.0.0.3", "127.0.0.2"))
        assert (await ask(server, outbound)).body == b"ok"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer(status):
    async with serve(OK) as inner:
        sent = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{inner.port}/\r\nContent-Length: 0\r\n\r\n"
        async with serve(sent.encode()) as server:
            answer = await ask(server)
            assert (answer.status, answer.headers["location"]) == (status, f"http://127.0.0.1:{inner.port}/")
        assert inner.requests == []


def endless(first, more):
    def answer():
        yield first
        while True:
            yield more

    return answer


def silent(*parts):
    """Sends these, then waits for the client to leave."""
    return lambda: iter(parts)


@pytest.mark.parametrize(
    "answer",
    [
        silent(),
        silent(b"HTTP/1.1 200 OK\r\n"),
        silent(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow"),
        silent(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nslow\r\n"),
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"y" * 50_000),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    ],
    ids=[
        "nothing",
        "half-a-head",
        "half-a-body",
        "half-of-the-chunks",
        "endless-name-of-a-chunk",
        "endless-beginnings",
    ],
)
async def test_a_slow_server_is_left(answer):
    async with serve(answer) as server:
        assert await refuse(server, timeout_s=0.2) == "timeout"
        await server.left.wait()


async def test_a_slow_server_of_names_counts_too():
    async def never(_host, _port):
        await asyncio.Event().wait()

    async with serve(OK) as server:
        assert (
            await refuse(server, Outbound({NAME}, resolve=never), scheme="https", timeout_s=0.1) == "timeout"
        )


@pytest.mark.parametrize(
    "answer",
    [
        endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 50_000),
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"a\r\n0123456789\r\n" * 5_000),
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 50_000),
        silent(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (ANSWER_MAX + 1), b"x" * (ANSWER_MAX + 1)),
        silent(b"HTTP/1.1 200 OK\r\n" + b"X: %s\r\n" % (b"y" * 8_000) * 9 + b"Content-Length: 0\r\n\r\n"),
    ],
    ids=["endless", "endless-chunks", "endless-as-said", "one-too-many", "large-head"],
)
async def test_too_large_an_answer_is_left(answer):
    async with serve(answer) as server:
        assert await refuse(server) == "too-large"
        await server.left.wait()


@pytest.mark.parametrize(
    "answer",
    [
        endless(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 1_000),
        endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 50_000),
        endless(b"", b"y" * 50_000),
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok",
    ],
    ids=[
        "endless-headers",
        "endless-header",
        "endless-line",
        "nothing",
        "ssh",
        "short-body",
        "two-lengths",
        "less-than-nothing",
    ],
)
async def test_what_is_not_http_is_no_answer(answer):
    async with serve(answer) as server:
        assert await refuse(server) == "unreachable"
        await server.left.wait()


async def test_what_is_packed_is_not_unpacked():
    """A hundred megabytes in a hundred kilobytes stay those."""
    bomb = gzip.compress(bytes(100_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with serve(head + bomb) as server:
        answer = await ask(server)
        assert (answer.headers["content-encoding"], answer.body) == ("gzip", bomb)


async def test_as_much_as_may_be_answered_is():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % ANSWER_MAX
    async with serve(head + bytes(ANSWER_MAX)) as server:
        assert (await ask(server)).body == bytes(ANSWER_MAX)


async def test_a_name_without_a_server_is_unreachable():
    async with serve(OK) as server:
        nobody = Outbound({f"{NAME}:{server.port}"}, resolve=Names())
        assert await refuse(server, nobody) == "unreachable"
    assert await refuse(server) == "unreachable"


async def test_names_are_looked_up_as_the_machine_does():
    """The name of this machine leads to itself, so it is refused and asked by nobody."""
    outbound = Outbound(frozenset())
    assert set(await outbound._look_up("localhost", 443)) <= {"127.0.0.1", "::1"}
    with pytest.raises(OSError):
        await outbound._look_up("nobody.invalid", 443)


async def test_whoever_is_cancelled_leaves_the_server():
    async with serve(silent(b"HTTP/1.1 200 OK\r\n")) as server:
        asking = asyncio.create_task(ask(server))
        while not server.requests:
            await asyncio.sleep(0.005)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await server.left.wait()
