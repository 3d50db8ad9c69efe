"""An administrator with session and token, and a site whose worker can be held."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from kernel.db.pool import Database
from kernel.jobs import SAVE_ITEM
from kernel.shared.connection import Shared
from kernel.shared.session import Sessions
from kernel.user.account import create_api_token, create_user
from tests.fixtures.site import open_site
from workers.handlers import HANDLERS


@pytest.fixture
def open_slow_site(site_config, renderer):
    """Saves wait for an event, and the web tier does not wait long for them."""

    @asynccontextmanager
    async def open_it():
        release = asyncio.Event()

        async def held(rt, run):
            await release.wait()
            await HANDLERS[SAVE_ITEM](rt, run)

        config = replace(site_config, save_wait_s=0.05)
        async with open_site(config, renderer, {**HANDLERS, SAVE_ITEM: held}) as site:
            try:
                yield site, release
            finally:
                release.set()

    return open_it


@pytest.fixture
async def editor(site_config):
    """The cookie of a session and an API token of one administrator."""
    db = await Database.open(site_config.url_for_role("worker"), role="worker", max_size=1)
    user = await create_user(db, name="ada", password=None, is_admin=True)
    token = await create_api_token(db, user_id=user.id, label="test", expires=None)
    await db.close()
    shared = await Shared.open(site_config.redis_url, site_config.redis_prefix)
    session = await Sessions(shared, 600).create(user_id=user.id)
    await shared.close()
    return session.id, token
