"""What `trovato run` and `trovato migrate` make ready before a site starts."""

import shutil
from dataclasses import replace

import pytest

from kernel.app.plugin_new import make_plugin
from kernel.app.prepare import prepare_site
from kernel.db.pool import Database
from kernel.plugin.store import select_installed
from tests.fixtures.database import ROOT


@pytest.mark.timeout(60)
async def test_a_new_site_has_what_it_begins_with_and_waits_for_nothing_else(
    config, fresh_database_url, built_plugins, tmp_path
):
    folder = tmp_path / "plugins"
    for manifest in built_plugins:
        shutil.copytree(manifest.folder, folder / manifest.name)
    offered = make_plugin(folder, "greetings")
    ready = replace(config, database_url=fresh_database_url, plugins_dir=folder, var=ROOT / "var" / "test")
    told = []
    await prepare_site(ready, told.append)
    assert "Plugins: blog, page" in told
    assert not (offered / "greetings.wasm").exists()
    db = await Database.open(ready.url_for_role("worker"), role="worker", max_size=1)
    async with db.acquire() as conn:
        assert sorted(row.name for row in await select_installed(conn)) == ["blog", "page"]
    await db.close()
    told.clear()
    await prepare_site(ready, told.append)
    assert told == ["Database: up to date", "Plugins: blog, page"]
