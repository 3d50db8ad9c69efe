"""Work over many items as people see it: imports, their refused lines, a second try, actions from the list."""

import asyncio
import json

import pytest

from kernel.app.open import open_kernel
from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.lines import build_chunks
from kernel.batch.operation import Batch
from kernel.batch.start import start_batch
from kernel.context import Actor, Context
from kernel.jobs import RUN_BATCH, RunBatch
from kernel.ledger.run import JobRun
from kernel.ledger.wait import wait_for_job
from tests.fixtures.ledger import claim

pytestmark = pytest.mark.browser


@pytest.fixture
async def rt(site_config, renderer):
    async with open_kernel(site_config, role="worker", renderer=renderer) as opened:
        yield opened


@pytest.fixture
def add_items(rt, person):
    """Through a worker of the site."""

    async def add(number, **changes):
        lines = [json.dumps(build_line(n, **changes)) for n in range(number)]
        ctx = Context(actor=Actor(id=person.id, is_admin=True))
        job_id = await start_batch(rt, ctx, IMPORT_ITEMS, ImportItems(number), chunks=build_chunks(lines))
        return await wait_for_job(rt.ledger, job_id, 30)

    return add


def build_line(number, **changes):
    return {"type": "page", "title": f"House style {number:05}", "fields": {}, **changes}


async def choose_file(page, lines):
    content = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    await page.goto("/admin/tools/import")
    await page.get_by_label("File").set_input_files(
        {"name": "items.jsonl", "mimeType": "application/x-ndjson", "buffer": content.encode()}
    )
    await page.get_by_role("button", name="Import").click()
    await page.wait_for_url("**/batch/*")


async def read_lines(started):
    """What stands in a file that was downloaded."""
    path = await (await started.value).path()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# Notes each place of the bar in a page that is watched to its end; the page is loaded anew then, so they are kept.
WATCH = """
const watch = () => {
  const bar = document.querySelector("[data-live-bar]");
  if (!bar) return;
  const note = () => {
    const seen = JSON.parse(sessionStorage.seen ?? "[]");
    if (bar.hasAttribute("value") && seen.at(-1) !== bar.value) seen.push(bar.value);
    sessionStorage.seen = JSON.stringify(seen);
  };
  new MutationObserver(note).observe(bar, { attributes: true });
  note();
};
addEventListener("DOMContentLoaded", watch);
"""


@pytest.mark.story("13.7")
async def test_an_import_is_watched_to_its_end_and_its_refused_lines_are_told(run_site, open_page):
    lines = [build_line(number) for number in range(4_000)]
    lines[6] = "no json"
    lines[17] = build_line(17, type="pagg")
    async with run_site() as site, open_page(site) as page:
        await page.add_init_script(WATCH)
        await choose_file(page, lines)
        await page.get_by_text("3,998 items were imported. 2 were refused.").wait_for()
        seen = await page.evaluate("JSON.parse(sessionStorage.seen)")
        # In slices, each of which moves the bar; how many of them are seen is the machine's affair.
        assert len(seen) >= 3
        assert seen == sorted(seen)
        assert all(0 <= value < 4_000 and value % 1 == 0 for value in seen[:-1])
        assert await page.get_by_text("Line 7", exact=True).is_visible()
        assert await page.get_by_text("There is no item type 'pagg'. This site has: blog, page.").is_visible()
        async with page.expect_download() as started:
            await page.get_by_role("link", name="Download these lines").click()
        refused = await read_lines(started)
    assert [line["_refused"]["line"] for line in refused] == [7, 18]


async def test_what_is_refused_meanwhile_is_listed_while_somebody_looks(run_site, open_page, rt, person):
    """The batch goes on in this test's hands; no worker runs beside it."""
    ctx = Context(actor=Actor(id=person.id, is_admin=True))
    lines = [json.dumps(build_line(number)) for number in range(4)]
    job_id = await start_batch(rt, ctx, IMPORT_ITEMS, ImportItems(4), chunks=build_chunks(lines))
    job = await claim(rt.ledger, job_id, kinds=[RUN_BATCH.name])
    run = JobRun(rt.ledger, job, RunBatch("import_items", {"count": 4}))
    batch = Batch(run, IMPORT_ITEMS, ctx, ImportItems(4))

    async def refuse(number, message):
        async with batch.slice() as part:
            part.refuse(number, message, content="{}")
            part.count(1)
            part.end_at(number)

    async with run_site(workers=0) as site, open_page(site) as page:
        await page.goto(f"/batch/{job_id}")
        await page.evaluate("window.wasHereBefore = true")
        assert await page.locator(".refused__row").count() == 0
        await refuse(1, "The first reason.")
        await page.get_by_text("The first reason.").wait_for()
        await page.get_by_role("heading", name="1 refused").wait_for()
        link = page.get_by_role("link", name="Download these lines")
        await link.focus()
        await refuse(2, "The second reason.")
        await page.locator('[data-live="refused"]').get_by_text("2", exact=True).wait_for()
        # Not under the hands of whoever is in it by keyboard.
        assert await link.evaluate("link => link === document.activeElement")
        await link.evaluate("link => link.blur()")
        await page.get_by_text("The second reason.").wait_for()
        assert await page.evaluate("window.wasHereBefore") is True
        async with run.finish() as finish:
            finish.result = {"outcome": "done"}
        await page.get_by_text("0 items were imported. 2 were refused.").wait_for()
        assert await page.locator(".refused__row").count() == 2


