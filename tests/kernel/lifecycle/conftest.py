"""A site whose folder of plugins is the test's own: `guest`, and what a test makes of it."""

import shutil
from dataclasses import replace

import pytest

from kernel.context import Actor, Context
from tests.fixtures.database import ROOT
from tests.fixtures.keeper import Keeper
from tests.fixtures.site import open_site

SOURCE = ROOT / "tests" / "wasm" / "guest"


@pytest.fixture
def folder(tmp_path, fixture_wasm):
    """With `guest` in it."""
    place = tmp_path / "plugins" / "guest"
    place.mkdir(parents=True)
    shutil.copy(SOURCE / "guest.info.toml", place)
    shutil.copy(fixture_wasm("guest"), place)
    return place.parent


@pytest.fixture
async def site(config, fresh_database_url, folder, renderer):
    """Without any plugin yet."""
    ready = replace(
        config,
        database_url=fresh_database_url,
        plugins_dir=folder,
        var=ROOT / "var" / "test",
        lease_s=30.0,
        save_wait_s=20.0,
    )
    async with open_site(ready, renderer) as opened:
        yield opened


@pytest.fixture
async def keeper(site):
    user = await site.make_user("ada", is_admin=True)
    return Keeper(site, Context(actor=Actor(user.id, "ada", is_admin=True)))
