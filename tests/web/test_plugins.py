"""The pages of plugins: who may, what is shown before anything is allowed, and each button."""

import asyncio
import re

import pytest

from kernel.form.token import build_form_token
from tests.kernel.lifecycle.conftest import folder, keeper, site

__all__ = ["folder", "keeper", "site"]

PATHS = ["/admin/plugins", "/admin/plugins/guest"]


@pytest.fixture
async def admin(site, keeper):
    """An administrator's browser, and how it presses a button."""
    session = await site.log_in(keeper.ctx.actor)
    async with site.client(cookie=session.id) as browser:

        async def press(path, form_id, files=None, **values):
            token = build_form_token(session, form_id)
            return await browser.post(
                path, data={"form_token": token, **values}, files=files, follow_redirects=True
            )

        browser.press = press
        yield browser


async def test_who_may_not_administer_plugins_sees_nothing_of_them_and_changes_none(site, keeper):
    session = await site.log_in(await site.make_user("bob"))
    async with site.client(cookie=session.id) as bob, site.client() as stranger:
        for path in PATHS:
            assert (await bob.get(path)).status_code == 403
            assert (await stranger.get(path)).status_code == 303
        # With the token of the form: it is the permission that is missing.
        sent = {"form_token": build_form_token(session, "plugin_change"), "operation": "install"}
        pressed = await bob.post("/admin/plugins/guest/change", data=sent)
        told = "You do not have permission to do this." in pressed.text
        assert (pressed.status_code, told) == (403, True)
    assert await keeper.fetchval("SELECT count(*) FROM job") == 0


async def test_what_a_plugin_asks_for_is_shown_before_it_is_allowed(site, keeper, admin):
    page = (await admin.get("/admin/plugins/guest")).text
    assert "Read the setting “site_name”" in page
    assert "Keep a table “event” of its own" in page
    approved = re.search(r'name="approved" value="(\w+)"', page)[1]
    wrong = await admin.press(
        "/admin/plugins/guest/change", "plugin_change", operation="install", approved="0" * 64
    )
    assert wrong.status_code == 409
    assert await keeper.fetchval("SELECT count(*) FROM system") == 0
    done = await admin.press(
        "/admin/plugins/guest/change", "plugin_change", operation="install", approved=approved
    )
    assert done.status_code == 200
    assert "The plugin is installed." in done.text
    assert "Enabled" in done.text


async def test_it_is_disabled_enabled_and_removed_by_buttons(site, keeper, admin):
    await keeper.install()
    for operation, words in (
        ("disable", "The plugin is disabled. Its data stay."),
        ("enable", "The plugin is enabled."),
        ("uninstall", "The plugin is removed."),
    ):
        answer = await admin.press("/admin/plugins/guest/change", "plugin_change", operation=operation)
        assert words in answer.text


async def test_a_refusal_is_told_where_the_button_was(site, keeper, admin):
    answer = await admin.press("/admin/plugins/guest/change", "plugin_change", operation="enable")
    assert "The plugin &#39;guest&#39; is not installed." in answer.text
    nonsense = await admin.press("/admin/plugins/guest/change", "plugin_change", operation="explode")
    assert nonsense.status_code == 400


async def test_an_upload_is_checked_and_waits_for_approval(site, keeper, admin, folder, tmp_path):
    manifest = (folder / "guest" / "guest.info.toml").read_bytes().replace(b"1.0.0", b"1.2.0")
    wasm = (folder / "guest" / "guest.wasm").read_bytes()
    files = {"manifest": ("guest.info.toml", manifest), "artefact": ("guest.wasm", wasm)}
    answer = await admin.press("/admin/plugins/upload", "plugin_upload", files=files)
    assert "It is checked." in answer.text
    assert "1.2.0" in answer.text
    assert await keeper.fetchval("SELECT count(*) FROM system") == 0
    approved = re.search(r'name="approved" value="(\w+)"', answer.text)[1]
    await admin.press("/admin/plugins/guest/change", "plugin_change", operation="install", approved=approved)
    assert await keeper.fetchval("SELECT version FROM system") == "1.2.0"
    assert await keeper.fetchval("SELECT count(*) FROM plugin_offer") == 0


