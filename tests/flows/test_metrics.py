"""A real site is scraped: two web processes that answer for each other, and a worker with a port of its own."""

import asyncio
import re

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from kernel.config import MetricsConfig
from kernel.metrics import OF_THE_LEDGER, RECORDED
from tests.fixtures.ledger import get_job, open_ledger, set_job, submit

pytestmark = pytest.mark.adversity

ITEM = {"field_body": "<p>The words of the author.</p>", "field_reading_minutes": 9}


def read_families(text):
    """By the name that a family is declared under."""
    return {family.name: family for family in text_string_to_metric_families(text)}


class Scraped:
    """One answer; `total` sums the samples of a name whose labels include these."""

    def __init__(self, text):
        self.text = text
        self.families = read_families(text)

    def total(self, name, **labels):
        return sum(
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


async def scrape(client):
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    return Scraped(answer.text)


@pytest.fixture
def run_measured_site(run_site, unused_tcp_port):
    """Two web processes, and a worker whose metrics are on `port`."""

    def run(**options):
        access = MetricsConfig(port=unused_tcp_port)
        return run_site(web=2, environment={"METRICS_PORT": str(unused_tcp_port)}, metrics=access, **options)

    run.port = unused_tcp_port
    return run


@pytest.mark.story("14.3")
@pytest.mark.timeout(120)
async def test_every_series_moves_by_doing_the_thing(run_measured_site, editor):
    _, token = editor
    worker_url = f"http://127.0.0.1:{run_measured_site.port}"
    async with (
        run_measured_site() as site,
        site.client(0, token=token) as writer,
        site.client(0) as near,
        site.client(1) as far,
        httpx.AsyncClient(base_url=worker_url, timeout=20) as worker,
    ):
        before, worker_before = await scrape(near), await scrape(worker)
        made = await writer.post("/item/add/blog", json={"title": "Measured", "fields": ITEM})
        path = made.json()["path"]
        await near.get(path)
        for _ in range(4):
            await far.get(path)
        for number in range(5):
            assert (await far.get(f"/nothing-{number}")).status_code == 404
        after, worker_after = await scrape(far), await scrape(worker)

        def grown(name, **labels):
            return after.total(name, **labels) - before.total(name, **labels)

        def worked(name, **labels):
            return worker_after.total(name, **labels) - worker_before.total(name, **labels)

        # What both web processes did, whichever of them is asked.
        assert grown("trovato_http_requests_total", route="/item/<item_id>", status="200") == 5
        assert grown("trovato_http_request_seconds_count", route="/item/<item_id>", status="2xx") == 5
        assert grown("trovato_http_request_seconds_count", route="none", status="4xx") == 5
        assert grown("trovato_http_requests_total", method="POST", status="201") == 1
        assert grown("trovato_http_requests_total", route="none", status="404") == 5
        assert grown("trovato_http_request_seconds_sum", method="POST") > 0
        assert grown("trovato_tap_seconds_count", plugin="blog", tap="tap_item_view", outcome="ok") >= 1
        assert grown("trovato_database_query_seconds_count", statement="select") > 0
        assert grown("trovato_database_query_seconds_count", statement="insert") == 2
        assert grown("trovato_cache_lookups_total", tier="page", outcome="hit") >= 3
        assert grown("trovato_cache_lookups_total", tier="page", outcome="miss") >= 2
        assert grown("trovato_cache_lookups_total", tier="local") > 0
        assert grown("trovato_cache_lookups_total", tier="shared") > 0
        assert after.total("trovato_processes") == 2
        assert after.total("trovato_database_connections_max") == 20
        assert after.total("trovato_redis_connections", pool="shared", state="in_use") >= 2
        assert after.total("trovato_redis_connections_max", pool="shared") == 64
        assert after.total("trovato_jobs_waiting") == 0

        # What the worker did.
        assert worked("trovato_job_seconds_count", kind="save_item", outcome="done") == 1
        assert worked("trovato_job_seconds_sum", kind="save_item") > 0
        assert worked("trovato_job_pickup_seconds_count", kind="save_item") == 1
        assert worked("trovato_database_query_seconds_count", statement="insert") >= 1
        assert worker_after.total("trovato_processes") == 1
        assert worker_after.total("trovato_database_connections") >= 1
        assert worker_after.total("trovato_wasm_instances", state="ready") >= 1
        assert worker_after.total("trovato_redis_connections", pool="queue") >= 1

        await check_ledger_series(site, near)
        # Every series that is documented was there, and none that is not.
        documented = {series.name for series in (*RECORDED, *OF_THE_LEDGER)}
        assert set(after.families) | set(worker_after.families) == documented


async def check_ledger_series(site, client):
    """Jobs that no worker takes: for later, given up, and due under a kind that this release does not have."""
    async with open_ledger(site.config, "worker") as ledger:
        for state in (
            "run_at = now() + interval '1 h'",
            "status = 'dead'",
            "kind = 'unknown_here', run_at = now() - interval '90 s'",
        ):
            job = await submit(ledger)
            while (await get_job(ledger, job)).status in {"queued", "running"}:
                await asyncio.sleep(0.02)  # the worker has no word for a row that is to be changed
            await set_job(ledger, job, f"status = 'queued', {state}" if "status" not in state else state)
    async with asyncio.timeout(5):  # answers within a second are shared
        while not (shown := await scrape(client)).total("trovato_jobs_scheduled", kind="index_item"):
            await asyncio.sleep(0.1)
    assert shown.total("trovato_jobs_scheduled", kind="index_item") == 1
    assert shown.total("trovato_jobs_dead", kind="index_item", status="dead") == 1
    assert shown.total("trovato_jobs_waiting", kind="unknown_here") == 1
    assert shown.total("trovato_jobs_oldest_wait_seconds", kind="unknown_here") >= 90


@pytest.mark.story("14.3")
async def test_gauges_show_what_is_in_use_while_it_is(site):
    """An instance while a plugin runs in it, connections while their statement and their command go on."""
    metrics = site.web.metrics

    def look():
        metrics.refresh()
        return Scraped(metrics.render().decode())

    def moved(name, **labels):
        return look().total(name, **labels) - before.total(name, **labels)

    async def wait_until_moved(number, name, **labels):
        async with asyncio.timeout(5):
            while moved(name, **labels) != number:
                await asyncio.sleep(0.01)

    components = [plugin.component for plugin in site.web.plugins.registry.plugins]
    for component in components:
        await component.fill()
    before = look()
    instance = await components[0].take(None)
    assert moved("trovato_wasm_instances", state="leased") >= 1
    # Another one is made ready in its place.
    await components[0].fill()
    assert moved("trovato_wasm_instances", state="leased") == 1
    assert moved("trovato_wasm_instances", state="ready") == 0
    instance.close()
    assert moved("trovato_wasm_instances", state="leased") == 0

    async with site.worker.db.acquire() as gate, site.web.db.acquire() as conn:
        before = look()
        await gate.execute("SELECT pg_advisory_lock(17)")
        async with site.web.db.acquire() as other:
            waiting = asyncio.create_task(other.execute("SELECT pg_advisory_lock_shared(17)"))
            while not await conn.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                await asyncio.sleep(0.01)
            await wait_until_moved(1, "trovato_database_connections", state="in_use")
            await gate.execute("SELECT pg_advisory_unlock(17)")
            await waiting
            await other.execute("SELECT pg_advisory_unlock_shared(17)")
        await wait_until_moved(0, "trovato_database_connections", state="in_use")

    before = look()
    key = site.web.shared.key("test", "gate")
    waiting = asyncio.create_task(site.web.shared.client.blpop([key], timeout=5))
    await wait_until_moved(1, "trovato_redis_connections", pool="shared", state="in_use")
    await site.worker.shared.client.rpush(key, b"open")
    await waiting
    await wait_until_moved(0, "trovato_redis_connections", pool="shared", state="in_use")


def find_process(place):
    """The web process of this test with that number."""
    (found,) = [
        child
        for child in psutil.Process().children()
        if f"--place={place}" in child.cmdline() and "web" in child.cmdline()
    ]
    return found


@pytest.mark.timeout(120)
async def test_what_a_killed_process_counted_stays_and_what_it_held_goes(run_measured_site):
    route = "/user/login"
    async with run_measured_site() as site, site.client(0) as doomed, site.client(1) as other:
        for _ in range(6):
            await doomed.get(route)
        for _ in range(2):
            await other.get(route)
        count = (await scrape(other)).total("trovato_http_requests_total", route=route)
        assert count == 8
        killed = find_process(1)
        killed.kill()
        # Its gauges are there until the parent has seen it; then they are gone, and come back with its successor.
        seen = []
        async with asyncio.timeout(30):
            while 1 not in seen or seen[-1] != 2:
                shown = await scrape(other)
                seen.append(int(shown.total("trovato_processes")))
                assert shown.total("trovato_http_requests_total", route=route) == 8
                assert shown.total("trovato_database_connections_max") in {20, 10}
                await asyncio.sleep(0.02)
        async with asyncio.timeout(30):
            while True:
                try:
                    await doomed.get(route)
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        # Its successor counts on from where it ended.
        assert (await scrape(doomed)).total("trovato_http_requests_total", route=route) == 9
        assert find_process(1).pid != killed.pid


@pytest.mark.timeout(120)
async def test_no_line_names_an_address_or_a_secret(run_measured_site, editor, capfd):
    """The addresses of things that are only for some people, such as the key of cron, stay out of the log."""
    _, token = editor
    settings = {"log_level": "DEBUG"}
    async with (
        run_measured_site(**settings) as site,
        site.client(0, token=token) as writer,
        site.client(1) as far,
    ):
        made = await writer.post("/item/add/page", json={"title": "A title of nobody's business"})
        await far.get(made.json()["path"])
        await far.get("/cron/the-key-of-cron-0123456789")
        await far.get("/user/login-link/the-link-0123456789")
        await far.get("/secret-address?secret-query=1")
        await far.get("/metrics", headers={"Authorization": "Bearer the-wrong-token-0123456789"})
    lines = capfd.readouterr().err
    assert len(re.findall(r'"event": ?"request"', lines)) >= 6
    for secret in (
        token,
        "the-key-of-cron",
        "the-link-0123",
        "secret-address",
        "secret-query",
        "the-wrong-token",
    ):
        assert secret not in lines
    assert "nobody's business" not in lines
    assert made.json()["path"] not in lines
