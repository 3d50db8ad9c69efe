"""A site whose worker can be held."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from kernel.jobs import SAVE_ITEM
from tests.fixtures.site import Site
from kernel.app.open import open_kernel
from web.app import create_asgi
from workers.handlers import HANDLERS
from workers.worker import run_worker


@pytest.fixture
def open_slow_site(site_config):
    """Saves wait for an event, and the web tier does not wait long for them."""

    @asynccontextmanager
    async def open_it():
        config = replace(site_config, save_wait_s=0.05)
        release = asyncio.Event()

        async def held(rt, run):
            await release.wait()
            await HANDLERS[SAVE_ITEM](rt, run)

        async with open_kernel(config, role="worker") as worker, open_kernel(config, role="web") as web:
            stop = asyncio.Event()
            work = asyncio.create_task(run_worker(worker, {**HANDLERS, SAVE_ITEM: held}, stop))
            try:
                yield Site(config, web, worker, create_asgi(web)), release
            finally:
                release.set()
                stop.set()
                await work

    return open_it
