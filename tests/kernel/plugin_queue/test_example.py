"""The example of docs/plugins.md does what is said there: under the SDK's stand-in, and built, on a real site."""

from types import ModuleType

import pytest
from structlog.testing import capture_logs
from trovato_sdk.testing import TestKernel

from kernel.host.queue_api import DATA_MAX
from kernel.jobs import WORK_PLUGIN_QUEUE
from kernel.ledger.model import JobStatus
from kernel.ledger.wait import wait_for_job
from kernel.plugin_queue.push import WAITING_MAX
from kernel.tap.answers import QUEUE_TIMEOUT_MAX_S, QUEUE_TIMEOUT_S, QUEUE_TRIES, QUEUE_TRIES_MAX
from kernel.tap.catalogue import CRON
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope
from kernel.tap.wire import MAX_DEPTH
from tests.fixtures.database import ROOT
from tests.kernel.plugin_queue.conftest import read_example
from tests.kernel.plugin_queue.test_work import CTX

pytestmark = pytest.mark.long


def test_the_example_and_its_test_run_in_an_ordinary_python():
    reminders = ModuleType("reminders")
    exec(read_example("python", "Reminds of new items"), vars(reminders))  # noqa: S102  # a document of ours
    exec(read_example("python", "kernel.call(reminders"), {"TestKernel": TestKernel, "reminders": reminders})  # noqa: S102  # as above


@pytest.mark.story("13.6")
async def test_the_example_pushes_once_a_day_and_works_what_it_pushed(site):
    times = {"now": "2026-03-02T10:00:02+00:00", "slot": "2026-03-02T10:00:00+00:00"}
    with capture_logs() as logs:
        async with TapScope(site.worker.plugins, CTX) as scope:
            for last_run, answer in (
                ("2026-03-01T10:01:00+00:00", None),
                ("2026-03-01T10:00:00+00:00", "One reminder of the day"),
            ):
                given = {**times, "last_run": last_run}
                dispatched = await dispatch(scope, CRON, extra=given, plugin="reminders")
                assert dispatched.answers == (("reminders", answer),)
        async with site.web.db.acquire() as conn:
            job_id = await conn.fetchval("SELECT id FROM job WHERE group_key = 'reminders'")
        job = await wait_for_job(site.web.ledger, job_id, 8)
    assert job.status is JobStatus.DONE
    (line,) = (line for line in logs if line["event"] == "plugin message")
    assert line["message"] == f"remember 2026-03-02 (try 1 of {job_id})"


def test_the_numbers_are_those_of_the_code():
    text = " ".join((ROOT / "docs" / "plugins.md").read_text().split())
    for said in (
        f"{WAITING_MAX:,} pieces wait on the plugin's queues together",
        f"more than {DATA_MAX:,} bytes of JSON",
        f"nested deeper than {MAX_DEPTH} levels",
        f"{QUEUE_TRIES} unless the queue says otherwise (1 to {QUEUE_TRIES_MAX})",
        f"{QUEUE_TIMEOUT_S} seconds unless the queue says otherwise (1 to {QUEUE_TIMEOUT_MAX_S})",
    ):
        assert said in text
    assert WORK_PLUGIN_QUEUE.at_once == 2
    assert "Two pieces of a plugin are worked at the same time in the whole site" in text
