"""The shipped plugins twice: their source in this Python, and their artefacts in the sandbox."""

import importlib.util
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from kernel.context import Actor, Context
from kernel.ids import uuid7
from kernel.jobs import DELETE_ITEM, SAVE_ITEM, DeleteItem, SaveItem
from kernel.ledger.wait import submit_and_wait, wait_for_job
from kernel.plugin.load import get_limits, load_plugins
from kernel.tap.scope import TapScope
from tests.fixtures.database import ROOT
from tests.fixtures.keeper import Keeper
from tests.fixtures.site import open_site

WAIT_S = 30.0


@pytest.fixture
def import_plugin():
    def import_source(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / "plugins" / name / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return import_source


@pytest.fixture
async def shipped(workshop, built_plugins):
    """The set of plugins that a fresh site runs with."""

    async def open_component(manifest):
        return await workshop.sandbox.load(manifest.name, manifest.wasm, get_limits(manifest.budgets))

    plugins = await load_plugins(open_component, built_plugins)
    assert plugins.failures == ()
    return plugins


@pytest.fixture
async def scope(shipped):
    async with TapScope(shipped, Context()) as opened:
        yield opened


class Owner(Keeper):
    """Who has the site, and writes pages on it; a save or deletion is over when the plugin has heard of it."""

    async def save(self, title, *, of=None, status=1, **fields):
        """The result of the job that made a page, or changed the one that `of` is the last result of."""
        payload = SaveItem(
            of["id"] if of else uuid7(),
            "page",
            title,
            {name: {"value": value} for name, value in fields.items()},
            status=status,
            expected_revision_id=of["revision_id"] if of else None,
        )
        result = await self._finish_with_taps(SAVE_ITEM, payload)
        assert result["outcome"] == "saved"
        return {"id": payload.item_id, "path": result["path"], "revision_id": result["revision_id"]}

    async def delete(self, saved):
        await self._finish_with_taps(DELETE_ITEM, DeleteItem(saved["id"], saved["revision_id"]))

    async def _finish_with_taps(self, kind, payload):
        ledger = self.site.web.ledger
        job = await submit_and_wait(ledger, self.ctx, kind, payload, timeout_s=WAIT_S)
        taps = await self.fetchval(
            "SELECT id FROM job WHERE parent_id = $1 AND kind = 'run_item_taps'", job.id
        )
        # There is none where no plugin wants to hear of it.
        assert taps is None or (await wait_for_job(ledger, taps, WAIT_S)).error is None
        return job.result

    async def set_variable(self, name, value):
        """Before anybody reads it: who changes it otherwise also tells the cache."""
        await self.fetchval("INSERT INTO variable VALUES ($1, to_jsonb($2::text))", name, value)


@asynccontextmanager
async def open_with_plugin(config, build, folder, renderer, name, *, host="events.example.com", **settings):
    (built,) = build(name)
    place = folder / name
    place.mkdir(parents=True)
    text = (built.folder / f"{name}.info.toml").read_text()
    place.joinpath(f"{name}.info.toml").write_text(text.replace("events.example.com", host))
    place.joinpath(f"{name}.wasm").symlink_to(built.wasm)
    async with open_site(replace(config, plugins_dir=folder, **settings), renderer) as site:
        user = await site.make_user("ada", is_admin=True)
        owner = Owner(site, Context(actor=Actor(user.id, "ada", is_admin=True)))
        installed = await owner.install(name)
        assert (installed["outcome"], installed["notes"]) == ("done", [])
        for rt in (site.web, site.worker):
            await rt.live_plugins.follower.refresh()
        yield owner


@pytest.fixture
def open_with(config, fresh_database_url, build_shipped, tmp_path, renderer):
    """`async with open_with("webhooks") as owner`: a site with that one plugin, installed as its owner would. `host`
    stands in its manifest in place of the example, `settings` are of the site."""
    ready = replace(
        config, database_url=fresh_database_url, var=ROOT / "var" / "test", lease_s=30.0, save_wait_s=WAIT_S
    )
    return partial(open_with_plugin, ready, build_shipped, tmp_path / "plugins", renderer)
