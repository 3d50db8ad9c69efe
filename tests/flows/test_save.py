"""A save, from the request to the page that a stranger reads."""

import asyncio
import re

import pytest

from kernel.ids import parse_uuid

pytestmark = pytest.mark.timeout(60)


def read_inputs(html):
    """The hidden inputs of the first form on a page: the token, the build id, the revision."""
    form = html[html.index('<form class="form') :]
    return dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form))


def build_blog_post(**values):
    return {
        "title": "First words",
        "field_summary": "What it is about",
        "field_body": "<p>Some <b>bold</b> words.</p><script>alert(1)</script>",
        "field_body__format": "filtered_html",
        "field_published_on": "2026-03-01",
        "field_reading_minutes": "7",
        "field_featured": "1",
        "status": "1",
        "log_message": "first",
        **values,
    }


@pytest.mark.story("4.4")
@pytest.mark.story("4.5")
async def test_an_editor_adds_a_post_by_form_and_a_stranger_reads_it(site):
    editor = await site.make_user("ada", is_admin=True)
    session = await site.log_in(editor)
    async with site.client(cookie=session.id) as browser, site.client() as stranger:
        form = await browser.get("/item/add/blog")
        assert form.status_code == 200
        saved = await browser.post("/item/add/blog", data={**read_inputs(form.text), **build_blog_post()})
        assert saved.status_code == 303
        path = saved.headers["Location"]
        item_id = parse_uuid(path.removeprefix("/item/"))
        assert item_id is not None
        assert item_id.version == 7

        page = await stranger.get(path)
        assert page.status_code == 200
        assert "First words" in page.text
        assert "<b>bold</b>" in page.text
        assert "alert(1)" not in page.text
        assert "7 min read" in page.text
        assert (await browser.get(path)).text.count("was saved") == 1

    async with site.worker.db.acquire() as conn:
        item = await conn.fetchrow("SELECT * FROM item WHERE id = $1", item_id)
        revisions = await conn.fetch("SELECT * FROM item_revision WHERE item_id = $1", item_id)
    assert item["author_id"] == editor.id
    assert [r["id"] for r in revisions] == [item["current_revision_id"]]
    assert revisions[0]["fields"] == item["fields"]
    assert item["fields"]["field_reading_minutes"] == {"value": 7}
    assert item["fields"]["field_featured"] == {"value": True}


@pytest.mark.story("4.4")
async def test_who_may_not_create_is_refused_and_nothing_is_stored(site):
    reader = await site.make_user("rita")
    session = await site.log_in(reader)
    token = await site.make_token(reader)
    async with site.client(cookie=session.id) as browser:
        assert (await browser.get("/item/add/blog")).status_code == 403
        assert (await browser.post("/item/add/blog", data=build_blog_post())).status_code == 403
    async with site.client(token=token) as program:
        refused = await program.post("/item/add/page", json={"title": "No"})
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "forbidden"
    async with site.client() as stranger:
        assert (await stranger.get("/item/add/blog")).headers["Location"].startswith("/user/login?")
        assert (await stranger.post("/item/add/page", json={"title": "No"})).status_code == 401
    async with site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM item") == 0
        assert await conn.fetchval("SELECT count(*) FROM job WHERE kind = 'save_item'") == 0


async def test_an_item_goes_through_its_life_by_json(site):
    editor = await site.make_user("ada", is_admin=True)
    async with site.client(token=await site.make_token(editor)) as program:
        created = await program.post(
            "/item/add/page", json={"title": "One", "fields": {"field_subtitle": {"value": "sub"}}}
        )
        assert created.status_code == 201
        path = created.json()["path"]
        first = created.json()["revision_id"]

        changed = await program.post(f"{path}/edit", json={"title": "Two", "revision": first})
        assert changed.status_code == 200
        late = await program.post(f"{path}/edit", json={"title": "Three", "revision": first})
        assert late.status_code == 409
        assert late.json()["error"]["code"] == "conflict"

        read = await program.get(path, headers={"Accept": "application/json"})
        assert read.json()["title"] == "Two"
        assert read.json()["fields"] == {"field_subtitle": {"value": "sub"}}
        assert read.json()["revision_id"] == changed.json()["revision_id"]

        assert (await program.post(f"{path}/delete", json={})).json() == {"deleted": created.json()["id"]}
        assert (await program.get(path, headers={"Accept": "application/json"})).status_code == 404
    async with site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM item_revision") == 0


async def test_two_presses_of_one_button_make_one_item(site):
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    async with site.client(cookie=session.id) as browser:
        sent = {**read_inputs((await browser.get("/item/add/blog")).text), **build_blog_post()}
        first, second = await asyncio.gather(
            browser.post("/item/add/blog", data=sent), browser.post("/item/add/blog", data=sent)
        )
        assert first.headers["Location"] == second.headers["Location"]
        corrected = await browser.post("/item/add/blog", data={**sent, "title": "Corrected"})
        assert corrected.status_code == 303
        assert corrected.headers["Location"] != first.headers["Location"]
    async with site.worker.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM item") == 2


async def test_a_newer_revision_is_shown_as_a_conflict_with_the_text_kept(site):
    session = await site.log_in(await site.make_user("ada", is_admin=True))
    async with site.client(cookie=session.id) as browser:
        made = await browser.post(
            "/item/add/blog",
            data={**read_inputs((await browser.get("/item/add/blog")).text), **build_blog_post()},
        )
        path = made.headers["Location"]
        mine = read_inputs((await browser.get(f"{path}/edit")).text)
        theirs = read_inputs((await browser.get(f"{path}/edit")).text)
        await browser.post(f"{path}/edit", data={**theirs, **build_blog_post(title="Theirs")})

        refused = await browser.post(f"{path}/edit", data={**mine, **build_blog_post(title="Mine")})
        assert refused.status_code == 409
        assert "Somebody else saved this item" in refused.text
        assert 'value="Mine"' in refused.text
        again = read_inputs(refused.text)
        assert again["form_build_id"] != mine["form_build_id"]
        decided = await browser.post(f"{path}/edit", data={**again, **build_blog_post(title="Mine")})
        assert decided.status_code == 303
        assert "Mine" in (await browser.get(path)).text


async def test_a_slow_save_ends_on_its_job_page_and_from_there_on_the_item(site_config, open_slow_site):
    """The worker is held until the browser has been sent to the job's page."""
    async with open_slow_site() as (site, release):
        session = await site.log_in(await site.make_user("ada", is_admin=True))
        async with site.client(cookie=session.id) as browser, site.client() as stranger:
            sent = {**read_inputs((await browser.get("/item/add/blog")).text), **build_blog_post()}
            moved = await browser.post("/item/add/blog", data=sent)
            assert moved.status_code == 303
            job_path = moved.headers["Location"]
            assert job_path.startswith("/job/")
            waiting = await browser.get(job_path)
            assert waiting.status_code == 200
            assert "goes on by itself" in waiting.text
            assert (await stranger.get(job_path)).status_code == 404
            assert (await browser.get(f"{job_path}.json")).json()["is_finished"] is False

            release.set()
            async with asyncio.timeout(10):
                while not (state := (await browser.get(f"{job_path}.json")).json())["is_finished"]:
                    await asyncio.sleep(0.02)
            assert state["succeeded"] is True
            assert "payload" not in state
            ended = await browser.get(job_path)
            assert ended.status_code == 303
            assert ended.headers["Location"] == state["path"]
            assert "First words" in (await stranger.get(state["path"])).text
