"""Who may read the metrics, and what of the ledger stands in them."""

import asyncio
from ipaddress import ip_network

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kernel.app.open import open_kernel
from kernel.app.scrape import Scrape, may_read_metrics
from kernel.config import Config, MetricsConfig, read_config
from kernel.errors import ConfigError
from kernel.jobs import INDEX_ITEM, JOB_KINDS
from tests.fixtures.ledger import set_job, submit

TOKEN = "a-token-of-some-length"
HERE = MetricsConfig()
CLOSED = MetricsConfig(allow=())
WITH_TOKEN = MetricsConfig(token=TOKEN, allow=())
OFFICE = MetricsConfig(allow=(ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")))


@pytest.mark.story("14.4")
@pytest.mark.parametrize(
    ("access", "peer", "headers", "is_open"),
    [
        pytest.param(HERE, "127.0.0.1", {}, True, id="this-machine"),
        pytest.param(HERE, "::1", {}, True, id="this-machine-by-IPv6"),
        pytest.param(HERE, "::ffff:127.0.0.1", {}, True, id="this-machine-mapped"),
        pytest.param(HERE, "127.0.0.2", {}, False, id="another-loopback"),
        pytest.param(HERE, "203.0.113.9", {}, False, id="outside"),
        pytest.param(HERE, "203.0.113.9", {"x-forwarded-for": "127.0.0.1"}, False, id="claims-to-be-inside"),
        pytest.param(HERE, "127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, False, id="through-a-proxy"),
        pytest.param(HERE, "127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, False, id="proxy-and-lie"),
        pytest.param(HERE, "127.0.0.1", {"forwarded": "for=127.0.0.1"}, False, id="proxy-by-the-standard"),
        pytest.param(HERE, "127.0.0.1", {"via": "1.1 edge"}, False, id="proxy-that-says-via"),
        pytest.param(HERE, "127.0.0.1", {"x-real-ip": "127.0.0.1"}, False, id="proxy-of-nginx"),
        pytest.param(HERE, "", {}, False, id="unix-socket"),
        pytest.param(HERE, "fe80::1%eth0", {}, False, id="scoped-address"),
        pytest.param(HERE, "127.0.0.1; DROP", {}, False, id="no-address"),
        pytest.param(HERE, "127.0.0.1", {"authorization": f"Bearer {TOKEN}"}, False, id="no-token-is-set"),
        pytest.param(HERE, "127.0.0.1", {"authorization": "Bearer "}, False, id="empty-token-none-set"),
        pytest.param(CLOSED, "127.0.0.1", {}, False, id="closed"),
        pytest.param(OFFICE, "10.1.2.3", {}, True, id="inside-the-network"),
        pytest.param(OFFICE, "10.2.0.1", {}, False, id="beside-the-network"),
        pytest.param(OFFICE, "2001:db8::7", {}, True, id="inside-by-IPv6"),
        pytest.param(OFFICE, "127.0.0.1", {}, False, id="this-machine-is-not-named"),
        pytest.param(WITH_TOKEN, "203.0.113.9", {"authorization": f"Bearer {TOKEN}"}, True, id="token"),
        pytest.param(WITH_TOKEN, "203.0.113.9", {"authorization": f"bearer  {TOKEN} "}, True, id="sloppy"),
        pytest.param(
            WITH_TOKEN,
            "127.0.0.1",
            {"x-forwarded-for": "203.0.113.9", "authorization": f"Bearer {TOKEN}"},
            True,
            id="token-through-a-proxy",
        ),
        pytest.param(WITH_TOKEN, "127.0.0.1", {}, False, id="no-token-shown"),
        pytest.param(WITH_TOKEN, "127.0.0.1", {"authorization": f"Bearer {TOKEN[:-1]}"}, False, id="short"),
        pytest.param(WITH_TOKEN, "127.0.0.1", {"authorization": f"Bearer {TOKEN}x"}, False, id="long"),
        pytest.param(WITH_TOKEN, "127.0.0.1", {"authorization": "Bearer é\x00"}, False, id="no-ascii"),
        pytest.param(WITH_TOKEN, "127.0.0.1", {"authorization": f"Basic {TOKEN}"}, False, id="basic"),
        pytest.param(WITH_TOKEN, "127.0.0.1", {"authorization": TOKEN}, False, id="no-scheme"),
    ],
)
def test_the_token_decides_else_the_address(access, peer, headers, is_open):
    assert may_read_metrics(access, peer, headers.items()) is is_open


def test_a_wrong_token_is_refused_from_an_open_address_too():
    access = MetricsConfig(token=TOKEN)
    assert may_read_metrics(access, "127.0.0.1", [])
    assert not may_read_metrics(access, "127.0.0.1", [("authorization", "Bearer wrong")])


def test_this_machine_is_trusted_until_the_site_has_an_address():
    assert read_config({}).metrics == MetricsConfig()
    assert read_config({"SITE_URL": "https://example.org"}).metrics.allow == ()
    behind = {"SITE_URL": "https://example.org", "METRICS_ALLOW": "10.0.0.0/8, ::1"}
    assert read_config(behind).metrics.allow == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert read_config({"METRICS_ALLOW": "none"}).metrics.allow == ()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("METRICS_ALLOW", "10.0.0.0/33"),
        ("METRICS_ALLOW", "example.org"),
        ("METRICS_ALLOW", "10.0.0.1/8"),
        ("METRICS_TOKEN", "short"),
        ("METRICS_TOKEN", "sixteen letters and spaces"),
        ("METRICS_PORT", "65536"),
        ("SLOW_REQUEST_MS", "0"),
    ],
)
def test_a_bad_value_is_named_and_a_token_is_not_repeated(variable, value):
    with pytest.raises(ConfigError, match=variable) as raised:
        read_config({variable: value})
    assert variable != "METRICS_TOKEN" or value not in raised.value.message


def test_every_worker_needs_a_port():
    with pytest.raises(ConfigError, match="METRICS_PORT"):
        read_config({"METRICS_PORT": "65534", "WORKER_PROCESSES": "3"})
    assert read_config({"METRICS_PORT": "65533", "WORKER_PROCESSES": "3"}).metrics.port == 65_533


def test_the_token_is_not_printed_with_the_configuration():
    assert TOKEN not in repr(Config(metrics=MetricsConfig(token=TOKEN)))


@pytest.fixture
async def web(config, renderer):
    """The kernel of a web process, with no worker that would take the jobs."""
    async with open_kernel(config, role="web", with_plugins=False, renderer=renderer) as rt:
        yield rt


async def read_gauges(scrape):
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families((await scrape.render()).decode())
        for sample in family.samples
    }


@pytest.mark.story("14.3")
async def test_the_ledger_is_counted_when_asked(web, ledger):
    await set_job(ledger, await submit(ledger), "run_at = now() - interval '90 s'")
    await set_job(ledger, await submit(ledger), "run_at = now() + interval '1 h'")
    for status in ("running", "dead", "failed", "done"):
        await set_job(ledger, await submit(ledger), f"status = '{status}'")
    gauges = await read_gauges(Scrape(web))
    kind = INDEX_ITEM.name
    assert gauges["trovato_jobs_waiting", kind] == 1
    assert 90 <= gauges["trovato_jobs_oldest_wait_seconds", kind] < 100
    assert gauges["trovato_jobs_scheduled", kind] == 1
    assert gauges["trovato_jobs_running", kind] == 1
    assert gauges["trovato_jobs_dead", kind, "dead"] == 1
    assert gauges["trovato_jobs_dead", kind, "failed"] == 1
    # A series that comes and goes cannot be watched.
    assert {key[1] for key in gauges if key[0] == "trovato_jobs_waiting"} == set(JOB_KINDS)


async def test_answers_within_a_second_are_shared(web, ledger):
    scrape, key = Scrape(web), ("trovato_jobs_dead", INDEX_ITEM.name, "dead")
    assert (await read_gauges(scrape))[key] == 0
    await set_job(ledger, await submit(ledger), "status = 'dead'")
    assert (await read_gauges(scrape))[key] == 0
    assert (await read_gauges(Scrape(web)))[key] == 1


async def test_without_the_database_the_rest_is_answered(web):
    scrape = Scrape(web)
    await web.db.close()
    async with asyncio.timeout(3):
        gauges = await read_gauges(scrape)
    assert ("trovato_processes",) in gauges
    assert not [key for key in gauges if key[0].startswith("trovato_jobs_")]
