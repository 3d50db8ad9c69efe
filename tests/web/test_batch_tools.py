"""Import, export and the buttons over all content: good and bad files, forms and documents, and who may use them."""

import gzip
import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from kernel.clock import now
from kernel.plugin.live import LivePlugins
from kernel.plugin.model import PluginSet
from kernel.tap.answers import MenuEntry
from kernel.tap.menu import build_menu
from kernel.tap.registry import TapOptions, TapRegistry
from tests.fixtures.site import open_site
from tests.web.test_batch import add_items, finish_batch, make_admin, press
from tests.web.test_jobs import add_job
from web.app import create_asgi

PAGE = '{"type": "page", "title": "A title"}'


async def upload(browser, content, *, name="items.jsonl", **fields):
    """As a browser sends the form that it was shown."""
    page = await browser.get("/admin/tools/import")
    html = page.text[page.text.index('id="import-items"') :]
    proof = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html))
    files = {"file": (name, content, "application/octet-stream")}
    return await browser.post(
        "/admin/tools/import", data={**proof, "default_type": "", **fields}, files=files
    )


async def count(site, what="job WHERE kind <> 'note_token_use'"):
    async with site.worker.db.acquire() as conn:
        return await conn.fetchval(f"SELECT count(*) FROM {what}")


async def test_a_file_comes_in_and_its_chunks_are_gone_when_it_is_done(site):
    _, session = await make_admin(site)
    lines = [json.dumps({"title": f"Title {n}", "fields": {}}) for n in range(450)]
    async with site.client(cookie=session.id) as browser:
        content = "\ufeff" + "\r\n".join([*lines, "", "  ", "{"])
        answer = await upload(browser, content.encode(), default_type="page")
        assert answer.status_code == 303, answer.text
        job = await finish_batch(site, answer.headers["Location"])
        page = await browser.get("/admin/tools")
    assert (job.result["done"], job.result["refused"]) == (450, 1)
    assert (await count(site, "item"), await count(site, "job_chunk")) == (450, 0)
    assert "450 items, 1 refused" in page.text


