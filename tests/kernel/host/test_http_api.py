"""`http-api`: which plugins may ask whom, in which taps, how often; and the same through a real plugin."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from kernel.context import Context
from kernel.errors import PluginError
from kernel.host.http_api import FETCHES_MAX, list_http_functions
from kernel.host.table import list_host_functions
from kernel.ids import uuid7
from kernel.metrics import Metrics
from kernel.outbound.client import Outbound
from kernel.plugin.model import PluginSet
from kernel.sandbox.host import HostError
from kernel.sandbox.sandbox import Sandbox
from kernel.tap.capability import Capabilities
from kernel.tap.catalogue import CRON, ITEM_INSERT, ITEM_PRESAVE, ITEM_VIEW, MENU, PAGE, QUEUE_WORKER
from kernel.tap.registry import TapOptions, TapPlugin, TapRegistry
from kernel.tap.scope import TapScope
from tests.fixtures.plugins import NATIVE, Workshop, make_item_data

NAME = "hooks.example.test"
# A tap that answers what the plugin says, with the rights of one in the background.
BACKGROUND_VIEW = replace(ITEM_VIEW, where="background")


class Site:
    """Its servers, all on this machine; `asked` counts requests."""

    def __init__(self):
        self.private_hosts = set()
        self.outbound = Outbound(self.private_hosts, resolve=self.resolve)
        self.metrics = Metrics()
        self.port = 0
        self.asked = 0
        self.answer = b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 6\r\n\r\ngr\xc3\xbc\xc3\x9f"

    async def resolve(self, host, port):
        return ["127.0.0.1"]

    async def handle(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        writer.write(self.answer)
        await writer.drain()
        if not self.answer:
            await reader.read()
        writer.close()

    @property
    def host(self):
        return f"{NAME}:{self.port}"

    @property
    def url(self):
        return f"http://{self.host}/"


@pytest.fixture
async def servers():
    site = Site()
    listener = await asyncio.start_server(site.handle, "127.0.0.1", 0)
    site.port = listener.sockets[0].getsockname()[1]
    site.private_hosts.add(site.host)
    yield site
    listener.close()
    await listener.wait_closed()


@pytest.fixture
def fetch(servers):
    """As the plugin `reach` asks in a tap of a job."""
    (function,) = list_http_functions(servers.outbound, servers.metrics)

    async def fetch_it(request=None, *, scope=None, tap=QUEUE_WORKER, **given):
        state = (scope or make_scope(servers)).get_state(make_plugin(servers))
        state.tap = tap
        text = request if request is not None else json.dumps({"url": servers.url, **given})
        return json.loads(await function.call(state, text))

    return fetch_it


def make_plugin(servers, hosts=None):
    return TapPlugin(
        "reach", None, {}, Capabilities(hosts=frozenset({servers.host} if hosts is None else hosts))
    )


def make_scope(servers, *, hosts=None, job_id="new"):
    scope = TapScope(
        PluginSet(registry=TapRegistry((make_plugin(servers, hosts),))),
        Context(),
        job_id=uuid7() if job_id == "new" else job_id,
    )
    scope.get_state(scope.registry.plugins[0])
    return scope


async def refusal(awaitable):
    with pytest.raises(HostError) as refused:
        await awaitable
    return refused.value.code


async def test_an_answer_is_told_with_its_status_headers_and_text(fetch):
    assert await fetch(method="POST", body="x") == {
        "status": 200,
        "headers": {"x-a": "b", "content-length": "6"},
        "body": "grüß",
    }


async def test_a_body_that_is_no_text_comes_as_base64(fetch, servers):
    servers.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\x00"
    answer = await fetch()
    assert (answer["body"], answer["is_base64"]) == ("/wA=", True)


@pytest.mark.parametrize("tap", [ITEM_VIEW, PAGE, ITEM_PRESAVE], ids=lambda tap: tap.function)
async def test_where_somebody_waits_nobody_is_asked(fetch, servers, tap):
    assert await refusal(fetch(tap=tap)) == "not-available"
    assert servers.asked == 0


@pytest.mark.parametrize("tap", [ITEM_INSERT, CRON, QUEUE_WORKER], ids=lambda tap: tap.function)
async def test_taps_in_the_background_may_ask(fetch, tap):
    assert (await fetch(tap=tap))["status"] == 200


async def test_a_process_that_starts_waits_for_nobody(fetch, servers):
    """Plugins declare what they bring while it starts, outside of every job."""
    assert await refusal(fetch(tap=MENU, scope=make_scope(servers, job_id=None))) == "not-available"
    assert servers.asked == 0


async def test_only_hosts_of_the_manifest_are_asked_with_their_port(fetch, servers):
    for hosts in ((), (NAME,), (f"{NAME}:1",), (f"other.example.test:{servers.port}",)):
        assert await refusal(fetch(scope=make_scope(servers, hosts=hosts))) == "refused-capability"
    assert servers.asked == 0


async def test_what_the_site_does_not_call_private_is_not_asked_on_this_machine(fetch, servers):
    servers.private_hosts.clear()
    assert await refusal(fetch()) == "refused-capability"
    assert await refusal(fetch(url=servers.url.replace("http:", "https:"))) == "refused-capability"
    assert servers.asked == 0


@pytest.mark.parametrize(
    "request_json", ["", "{", "[]", '"x"', "{}", '{"url": "\\u0000"}', '{"url": 1}', " " * 1_000_001]
)
async def test_what_is_no_request_is_refused(fetch, request_json):
    assert await refusal(fetch(request_json)) == "bad-payload"


async def test_a_plugin_asks_so_often_in_a_job_and_again_for_the_next_of_its_items(fetch, servers):
    scope = make_scope(servers)
    for _ in range(FETCHES_MAX):
        await fetch(scope=scope)
    assert await refusal(fetch(scope=scope)) == "too-many"
    assert servers.asked == FETCHES_MAX
    scope.turn_to(uuid7())
    assert (await fetch(scope=scope))["status"] == 200


async def test_whoever_asks_leaves_an_obstacle_even_when_refused(fetch, servers):
    scope = make_scope(servers)
    await refusal(fetch(scope=scope, tap=ITEM_VIEW))
    assert scope.get_state(scope.registry.plugins[0]).record.obstacle == "it asks another server"


async def test_requests_are_counted_by_plugin_and_outcome(fetch, servers):
    await fetch()
    servers.answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    await fetch()
    await refusal(fetch(url="https://api.example.org/"))
    servers.answer = b""
    await refusal(fetch(timeout_s=0.1))
    text = servers.metrics.render().decode()
    for outcome in ("2xx", "5xx", "refused-capability", "timeout"):
        assert f'trovato_outbound_seconds_count{{outcome="{outcome}",plugin="reach"}} 1.0' in text


@asynccontextmanager
async def open_scope(servers, ledger, build, *names, job_id=None):
    """With the real plugin under these names, of which the first may ask."""
    functions = [f for f in list_host_functions(ledger) if f.interface != "http-api"]
    functions += list_http_functions(servers.outbound, servers.metrics)
    sandbox = await Sandbox.open(functions, cache_dir=NATIVE, ready_instances=0)
    workshop = Workshop(sandbox, build)
    plugins = [
        await workshop.load(
            name,
            "reach",
            may={"hosts": frozenset({servers.host})} if name == names[0] else {},
            functions=("ask",),
            item_view=TapOptions(),
        )
        for name in names
    ]
    scope = TapScope(PluginSet(registry=TapRegistry(tuple(plugins))), Context(), job_id=job_id)
    async with scope:
        yield scope
    await sandbox.close()
    assert sandbox.live_instances == 0


async def order(scope, tap, timeout_s=None, **order):
    payload = json.dumps({"ctx": {}, "items": [make_item_data(json.dumps(order))]}).encode()
    (tree,) = json.loads(await scope.get_state(scope.registry.plugins[0]).invoke(tap, payload, {}, timeout_s))
    return json.loads(tree["#value"])


@pytest.mark.timeout(180)
async def test_a_real_plugin_asks_and_is_told_why_not(servers, ledger, fixture_wasm):
    async with open_scope(servers, ledger, fixture_wasm, "reach", "other", job_id=uuid7()) as scope:
        ask = {"do": "fetch", "url": servers.url}
        assert await order(scope, BACKGROUND_VIEW, **ask) == [
            200,
            {"x-a": "b", "content-length": "6"},
            "grüß",
        ]
        assert (await order(scope, ITEM_VIEW, **ask))[0] == "not-available"
        assert (await order(scope, BACKGROUND_VIEW, do="fetch", url="https://example.org/"))[0] == (
            "refused-capability"
        )
        assert await order(scope, BACKGROUND_VIEW, do="fetch_raw", payload="{") == "bad-payload"
        # A function of another plugin has the rights of that one.
        told = await order(
            scope, BACKGROUND_VIEW, do="call", plugin="other", function="ask", data={"url": servers.url}
        )
        assert told[0] == "refused-capability"
        assert servers.asked == 1


@pytest.mark.timeout(180)
async def test_the_time_of_a_tap_ends_its_request(servers, ledger, fixture_wasm):
    servers.answer = b""
    async with open_scope(servers, ledger, fixture_wasm, "reach", job_id=uuid7()) as scope:
        with pytest.raises(PluginError, match="took longer than") as failure:
            await order(scope, BACKGROUND_VIEW, 0.3, do="fetch", url=servers.url)
        assert failure.value.reason == "timeout"
    assert 'outcome="cancelled",plugin="reach"} 1.0' in servers.metrics.render().decode()
