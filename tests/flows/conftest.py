"""A site whose worker can be held."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from kernel.jobs import SAVE_ITEM
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
