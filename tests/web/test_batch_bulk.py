"""Actions on many items: what is sent from the content list, what is asked first, and what is refused."""

import re

import pytest

from kernel.form.token import build_form_token
from kernel.item.store import select_items
from tests.web.test_batch import add_items, finish_batch, make_admin, press


def tick(items):
    return [f"{item.id} {item.revision_id}" for item in items]


async def statuses(site):
    async with site.worker.db.acquire() as conn:
        return dict(await conn.fetch("SELECT status, count(*) FROM item GROUP BY status ORDER BY status"))


async def count_batches(site):
    """Beside those that brought the items in."""
    async with site.worker.db.acquire() as conn:
        return await conn.fetchval(
            """
            SELECT count(*) FROM job
            WHERE kind = 'run_batch' AND coalesce(cursor, payload) ->> 'operation' <> 'import_items'
            """
        )


async def send(browser, session, **fields):
    return await press(browser, session, "/admin/content/bulk", "content_bulk", **fields)


async def test_ticked_rows_are_unpublished_and_the_others_stay(site):
    root, session = await make_admin(site)
    items = await add_items(site, root, 5)
    async with site.client(cookie=session.id) as browser:
        page = await browser.get("/admin/content")
        values = re.findall(r'name="item" value="([^"]+)"', page.text)
        assert sorted(values) == sorted(tick(items))
        for sort, expected in (
            ("changed", sorted(items, key=lambda item: (item.changed, item.id), reverse=True)),
            ("oldest", sorted(items, key=lambda item: (item.changed, item.id))),
            ("created", sorted(items, key=lambda item: (item.created, item.id), reverse=True)),
            ("title", sorted(items, key=lambda item: item.title)),
        ):
            ordered = await browser.get(f"/admin/content?sort={sort}")
            assert re.findall(r'name="item" value="([^"]+)"', ordered.text) == tick(expected), sort
        assert (await browser.get("/admin/content?sort=author")).status_code == 404
        answer = await send(browser, session, action="unpublish", item=values[:3])
        assert answer.status_code == 303
        job = await finish_batch(site, answer.headers["Location"])
    assert (job.result["outcome"], job.result["done"], job.result["refused"]) == ("done", 3, 0)
    assert await statuses(site) == {0: 3, 1: 2}


async def test_a_row_that_somebody_changed_meanwhile_is_refused(site):
    root, session = await make_admin(site)
    first, second = await add_items(site, root, 2)
    async with site.client(cookie=session.id) as browser:
        stale = f"{first.id} {second.revision_id}"
        answer = await send(browser, session, action="unpublish", item=[stale, *tick([second])])
        job = await finish_batch(site, answer.headers["Location"])
        page = await browser.get(f"/batch/{job.id}")
    assert (job.result["done"], job.result["refused"]) == (1, 1)
    assert "Somebody changed this item since you chose it." in page.text
    assert f'<a href="{first.path}">{first.title}</a>' in page.text


async def test_deleting_asks_first_and_says_what_goes(site):
    root, session = await make_admin(site)
    items = await add_items(site, root, 10)
    async with site.client(cookie=session.id) as browser:
        page = await send(browser, session, action="delete", item=tick(items[:9]))
        assert page.status_code == 200
        assert "Delete 9 items?" in page.text
        assert items[0].title in page.text
        assert "and 1 more" in page.text
        assert await count_batches(site) == 0
        answer = await browser.post("/admin/content/bulk", data=read_form(page.text))
        await finish_batch(site, answer.headers["Location"])
    assert await statuses(site) == {1: 1}


def read_form(html):
    """What the question sends when its button is pressed."""
    html = html[html.index('id="content-bulk"') :]
    html = html[: html.index("</form>")]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html))


async def test_everything_that_a_filter_finds_is_asked_about_and_then_done(site):
    root, session = await make_admin(site)
    await add_items(site, root, 3, title="Bread")
    await add_items(site, root, 2, title="Water")
    async with site.client(cookie=session.id) as browser:
        page = await send(browser, session, action="unpublish", everything="1", text="bread", type="page")
        assert "Unpublish 3 items?" in page.text
        sent = read_form(page.text)
        answer = await browser.post("/admin/content/bulk", data=sent)
        again = await browser.post("/admin/content/bulk", data=sent)
        assert again.headers["Location"] == answer.headers["Location"]
        job = await finish_batch(site, answer.headers["Location"])
        shown = await browser.get(f"/batch/{job.id}")
    assert job.result["done"] == 3
    assert await statuses(site) == {0: 3, 1: 2}
    assert "“bread” in the title" in shown.text


