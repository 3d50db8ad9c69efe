"""The commands with which the design begins: create a page with curl and JSON, view it, list it."""

import asyncio
import json
import shutil

import pytest

pytestmark = pytest.mark.adversity

CURL = shutil.which("curl")


async def curl(*arguments):
    process = await asyncio.create_subprocess_exec(CURL, "-sS", *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


@pytest.mark.skipif(CURL is None, reason="there is no curl on this machine")
async def test_a_page_is_created_viewed_and_listed_with_curl(run_site, editor):
    _, token = editor
    async with run_site() as site:
        base = f"http://127.0.0.1:{site.port}"
        created = json.loads(
            await curl(
                "-X",
                "POST",
                f"{base}/item/add/page",
                "-H",
                f"Authorization: Bearer {token}",
                "-H",
                "Content-Type: application/json",
                "-d",
                '{"title": "Hello World", "fields": {"field_subtitle": {"value": "My first trovato page"}}}',
            )
        )
        page = await curl(f"{base}/item/{created['id']}")
        assert "Hello World" in page
        # Out of the plugin's render element.
        assert "My first trovato page" in page
        assert "Hello World" in await curl(f"{base}/recent-pages")


@pytest.mark.story("2.1")
async def test_the_site_listens_on_the_port_of_the_environment_with_both_services(run_site, editor):
    async with run_site() as site, site.client() as client:
        assert (await client.get("/health")).json()["status"] == "healthy"
        assert (await client.get("/")).status_code == 200
