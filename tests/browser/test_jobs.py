"""A person follows work that goes on elsewhere: on the page of a job and in a list, with scripts and without."""

import asyncio
from datetime import timedelta

import psutil
import pytest

from kernel.clock import now
from kernel.context import Actor, Context
from kernel.ids import uuid7
from kernel.jobs import RECORD_LOGIN, SAVE_ITEM, RecordLogin, SaveItem
from kernel.ledger.run import JobRun
from tests.fixtures.ledger import claim, get_job, set_job, submit

pytestmark = pytest.mark.browser


async def save(ledger, person, **options):
    """A save that waits until this test takes it; no worker runs beside it."""
    ctx = Context(actor=Actor(id=person.id))
    payload = SaveItem(uuid7(), "page", "House style", {})
    return await submit(ledger, kind=SAVE_ITEM, payload=payload, ctx=ctx, **options)


async def take(ledger, job_id):
    return JobRun(ledger, await claim(ledger, job_id), None)


async def finish(run):
    async with run.finish() as finishing:
        finishing.result = {"outcome": "saved", "title": "House style", "path": "/recent-pages"}


async def wait_for_bar(page, value):
    await page.wait_for_function(
        "value => document.querySelector('[data-live-bar]').value === value", arg=value
    )


async def test_a_bar_moves_while_somebody_looks_and_ends_on_the_result(run_site, ledger, person, open_page):
    run = await take(ledger, await save(ledger, person))
    async with run_site(workers=0) as site, open_page(site) as page:
        await page.goto(f"/job/{run.job.id}")
        bar = page.get_by_role("progressbar")
        assert await bar.get_attribute("value") is None
        await page.evaluate("window.wasHereBefore = true")
        await run.report(3, 8, "Asking the plugins")
        await wait_for_bar(page, 3)
        assert await bar.get_attribute("aria-valuetext") == "3 of 8"
        assert await page.get_by_text("3 of 8").is_visible()
        assert await page.get_by_text("37%").is_visible()
        assert await page.get_by_text("Asking the plugins").is_visible()
        await run.report(6000, 8000, "Nearly there")
        await page.get_by_text("6,000 of 8,000").wait_for()
        # It is still the page that was loaded first.
        assert await page.evaluate("window.wasHereBefore") is True
        await finish(run)
        await page.wait_for_url("**/recent-pages")
        assert await page.get_by_text("“House style” was saved.").is_visible()


async def refuse(route):
    await route.fulfill(status=429, content_type="text/plain", body="Too many.")


async def answer_nonsense(route):
    await route.fulfill(status=200, content_type="text/html", body="A proxy's own idea of an answer.")


async def hold_back(route):
    """As a proxy does that wants the whole answer before it passes any of it on."""
    await route.request.frame.page.wait_for_url("**/recent-pages")
    await route.abort()


@pytest.mark.parametrize("answer", [refuse, answer_nonsense, hold_back])
async def test_without_live_events_the_page_asks(run_site, ledger, person, open_page, answer):
    run = await take(ledger, await save(ledger, person))
    forgiven = ("EventSource", "429")
    async with run_site(workers=0) as site, open_page(site, forgiven=forgiven) as page:
        await page.route("**/events", answer)
        await page.goto(f"/job/{run.job.id}")
        await run.report(3, 8, "Asking the plugins")
        await wait_for_bar(page, 3)
        await finish(run)
        await page.wait_for_url("**/recent-pages")


async def test_a_page_outlives_a_restart_of_its_server(run_site, ledger, person, open_page):
    """The stream is taken up again, without loading the page."""
    run = await take(ledger, await save(ledger, person))
    async with run_site(workers=0) as site, open_page(site, forgiven=("net::ERR_",)) as page:
        await page.goto(f"/job/{run.job.id}")
        await page.evaluate("window.wasHereBefore = true")
        await run.report(1, 8, "")
        await wait_for_bar(page, 1)
        (web,) = (child for child in psutil.Process().children() if "web" in child.cmdline())
        web.terminate()
        await asyncio.to_thread(web.wait, 10)
        await run.report(5, 8, "After the restart")
        await wait_for_bar(page, 5)
        assert await page.evaluate("window.wasHereBefore") is True