async def test_ten_thousand_are_chosen_by_a_filter_and_not_one_by_one(site):
    root, session = await make_admin(site)
    (item,) = await add_items(site, root, 1)
    async with site.client(cookie=session.id) as browser:
        many = [f"{item.id.hex[:28]}{number:04x}" for number in range(1_001)]
        ids = [f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]} -" for text in many]
        refused = await send(browser, session, action="publish", item=ids)
        assert refused.status_code == 400
        assert "Name 1,000 items at most." in refused.text
        await add_rows(site, 10_000)
        page = await browser.get("/admin/content")
        assert "All, more than 10,000" in page.text
        page = await send(browser, session, action="publish", everything="1")
        assert "Publish 10,001 items?" in page.text
    assert await count_batches(site) == 0


async def add_rows(site, count):
    """Items as the list reads them; they share a revision."""
    async with site.worker.db.transaction() as tx:
        await tx.conn.execute(
            """
            INSERT INTO item (id, type, title, author_id, status, promote, sticky, created, changed, fields,
                current_revision_id)
            SELECT gen_random_uuid(), 'page', 'Row ' || n, author_id, 1, false, false, created, changed, fields,
                current_revision_id
            FROM item, generate_series(1, $1) AS n
            """,
            count,
        )


async def test_pressing_without_a_choice_says_so_and_keeps_the_filter(site):
    _, session = await make_admin(site)
    async with site.client(cookie=session.id) as browser:
        answer = await send(browser, session, action="publish", type="page", status="1", text="x y")
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/admin/content?type=page&status=1&text=x+y"
        page = await browser.get("/admin/content")
        assert "Nothing was chosen. Tick the items first." in page.text
    assert await count_batches(site) == 0


ITEM_ID = "01936e3b-4f5a-7000-8000-000000000001"
BAD_FORMS = {
    "no-action": ({"item": "x"}, 400),
    "unknown-action": ({"action": "burn", "everything": "1"}, 400),
    "no-uuid": ({"action": "publish", "item": "one two"}, 400),
    "no-revision": ({"action": "publish", "item": ITEM_ID}, 400),
    "unknown-type": ({"action": "publish", "everything": "1", "type": "nothing"}, 404),
    "unknown-status": ({"action": "publish", "everything": "1", "status": "7"}, 404),
    "long-text": ({"action": "publish", "everything": "1", "text": "x" * 101}, 404),
    "nul": ({"action": "publish", "everything": "1", "text": "a\x00b"}, 404),
}


@pytest.mark.parametrize(("fields", "status"), BAD_FORMS.values(), ids=BAD_FORMS)
async def test_what_no_button_sends_is_refused(site, fields, status):
    _, session = await make_admin(site)
    async with site.client(cookie=session.id) as browser:
        assert (await send(browser, session, **fields)).status_code == status
    assert await count_batches(site) == 0


BAD_DOCUMENTS = {
    "nothing": {},
    "no-choice": {"action": "delete"},
    "both": {"action": "delete", "items": [], "filter": {}},
    "empty-list": {"action": "delete", "items": []},
    "no-objects": {"action": "delete", "items": ["x"]},
    "no-id": {"action": "delete", "items": [{"revision": "x"}]},
    "no-such-key-of-an-item": {"action": "delete", "items": [{"id": ITEM_ID, "revison": ITEM_ID}]},
    "empty-revision": {"action": "delete", "items": [{"id": ITEM_ID, "revision": ""}]},
    "zero-as-revision": {"action": "delete", "items": [{"id": ITEM_ID, "revision": 0}]},
    "no-as-revision": {"action": "delete", "items": [{"id": ITEM_ID, "revision": False}]},
    "revision-of-the-form": {"action": "delete", "items": [{"id": ITEM_ID, "revision": "-"}]},
    "number-as-id": {"action": "delete", "items": [{"id": 7}]},
    "misspelt-filter": {"action": "delete", "filter": {"tpye": "page"}},
    "filter-of-a-list": {"action": "delete", "filter": {"type": ["page"]}},
    "unknown-key": {"action": "delete", "filter": {}, "force": True},
    "unknown-action": {"action": ["delete"], "filter": {}},
}