BAD_FILES = {
    "gzip": (gzip.compress(PAGE.encode()), "This file is compressed. Unpack it first."),
    "zip": (b"PK\x03\x04rest", "This file is compressed. Unpack it first."),
    "utf-16": (PAGE.encode("utf-16"), "This file is not UTF-8 but UTF-16."),
    "empty": (b"", "There is nothing in this file."),
    "blank": (b"\n \r\n\t\n", "There is nothing in this file."),
    "picture": (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe", "No line of this file is an item"),
    "table": (b"title,type\nA,page\n", "No line of this file is an item"),
}


@pytest.mark.parametrize(("content", "words"), BAD_FILES.values(), ids=BAD_FILES)
async def test_a_file_that_cannot_be_meant_is_told_beside_its_field(site, content, words):
    _, session = await make_admin(site)
    async with site.client(cookie=session.id) as browser:
        answer = await upload(browser, content, default_type="page")
    assert answer.status_code == 422
    assert words in answer.text
    assert '<option value="page" selected>' in answer.text
    assert await count(site) == 0


async def test_a_form_without_its_file_says_so(site):
    _, session = await make_admin(site)
    async with site.client(cookie=session.id) as browser:
        for answer in (
            await upload(browser, b"", name=""),
            await press(browser, session, "/admin/tools/import", "import_items", file="not a file"),
            await upload(browser, PAGE.encode(), default_type="nothing"),
        ):
            assert answer.status_code == 422
        assert "must be one of the options" in answer.text
    assert await count(site) == 0


async def test_the_same_press_is_one_import_and_another_file_another(site):
    _, session = await make_admin(site)
    sent = {"form_build_id": "a" * 22}
    async with site.client(cookie=session.id) as browser:
        paths = [
            (await upload(browser, content, **sent)).headers["Location"]
            for content in (PAGE.encode(), PAGE.encode(), f"{PAGE}\n{PAGE}".encode())
        ]
        for path in paths:
            await finish_batch(site, path)
    assert paths[0] == paths[1] != paths[2]
    assert await count(site, "item") == 3


async def test_a_file_over_the_limit_is_refused_whether_it_says_so_or_not(site_config, renderer):
    small = replace(site_config, max_body_bytes=20_000, max_upload_bytes=50_000)
    async with open_site(small, renderer) as site:
        _, session = await make_admin(site)
        async with site.client(cookie=session.id) as browser:
            page = await browser.get("/admin/tools/import")
            assert 'data-js-max="50000"' in page.text
            for size in (60_000, 500_000):
                answer = await upload(browser, b"x" * size)
                assert answer.status_code == 413
                assert "0.05 MB is the most" in answer.text
            # More than other requests may carry.
            assert (await upload(browser, PAGE.encode() + b"\n" * 30_000)).status_code == 303
            assert await count(site) == 1

            async def drip():
                yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
                for _ in range(60):
                    yield b"x" * 1_000

            headers = {"Content-Type": "multipart/form-data; boundary=b"}
            answer = await browser.post("/admin/tools/import", content=drip(), headers=headers)
            assert answer.status_code == 413
            answer = await browser.post("/admin/tools/export", data={"text": "x" * 30_000})
            assert answer.status_code == 413
        assert await count(site) == 1


async def test_an_old_form_is_shown_again_with_what_was_chosen(site):
    _, session = await make_admin(site)
    async with site.client(cookie=session.id) as browser:
        answer = await upload(browser, PAGE.encode(), form_token="0" * 64, default_type="page")
        assert answer.status_code == 403
        assert '<option value="page" selected>' in answer.text
        answer = await browser.post("/admin/tools/export", data={"text": "kept words"})
        assert answer.status_code == 403
        assert 'value="kept words"' in answer.text
        assert (await browser.post("/admin/tools/run", data={"tool": "reindex"})).status_code == 403
    assert await count(site) == 0


async def test_an_export_has_what_the_form_asks_for(site):
    root, session = await make_admin(site)
    await add_items(site, root, 3, title="Bread")
    await add_items(site, root, 2, title="100%")
    async with site.client(cookie=session.id) as browser:
        fields = {"type": "page", "status": "1", "text": "0%"}
        answer = await press(browser, session, "/admin/tools/export", "export_items", **fields)
        job = await finish_batch(site, answer.headers["Location"])
        lines = (await browser.get(f"/batch/{job.id}/items.jsonl")).text.splitlines()
        page = await browser.get(f"/batch/{job.id}")
    assert [json.loads(line)["title"] for line in lines] == ["100% 000", "100% 001"]
    assert "Page, published, “0%” in the title" in page.text


async def test_the_buttons_start_their_work_and_pressing_twice_is_once(site):
    root, session = await make_admin(site)
    await add_items(site, root, 3)
    async with site.client(cookie=session.id) as browser:
        assert (await browser.get("/admin/tools")).text.count("Not done yet") == 3
        for tool in ("reindex", "refresh_pages"):
            sent = {"tool": tool, "form_build_id": "b" * 22}
            first = await press(browser, session, "/admin/tools/run", "tool_run", **sent)
            second = await press(browser, session, "/admin/tools/run", "tool_run", **sent)
            assert first.headers["Location"] == second.headers["Location"]
            assert (await finish_batch(site, first.headers["Location"])).result["done"] == 3
        page = await browser.get("/admin/tools")
        assert page.text.count("Last done") == 3
        assert (
            await press(browser, session, "/admin/tools/run", "tool_run", tool="import_items")
        ).status_code == 400
        assert (await press(browser, session, "/admin/tools/run", "tool_run")).status_code == 400


async def test_a_tool_that_waits_for_a_worker_is_under_way(site):
    root, session = await make_admin(site)
    payload = {"operation": "reindex", "arguments": {}}
    job_id = await add_job(
        site,
        root.id,
        "queued",
        kind="run_batch",
        payload=payload,
        run_at=now() + timedelta(days=1),
        result=None,
        error=None,
    )
    async with site.client(cookie=session.id) as browser:
        page = await browser.get("/admin/tools")
        assert page.text.count("Under way") == 1
        assert f'<a href="/batch/{job_id}">Watch it</a>' in page.text
        for path in ("/jobs", "/admin/jobs"):
            listed = (await browser.get(path)).text
            assert "Rebuild the search index</a>" in listed
            assert "Work on many items</a>" not in listed


async def test_refreshing_makes_the_pages_of_plugins_new_that_list_nothing(site, workshop):
    probe = await workshop.load("probe", page=TapOptions(), may={"variables": frozenset({"probe_text"})})
    plugins = PluginSet(
        registry=TapRegistry((probe,), {}),
        menu=build_menu([("probe", [MenuEntry("/probe", "Probe", function="front")])], frozenset({"probe"})),
    )
    app = create_asgi(replace(site.web, live_plugins=LivePlugins(plugins)))
    _, session = await make_admin(site)
    async with replace(site, app=app).client() as visitor, site.client(cookie=session.id) as browser:

        async def see(text):
            page = await visitor.get("/probe")
            assert page.status_code == 200
            return text in page.text

        assert await see("the default")
        async with site.worker.db.acquire() as conn:
            await conn.execute("INSERT INTO variable (name, value) VALUES ('probe_text', '\"another text\"')")
        assert not await see("another text")
        answer = await press(browser, session, "/admin/tools/run", "tool_run", tool="refresh_pages")
        await finish_batch(site, answer.headers["Location"])
        assert await see("another text")


async def test_programs_use_the_same_doors(site):
    root, _ = await make_admin(site)
    async with site.client(token=await site.make_token(root)) as program:
        items = [{"title": "One"}, {"title": "Two", "type": "pagg"}, "no object", {"title": "\ud800"}]
        sent = ({"items": items, "default_type": "page"}, {"Idempotency-Key": "k"})
        answer = await post_json(program, "/admin/tools/import", *sent)
        assert answer.status_code == 202
        assert (await post_json(program, "/admin/tools/import", *sent)).json() == answer.json()
        await finish_batch(site, answer.json()["batch"]["path"])
        status = (await program.get(answer.json()["batch"]["status"])).json()
        assert (status["good"], status["refused"]) == (1, 3)
        for path, document in (
            ("/admin/tools/export", {"type": "page"}),
            ("/admin/tools/run", {"tool": "reindex"}),
        ):
            answer = await program.post(path, json=document)
            assert answer.status_code == 202, path
            await finish_batch(site, answer.headers["Location"])


async def post_json(program, path, document, headers):
    """With what the client's own writer refuses."""
    content = json.dumps(document)
    return await program.post(path, content=content, headers={**headers, "Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("import", {}),
        ("import", {"items": []}),
        ("import", {"items": "x"}),
        ("import", {"items": [{}], "default_type": "nothing"}),
        ("import", {"items": [{}], "default_type": ["page"]}),
        ("import", {"items": [{}], "type": "page"}),
        ("export", {"tpye": "page"}),
        ("export", {"type": 7}),
        ("export", {"text": "a\u0000"}),
        ("run", {}),
        ("run", {"tool": ["reindex"]}),
        ("run", {"tool": "delete_items"}),
    ],
)
async def test_a_document_that_is_wrong_starts_nothing(site, path, document):
    root, _ = await make_admin(site)
    async with site.client(token=await site.make_token(root)) as program:
        answer = await program.post(f"/admin/tools/{path}", json=document)
    assert answer.status_code in {400, 404, 422}
    assert answer.json()["error"]["message"]
    assert await count(site) == 0


async def test_the_tools_are_for_those_who_look_after_the_content(site):
    user = await site.make_user("eve")
    session = await site.log_in(user)
    async with site.client(cookie=session.id) as browser, site.client() as stranger:
        for path in ("/admin/tools", "/admin/tools/import", "/admin/tools/export"):
            assert (await browser.get(path)).status_code == 403
            assert (await stranger.get(path)).status_code == 303
        forms = {"import": "import_items", "export": "export_items", "run": "tool_run"}
        for name, form_id in forms.items():
            path = f"/admin/tools/{name}"
            # With the token of the form: it is the permission that is missing.
            pressed = await press(browser, session, path, form_id, tool="reindex")
            told = "You do not have permission to do this." in pressed.text
            assert (pressed.status_code, told) == (403, True), path
            assert (await stranger.post(path, data={"x": "y"})).status_code == 401
        assert "/admin/tools" not in (await browser.get("/admin")).text
    assert await count(site) == 0