async def test_without_scripts_a_job_is_followed_and_cancelled(run_site, ledger, person, open_page):
    job_id = await save(ledger, person, run_at=now() + timedelta(hours=1))
    async with run_site() as site, open_page(site, java_script_enabled=False) as page:
        await page.goto(f"/job/{job_id}")
        assert await page.locator('noscript meta[http-equiv="refresh"]').count() == 1
        assert await page.get_by_text("Waiting").is_visible()
        await page.get_by_role("button", name="Cancel").click()
        await page.get_by_text("The job was cancelled.").wait_for()
        assert await page.get_by_text("Cancelled", exact=True).is_visible()
        assert await page.get_by_role("button", name="Cancel").count() == 0
    assert (await get_job(ledger, job_id)).status == "cancelled"


async def test_a_list_follows_its_jobs_and_its_buttons_work(run_site, ledger, person, open_page):
    waiting = await save(ledger, person, run_at=now() + timedelta(hours=1))
    dead = await submit(
        ledger, kind=RECORD_LOGIN, payload=RecordLogin(person.id, now()), run_at=now() + timedelta(hours=1)
    )
    await set_job(ledger, dead, "status = 'dead', error = '{\"message\": \"No answer.\"}', finished = now()")
    async with run_site() as site, open_page(site) as page:
        await page.goto("/admin")
        await page.get_by_role("link", name="Jobs", exact=True).click()
        row = page.locator(f"#job-{waiting}")
        assert await row.get_by_text("Waiting").is_visible()
        assert await page.get_by_text("No answer.").is_visible()
        await row.get_by_role("link", name="Saving").focus()
        await page.evaluate("window.wasHereBefore = true")
        # Its time has come.
        await set_job(ledger, waiting, "run_at = now()")
        await row.get_by_text("Done").wait_for()
        assert await row.get_by_role("link", name="Saving “House style”").is_visible()
        assert await page.evaluate("window.wasHereBefore") is True
        # Whoever goes through the page by keyboard is still where they were.
        assert await page.evaluate("document.activeElement.textContent") == "Saving “House style”"

        await page.get_by_role("link", name="Needs attention").click()
        await page.get_by_role("button", name="Try again: Noting a login").click()
        await page.get_by_text("The job is tried again.").wait_for()
        assert page.url.endswith("/admin/jobs?status=attention&kind=&actor=&since=")
        async with asyncio.timeout(10):
            while (await get_job(ledger, dead)).status != "done":
                await asyncio.sleep(0.05)


async def test_an_empty_list_notices_the_first_job(run_site, ledger, person, open_page):
    async with run_site(workers=0) as site, open_page(site) as page:
        await page.goto("/jobs")
        await page.get_by_text("All quiet").wait_for()
        # Whoever fills in the filter is not disturbed.
        await page.get_by_label("Since").focus()
        async with page.expect_response("**/jobs?*part=rows*") as asked:
            waiting = await save(ledger, person)
            await (await asked.value).finished()
        assert await page.get_by_text("All quiet").is_visible()
        await page.get_by_label("Since").evaluate("field => field.blur()")
        await page.locator(f"#job-{waiting}").get_by_text("Waiting").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_wider_than_a_small_screen(run_site, ledger, person, open_page, scheme):
    run = await take(ledger, await save(ledger, person))
    await run.report(3000, 8000, "Asking the plugins")
    dead = await save(ledger, person)
    await set_job(
        ledger,
        dead,
        "status = 'dead', error = '{\"message\": \"A-long-word-that-somebody-wrote-without-a-space\"}'",
    )
    screen = {"viewport": {"width": 360, "height": 780}, "color_scheme": scheme}
    async with run_site(workers=0) as site, open_page(site, **screen) as page:
        for path in ("/jobs", "/admin/jobs?status=attention", f"/job/{run.job.id}", f"/job/{dead}"):
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360, path