@pytest.mark.parametrize("document", BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS)
async def test_a_document_that_is_not_clear_changes_nothing(site, document):
    root, _ = await make_admin(site)
    async with site.client(token=await site.make_token(root)) as program:
        answer = await program.post("/admin/content/bulk", json=document)
    assert answer.status_code in {400, 404, 422}
    assert answer.json()["error"]["message"]
    assert await count_batches(site) == 0


@pytest.mark.parametrize(
    ("given", "key", "words"),
    [
        ({"type": "blgo"}, "type", "There is no such type. This site has: blog, page."),
        ({"type": ["page"]}, "type", "There is no such type. This site has: blog, page."),
        ({"status": 1}, "status", 'The status is "1" for what is published, "0" for drafts, "" for both.'),
        ({"text": "x" * 101}, "text", "A text to look for has 100 characters at most"),
        ({"text": None}, "text", "A text to look for has 100 characters at most"),
        ({"tpye": "page"}, "tpye", "There is no such key. A filter has: type, status, text."),
    ],
)
async def test_a_program_is_told_what_is_wrong_with_its_filter_and_what_there_is(site, given, key, words):
    root, _ = await make_admin(site)
    async with site.client(token=await site.make_token(root)) as program:
        chosen = await program.post("/admin/content/bulk", json={"action": "delete", "filter": given})
        export = await program.post("/admin/tools/export", json=given)
    for answer, name in ((chosen, f"filter.{key}"), (export, key)):
        assert answer.status_code == 422
        ((named, told),) = answer.json()["error"]["problems"].items()
        assert (named, told[: len(words)]) == (name, words)
    assert await count_batches(site) == 0


async def test_a_program_starts_a_batch_and_a_repetition_is_the_same_one(site):
    root, _ = await make_admin(site)
    items = await add_items(site, root, 4)
    chosen = [
        {"id": str(items[0].id), "revision": str(items[0].revision_id)},
        {"id": str(items[1].id), "revision": None},
        {"id": str(items[2].id)},
    ]
    async with site.client(token=await site.make_token(root)) as program:
        sent = {
            "json": {"action": "delete", "items": [*chosen, chosen[0]]},
            "headers": {"Idempotency-Key": "a-name"},
        }
        answer = await program.post("/admin/content/bulk", **sent)
        again = await program.post("/admin/content/bulk", **sent)
        assert answer.status_code == again.status_code == 202
        assert answer.json() == again.json()
        batch = answer.json()["batch"]
        assert answer.headers["Location"] == batch["path"] == f"/batch/{batch['id']}"
        job = await finish_batch(site, batch["path"])
        status = (await program.get(batch["status"])).json()
    assert (status["percent"], status["good"], status["refused"]) == (100, 3, 0)
    assert job.result["done"] == 3
    async with site.worker.db.acquire() as conn:
        assert [item.id for item in await select_items(conn, [i.id for i in items])] == [items[3].id]


async def test_who_may_not_see_the_content_list_changes_nothing_by_it(site):
    user = await site.make_user("eve")
    session = await site.log_in(user)
    async with site.client(cookie=session.id) as browser:
        assert (
            await send(browser, session, action="delete", everything="1", confirmed="1")
        ).status_code == 403
    async with site.client(token=await site.make_token(user)) as program:
        document = {"action": "delete", "filter": {}}
        assert (await program.post("/admin/content/bulk", json=document)).status_code == 403
    async with site.client() as stranger:
        assert (await stranger.post("/admin/content/bulk", data={"action": "delete"})).status_code == 401
    assert await count_batches(site) == 0


async def test_a_forged_form_changes_nothing(site):
    _, session = await make_admin(site)
    async with site.client(cookie=session.id) as browser:
        for token in ("", "0" * 64, build_form_token(session, "user_logout")):
            data = {"form_token": token, "action": "delete", "everything": "1", "confirmed": "1"}
            assert (await browser.post("/admin/content/bulk", data=data)).status_code == 403
    assert await count_batches(site) == 0


async def test_only_the_live_site_is_changed(site):
    _, session = await make_admin(site)
    async with site.worker.db.acquire() as conn:
        await conn.execute("INSERT INTO stage (id, label) VALUES ('spring', 'Spring')")
    async with site.client(cookie=session.id) as browser:
        await press(browser, session, "/admin/stage/switch", "stage_switch", stage_id="spring")
        page = await browser.get("/admin/content")
        assert 'name="item"' not in page.text
        answer = await send(browser, session, action="delete", everything="1", confirmed="1")
        assert answer.status_code == 409
        assert "Switch the stage to Live first." in answer.text
    assert await count_batches(site) == 0
