"""A site with two plugins that put work off: `errands`, and `rivals`, which is the same under another name."""

import asyncio
import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from kernel.app.open import open_kernel
from kernel.db.pool import Database
from kernel.plugin.model import Budgets
from kernel.plugin.scan import scan_plugins
from kernel.plugin.store import insert_new_plugins
from kernel.sandbox.build import build_plugin
from tests.fixtures.database import ROOT
from tests.fixtures.plugins import VAR
from tests.fixtures.site import open_site
from workers.handlers import HANDLERS
from workers.worker import run_worker

SOURCE = ROOT / "tests" / "wasm" / "errands"
NAMES = ("errands", "rivals")


@pytest.fixture(scope="session")
def plugins_folder(fixture_wasm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    for name in NAMES:
        place = folder / name
        place.mkdir()
        manifest = (SOURCE / "errands.info.toml").read_text().replace('"errands"', f'"{name}"')
        (place / f"{name}.info.toml").write_text(manifest)
        source = (SOURCE / "errands.py").read_text().replace("/errands/", f"/{name}/")
        (place / f"{name}.py").write_text(source)
        wasm = VAR / f"{name}_of_queues.wasm"
        build_plugin(place, name, wasm, cache_dir=VAR / "native")
        shutil.copy(wasm, place / f"{name}.wasm")
    return folder


@pytest.fixture
async def queue_config(config, plugins_folder):
    """Both enabled. Native code is the same for every test, so that it is compiled once."""
    ready = replace(config, plugins_dir=plugins_folder, var=ROOT / "var" / "test", lease_s=30.0)
    db = await Database.open(ready.url_for_role("worker"), role="worker", max_size=1)
    async with db.transaction() as tx:
        await insert_new_plugins(tx.conn, scan_plugins(plugins_folder, Budgets()).manifests)
    await db.close()
    return ready


@pytest.fixture
async def site(queue_config, renderer):
    """The web tier and one worker."""
    async with open_site(queue_config, renderer) as opened:
        yield opened


@pytest.fixture
async def idle_site(queue_config, renderer):
    """The web tier and a worker that takes no work yet: `start()` lets it begin, and another one each time."""
    async with open_kernel(queue_config, role="web", renderer=renderer) as web, AsyncExitStack() as stack:

        async def start(handlers=HANDLERS, **settings):
            config = replace(queue_config, **settings)
            rt = await stack.enter_async_context(open_kernel(config, role="worker", renderer=renderer))
            await stack.enter_async_context(running_worker(rt, handlers))
            return rt

        yield web, start


@asynccontextmanager
async def running_worker(rt, handlers=HANDLERS):
    stop = asyncio.Event()
    running = asyncio.create_task(run_worker(rt, handlers, stop, grace_s=0.2))
    try:
        yield
    finally:
        stop.set()
        await running