async def test_what_was_refused_is_tried_again_when_the_cause_is_gone(run_site, open_page, rt):
    async with run_site() as site, open_page(site) as page:
        await choose_file(page, [build_line(0), build_line(1, author="grace")])
        await page.get_by_text("1 item was imported. 1 was refused.").wait_for()
        assert await page.get_by_text("There is no account 'grace'.").is_visible()
        async with rt.db.acquire() as conn:
            await conn.execute("INSERT INTO users (id, name) VALUES (gen_random_uuid(), 'Grace')")
        await page.get_by_role("button", name="Try the 1 refused again").click()
        await page.get_by_text("1 item was imported.", exact=True).wait_for()
        assert await page.get_by_text("What an earlier batch refused").is_visible()
        await page.get_by_role("link", name="To that batch").click()
        await page.get_by_role("link", name="What became of the refused").click()
        await page.get_by_text("1 item was imported.", exact=True).wait_for()


async def test_a_long_one_is_cancelled_and_what_was_done_stays(run_site, open_page, rt):
    lines = [build_line(number, fields={}) for number in range(20_000)]
    async with run_site() as site, open_page(site) as page:
        await choose_file(page, lines)
        await page.wait_for_function("() => document.querySelector('[data-live-bar]')?.value > 0")
        await page.get_by_role("button", name="Cancel").click()
        await page.get_by_text("What was done stays done.").wait_for()
        assert await page.get_by_role("button", name="Cancel").count() == 0
        status = await page.evaluate("fetch(location.pathname + '/status').then((answer) => answer.json())")
    assert status["status"] == "cancelled"
    assert 0 < status["done"] < 20_000
    async with rt.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM item") == status["good"]


async def test_rows_are_chosen_by_keyboard_and_unpublished_together(run_site, open_page, add_items):
    async with run_site() as site, open_page(site) as page:
        await add_items(4)
        await page.goto("/admin/content")
        assert await page.get_by_text("Nothing chosen").is_visible()
        button = page.get_by_role("button", name="Unpublish")
        assert await button.is_disabled()
        boxes = page.get_by_role("checkbox", name="Choose House style")
        await boxes.nth(0).focus()
        await page.keyboard.press("Space")
        for _ in range(4):  # its title and its two actions, then the next row's box
            await page.keyboard.press("Tab")
        assert await boxes.nth(1).evaluate("box => box === document.activeElement")
        await page.keyboard.press("Space")
        assert await page.get_by_text("2 chosen").is_visible()
        await page.get_by_role("checkbox", name="All on this page").focus()
        await page.keyboard.press("Space")
        assert await page.get_by_text("4 chosen").is_visible()
        await boxes.nth(3).press("Space")
        await button.focus()
        await page.keyboard.press("Enter")
        await page.get_by_text("3 items were unpublished.").wait_for()
        await page.get_by_role("link", name="To the content", exact=True).click()
        await page.wait_for_url("**/admin/content")
        assert await page.locator("tbody").get_by_text("Draft").count() == 3


async def test_without_scripts_everything_that_matches_is_deleted_after_a_question(
    run_site, open_page, add_items
):
    async with run_site() as site, open_page(site, java_script_enabled=False) as page:
        await add_items(30)
        await page.goto("/admin/content?text=style+0000&type=&status=")
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_text("Nothing was chosen. Tick the items first.").wait_for()
        await page.goto("/admin/content")
        await page.get_by_label("All 30").check()
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("heading", name="Delete 30 items?").wait_for()
        await page.get_by_role("button", name="Delete 30 items").click()
        await page.wait_for_url("**/batch/*")
        async with asyncio.timeout(20):
            while not await page.get_by_text("30 items were deleted.").count():
                await page.reload()
        await page.goto("/admin/content")
        assert await page.get_by_text("No content yet").is_visible()


async def test_an_export_is_made_and_downloaded(run_site, open_page, add_items):
    async with run_site() as site, open_page(site) as page:
        await add_items(120)
        await page.goto("/admin")
        await page.get_by_role("link", name="Tools", exact=True).click()
        await page.get_by_role("link", name="Choose what to export").click()
        await page.get_by_label("Title contains").fill("style 0001")
        await page.get_by_role("button", name="Export").click()
        async with page.expect_download() as started:
            await page.get_by_role("link", name="Download").click()
        assert len(await read_lines(started)) == 10


async def test_a_file_that_is_too_large_is_told_before_it_is_sent(run_site, open_page):
    async with run_site(environment={"MAX_UPLOAD_BYTES": "1000000"}) as site, open_page(site) as page:
        await page.goto("/admin/tools/import")
        file = page.get_by_label("File")
        await file.set_input_files({"name": "x.jsonl", "mimeType": "text/plain", "buffer": b"x" * 1_500_000})
        told = await file.evaluate("input => input.validationMessage")
        assert told == "This file has 1.5 MB; 1 MB is the most."
        await page.get_by_role("button", name="Import").click()
        assert page.url.endswith("/admin/tools/import")
        await file.set_input_files({"name": "x.jsonl", "mimeType": "text/plain", "buffer": b"x"})
        assert await file.evaluate("input => input.validity.valid")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_wider_than_a_small_screen(run_site, open_page, add_items, scheme):
    screen = {"viewport": {"width": 360, "height": 780}, "color_scheme": scheme}
    async with run_site() as site, open_page(site, **screen) as page:
        await add_items(30, title="A-long-word-that-somebody-wrote-without-a-space-in-a-title")
        job = await add_items(3, title="", type="x" * 60)
        paths = (
            "/admin/content",
            "/admin/tools",
            "/admin/tools/import",
            "/admin/tools/export",
            f"/batch/{job.id}",
        )
        for path in paths:
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360, path
        await page.goto("/admin/content")
        await page.get_by_role("checkbox", name="Choose").first.check()
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("heading", name="Delete 1 item?").wait_for()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