async def test_an_upload_can_be_discarded_and_does_not_hide_what_the_folder_holds(
    site, keeper, admin, folder
):
    place = folder / "guest" / "guest.info.toml"
    wasm = (folder / "guest" / "guest.wasm").read_bytes()
    files = {"manifest": ("guest.info.toml", place.read_bytes()), "artefact": ("guest.wasm", wasm)}
    await admin.press("/admin/plugins/upload", "plugin_upload", files=files)
    place.write_text(place.read_text().replace('"1.0.0"', '"1.2.0"'))
    page = (await admin.get("/admin/plugins/guest")).text
    assert "Version 1.0.0 was uploaded" in page
    assert "The folder of plugins holds version 1.2.0" in page
    answer = await admin.press("/admin/plugins/guest/change", "plugin_change", operation="discard")
    assert "The upload is discarded." in answer.text
    page = (await admin.get("/admin/plugins/guest")).text
    assert "was uploaded" not in page
    assert "1.2.0" in page
    again = await admin.press("/admin/plugins/guest/change", "plugin_change", operation="discard")
    assert "Nothing was uploaded under the name &#39;guest&#39;." in again.text
    # What would go with an installed one is said before.
    await keeper.install()
    assert "its tables event (2 rows) and its settings" in (await admin.get("/admin/plugins/guest")).text


HEAD = b'name = "guest"\nversion = "1.0.0"\napi_version = "0.1"\n[taps]\nimplements = []\n'


@pytest.mark.parametrize(
    ("filename", "manifest", "words"),
    [
        ("guest.info.toml", HEAD, "cannot be compiled"),
        ("guest.info.toml", HEAD.replace(b"[]", b'["tap_nothing"]'), "is no tap"),
        ("guest.info.toml", b"\xff\xfe", "not UTF-8"),
        ("../../etc/passwd!", HEAD, "must be named like its plugin"),
        ("guest.info.toml", b"x" * 70_000, "A manifest may have 64,000 bytes."),
        ("other.info.toml", HEAD, "must be that of its folder and file"),
    ],
)
async def test_an_upload_that_is_no_plugin_is_refused_with_the_reason(
    admin, keeper, filename, manifest, words
):
    files = {"manifest": (filename, manifest), "artefact": ("guest.wasm", b"\0asm nonsense")}
    answer = await admin.press("/admin/plugins/upload", "plugin_upload", files=files)
    assert words in answer.text
    assert await keeper.fetchval("SELECT count(*) FROM plugin_offer") == 0


async def test_safe_mode_shows_an_administrator_the_site_without_plugins(site, keeper, admin):
    await keeper.install()
    await site.web.live_plugins.follower.refresh()
    assert (await admin.get("/guest")).status_code == 200
    assert (await admin.get("/guest?safe=1")).status_code == 404
    assert "Safe mode" in (await admin.get("/?safe=1")).text
    assert (await keeper.fetch("/guest?safe=1")).status_code == 200


async def test_usage_and_failures_stand_on_the_page_of_the_plugin(site, keeper, admin):
    await keeper.install()
    async with site.worker.db.acquire() as conn:
        await conn.execute("INSERT INTO variable VALUES ('guest_fails_at', '\"page\"')")
    await site.web.live_plugins.follower.refresh()
    await keeper.fetch("/guest")
    async with asyncio.timeout(5):
        while not await keeper.fetchval("SELECT count(*) FROM plugin_failure"):
            await asyncio.sleep(0.05)
    page = (await admin.get("/admin/plugins/guest")).text
    assert "RuntimeError: no page today" in page
    assert "trovato plugin replay" in page
    assert "/guest.py" in page


async def test_settings_are_set_replaced_and_taken_away_and_secrets_are_not_shown_again(site, keeper, admin):
    await keeper.install()

    async def save(**values):
        return (await admin.press("/admin/plugins/guest/settings", "plugin_settings", **values)).text

    assert "The settings are saved." in await save(name="colour", value="red")
    page = await save(name="guest_api_key", value="s3cret")
    assert 'value="red"' in page
    assert "s3cret" not in page
    page = await save(**{"value:guest_colour": "blue", "value:guest_api_key": ""})
    assert 'value="blue"' in page
    assert (
        await keeper.fetchval("SELECT value #>> '{}' FROM variable WHERE name = 'guest_api_key'") == "s3cret"
    )
    await save(**{"value:guest_colour": ""})
    assert await keeper.fetchval("SELECT count(*) FROM variable WHERE name = 'guest_colour'") == 0
    refused = await save(**{"value:site_name": "Mine"})
    assert "Settings of &#39;guest&#39; begin with guest_." in refused
    assert await keeper.fetchval("SELECT count(*) FROM variable WHERE name = 'site_name'") == 0
    assert "may have 100,000 characters" in await save(name="text", value="x" * 100_001)
