"""A tap that fails again and again is not called any more, until somebody asks for it."""

import asyncio

import pytest

from kernel.errors import PluginError
from kernel.shared.tally import Tallies
from kernel.supervision.note import STOP_AFTER
from kernel.supervision.reporter import Reporter
from kernel.supervision.usage import read_usage
from kernel.tap.watch import Watch

UNFINISHED = "SELECT count(*) FROM job WHERE status IN ('queued', 'running')"
FAILS = "INSERT INTO variable VALUES ('guest_fails_at', '\"page\"')"


async def wait_for(ask, wanted):
    async with asyncio.timeout(10):
        while (found := await ask()) != wanted:
            await asyncio.sleep(0.05)
    return found


async def fail_often(site, keeper):
    await keeper.install()
    async with site.worker.db.acquire() as conn:
        await conn.execute(FAILS)
    await site.web.live_plugins.follower.refresh()
    for _ in range(STOP_AFTER):
        assert (await keeper.fetch("/guest")).status_code == 200


async def test_a_tap_that_fails_too_often_is_stopped_and_the_others_go_on(site, keeper):
    await fail_often(site, keeper)
    await wait_for(lambda: keeper.fetchval("SELECT tap FROM plugin_stop WHERE plugin = 'guest'"), "tap_page")
    (plugin,) = site.web.plugins.registry.plugins
    async with asyncio.timeout(2):
        while not plugin.stopped:
            await asyncio.sleep(0.05)
            (plugin,) = site.web.plugins.registry.plugins
    before = await keeper.fetchval("SELECT sum(calls) FROM plugin_failure")
    page = await keeper.fetch("/guest")
    assert (page.status_code, "no page today" in page.text) == (200, False)
    assert site.web.plugins.menu.resolve("/guest") is not None
    assert await keeper.fetchval("SELECT sum(calls) FROM plugin_failure") == before
    stop = site.web.plugins.stops[0]
    assert stop.message == "Plugin 'guest', tap_page: RuntimeError: no page today"


async def test_it_is_tried_again_when_somebody_asks_for_it(site, keeper):
    await fail_often(site, keeper)
    await wait_for(lambda: keeper.fetchval("SELECT count(*) FROM plugin_stop"), 1)
    async with site.worker.db.acquire() as conn:
        await conn.execute("DELETE FROM variable")
    assert (await keeper.change("retry"))["outcome"] == "done"
    await site.web.live_plugins.follower.refresh()
    assert "install, enable" in (await keeper.fetch("/guest")).text
    assert await keeper.fetchval("SELECT count(*) FROM plugin_stop") == 0


async def test_a_few_failures_among_many_calls_stop_nothing(site, keeper):
    await keeper.install()
    sha256 = await keeper.fetchval("SELECT sha256 FROM system")
    watch = Watch()
    reporter = Reporter(watch, Tallies(site.web.shared), site.web.ledger)
    error = PluginError("guest", "abort", "gave up")
    for _ in range(STOP_AFTER):
        # Quiet seconds count too, in which nothing fails.
        for _ in range(9):
            watch.note_call("guest", "tap_page", 0.001)
        await reporter.report()
        watch.note_call("guest", "tap_page", 0.001)
        watch.note_failure("guest", sha256, "tap_page", error, "")
        await reporter.report()
    await wait_for(lambda: keeper.fetchval("SELECT sum(failures) FROM plugin_failure"), STOP_AFTER)
    assert await keeper.fetchval("SELECT sum(calls) FROM plugin_failure") == 10 * STOP_AFTER
    assert await keeper.fetchval("SELECT count(*) FROM plugin_stop") == 0


@pytest.mark.parametrize(("artefact", "stopped"), [("installed", 1), ("another", 0)])
async def test_only_failures_of_what_is_installed_since_the_last_try_count(site, keeper, artefact, stopped):
    await keeper.install()
    sha256 = await keeper.fetchval("SELECT sha256 FROM system") if artefact == "installed" else "0" * 64
    watch = Watch()
    reporter = Reporter(watch, Tallies(site.web.shared), site.web.ledger)

    async def fail(times):
        for _ in range(times):
            watch.note_call("guest", "tap_page", 0.001)
            watch.note_failure("guest", sha256, "tap_page", PluginError("guest", "abort", "gave up"), "")
        await reporter.report()
        await wait_for(lambda: keeper.fetchval(UNFINISHED), 0)

    await fail(STOP_AFTER)
    assert await keeper.fetchval("SELECT count(*) FROM plugin_stop") == stopped
    await keeper.change("retry")
    await fail(1)
    assert await keeper.fetchval("SELECT count(*) FROM plugin_stop") == 0


async def test_what_a_plugin_uses_is_counted_tap_by_tap(site, keeper):
    await keeper.install()
    await site.web.live_plugins.follower.refresh()
    for number in range(3):
        assert (await keeper.fetch(f"/guest?again={number}")).status_code == 200
    tallies = Tallies(site.web.shared)

    async def count():
        return {usage.tap: usage.calls for usage in await read_usage(tallies, "guest")}.get("tap_install")

    await wait_for(count, 1)
    usage = {usage.tap: usage for usage in await read_usage(tallies, "guest")}
    install = usage["tap_install"]
    assert (install.failures, install.host_calls) == (0, 2)
    assert 0 < install.cpu_ms < 1_000
    assert any(used.memory_mb is not None and 5 < used.memory_mb <= 64 for used in usage.values())
    assert install.p50_ms == install.p95_ms > 0
