"""A site with plugins that put work off: `errands`, `rivals`, which is the same, and the example of docs/plugins.md."""

import asyncio
import re
import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from kernel.app.open import open_kernel
from kernel.db.pool import Database
from kernel.plugin.model import Budgets
from kernel.plugin.scan import scan_plugins
from kernel.sandbox.build import build_plugin
from tests.fixtures.database import ROOT
from tests.fixtures.plugins import NATIVE, VAR, enable_plugins
from tests.fixtures.site import open_site
from workers.handlers import HANDLERS
from workers.worker import run_worker

SOURCE = ROOT / "tests" / "wasm" / "errands"


def read_example(language, having):
    """The block of docs/plugins.md in that language that has this text in it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "plugins.md").read_text(), re.DOTALL)
    (block,) = (block for block in blocks if having in block)
    return block


def list_sources():
    """Name, manifest and code of each plugin."""
    manifest, code = (SOURCE / "errands.info.toml").read_text(), (SOURCE / "errands.py").read_text()
    for name in ("errands", "rivals"):
        yield name, manifest.replace('"errands"', f'"{name}"'), code.replace("/errands/", f"/{name}/")
    yield (
        "reminders",
        read_example("toml", 'name = "reminders"'),
        read_example("python", "Reminds of new items"),
    )


@pytest.fixture(scope="session")
def plugins_folder(fixture_wasm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    for name, manifest, code in list_sources():
        place = folder / name
        place.mkdir()
        (place / f"{name}.info.toml").write_text(manifest)
        (place / f"{name}.py").write_text(code)
        wasm = VAR / f"{name}_of_queues.wasm"
        build_plugin(place, name, wasm, cache_dir=NATIVE)
        shutil.copy(wasm, place / f"{name}.wasm")
    return folder


@pytest.fixture
async def queue_config(config, plugins_folder):
    """All of them enabled. Native code is the same for every test, so that it is compiled once."""
    ready = replace(config, plugins_dir=plugins_folder, var=ROOT / "var" / "test", lease_s=30.0)
    db = await Database.open(ready.url_for_role("worker"), role="worker", max_size=1)
    async with db.transaction() as tx:
        await enable_plugins(tx.conn, scan_plugins(plugins_folder, Budgets()).manifests)
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
