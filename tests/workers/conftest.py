"""A worker in the test's own process, with handlers of the test's own."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from kernel.app.open import open_kernel
from workers.worker import run_worker


@pytest.fixture
async def start_worker(config):
    """Starts a worker and answers what to set to stop it: `await start_worker({INDEX_ITEM: handler})`."""
    async with AsyncExitStack() as stack:

        async def start(handlers, config=config):
            rt = await stack.enter_async_context(open_kernel(config, role="worker", with_plugins=False))
            stop = asyncio.Event()
            running = asyncio.create_task(run_worker(rt, handlers, stop, grace_s=0.2))

            async def end():
                stop.set()
                await running

            stack.push_async_callback(end)
            return stop

        yield start
