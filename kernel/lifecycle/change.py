"""Makes a change of the plugins of the site, as a job: checks it, tells the plugin, and lets every process follow."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from kernel.context import Context
from kernel.errors import ConfigError, PluginError, Unavailable
from kernel.item_type.load import ITEM_TYPES_TAG
from kernel.item_type.register import register_item_types
from kernel.item_type.store import release_item_types
from kernel.jobs import CHANGE_PLUGIN, ChangePlugin
from kernel.ledger.run import Finish, JobRun
from kernel.lifecycle.owner import open_owner
from kernel.lifecycle.plan import Plan, RefusedError, find_broken, make_plan
from kernel.log import get_logger
from kernel.names import PAGES_TAG, PLUGINS_TAG
from kernel.plugin.live import PLUGIN_COMING, PLUGINS_CHANGED, PluginFollower
from kernel.plugin.model import Installed, Manifest, PluginSet
from kernel.plugin.store import (
    advance_generation,
    delete_offer,
    delete_plugin,
    delete_stops,
    delete_variables,
    select_installed,
    touch_plugin,
    update_plugin_status,
    upsert_offer,
    upsert_plugin,
)
from kernel.plugin_data.difference import compare_tables
from kernel.plugin_data.store import apply_tables, drop_tables, read_tables
from kernel.plugin_data.tags import name_variable_tag
from kernel.runtime import Runtime
from kernel.tap.catalogue import DISABLE, ENABLE, INSTALL, UNINSTALL, UPGRADE, Tap
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope
from kernel.user.load import load_actor

log = get_logger(__name__)

ADMINISTER_PLUGINS: Final = "administer plugins"
# How long the site waits for processes that compile the plugin on other machines.
READY_WAIT_S: Final = 30.0
_ASK_EVERY_S: Final = 0.1


async def run_change_plugin(rt: Runtime, run: JobRun) -> None:
    """The work of a `change_plugin` job. What a person has to mend is its result, and then nothing was changed."""
    actor = await load_actor(rt, run.ctx.actor.id)
    if not actor.may(ADMINISTER_PLUGINS):
        await _finish_refused(run, "forbidden", "You may not change the plugins of this site.")
        return
    follower = rt.live_plugins.follower
    if follower is None:
        raise Unavailable("This process runs without plugins, so it cannot change them.")
    await follower.refresh()
    change = _Change(rt, run, run.ctx.acting_as(actor), follower)
    try:
        await change.make()
    except RefusedError as refusal:
        # What the plugin wrote when it was told goes with it.
        await run.writes.abandon()
        await _finish_refused(run, "invalid", *refusal.problems)
    finally:
        # What was loaded to try it, and is not in use now.
        await follower.keep_current()


async def _finish_refused(run: JobRun, outcome: str, *problems: str) -> None:
    async with run.finish() as finish:
        finish.result = {
            "outcome": outcome,
            "problems": {str(number): sentence for number, sentence in enumerate(problems)},
            "message": " ".join(problems),
            "title": run.payload.plugin,
        }


class _Change:
    """One change while it is made."""

    def __init__(self, rt: Runtime, run: JobRun, ctx: Context, follower: PluginFollower) -> None:
        self.rt = rt
        self.run = run
        self.ctx = ctx
        self.follower = follower
        self.wanted: ChangePlugin = run.payload
        self.notes: list[str] = []

    async def make(self) -> None:
        """Raises RefusedError before anything that stays was changed, but for tables that the plugin declared."""
        name = self.wanted.plugin
        async with self.rt.db.acquire() as conn:
            installed = await select_installed(conn)
        manifest = self._read_manifest() if self.wanted.manifest else None
        if manifest is not None and self.wanted.operation == "offer":
            await self._offer(manifest)
            return
        if self.wanted.operation == "forget":
            await self._forget(installed)
            return
        if self.wanted.operation == "retry":
            await self._retry(installed)
            return
        plan = make_plan(self.wanted, installed, manifest.version if manifest else "")
        if plan.changes_nothing:
            await self._finish(plan, self.rt.plugins)
            return
        steps: dict[str, Callable[[Plan], Awaitable[None]]] = {
            "install": self._install,
            "enable": self._install,
            "disable": self._disable,
            "uninstall": self._uninstall,
        }
        after = await self._load(plan.rows)
        if broken := find_broken(self.rt.plugins, after, name):
            raise RefusedError(
                f"The plugin '{name}' is needed by {', '.join(broken)}. Change or disable what needs it first."
            )
        await steps[self.wanted.operation](plan)
        if plan.row.is_enabled and not plan.is_gone:
            await self._wait_until_ready(plan.row.sha256)
        await self._finish(plan, after)

    def _read_manifest(self) -> Manifest:
        try:
            return self.follower.loader.read_manifest(self.wanted.manifest, self.wanted.plugin)
        except ConfigError as error:
            raise RefusedError(*error.problems) from None

    async def _offer(self, manifest: Manifest) -> None:
        """Compile what was uploaded, and see that it is what its manifest says. Nothing of it is asked for anything."""
        try:
            await self.follower.loader.check(manifest, self.wanted.sha256)
        except PluginError as failure:
            raise RefusedError(failure.message) from failure
        name, version = manifest.name, manifest.version
        async with self.run.finish() as finish:
            await upsert_offer(
                finish.conn,
                name=name,
                version=version,
                sha256=self.wanted.sha256,
                manifest=self.wanted.manifest,
            )
            finish.result = {"outcome": "done", "path": f"/admin/plugins/{name}", "title": name}

    async def _install(self, plan: Plan) -> None:
        """Also to enable what is installed: it is tried as it will run, and told."""
        name, before = self.wanted.plugin, plan.before
        trial = await self._load(plan.trial)
        if name not in trial.names:
            raise RefusedError(*_list_problems(trial, name))
        await self._change_tables(next(m for m in trial.manifests if m.name == name))
        if before is None:
            await self._tell(trial, INSTALL)
        elif before.version != plan.row.version:
            await self._tell(trial, UPGRADE, from_version=before.version)
        if plan.comes_into_use:
            await self._tell(trial, ENABLE)
        if plan.row.is_enabled:
            await register_item_types(self.rt, self.ctx, trial)
        self.notes += _list_problems(trial, name)

    async def _disable(self, _plan: Plan) -> None:
        await self._tell(self.rt.plugins, DISABLE, may_fail=True)

    async def _uninstall(self, plan: Plan) -> None:
        """Also of one that cannot be loaded any more, which is then told nothing."""
        trial = await self._load(plan.trial)
        self.notes += _list_problems(trial, self.wanted.plugin)
        if plan.before is not None and plan.before.is_enabled:
            await self._tell(trial, DISABLE, may_fail=True)
        await self._tell(trial, UNINSTALL, may_fail=True, keeps_data=not self.wanted.deletes_data)

    async def _change_tables(self, manifest: Manifest) -> None:
        """The owner is asked for only where there is something to change."""
        async with self.rt.db.acquire() as conn:
            difference = compare_tables(await read_tables(conn, manifest.name), manifest.may.tables)
        self.notes += difference.kept
        if not difference.changes and not difference.refused:
            return
        try:
            async with open_owner(self.rt.config) as conn:
                await apply_tables(conn, manifest.name, manifest.may.tables)
        except ConfigError as error:
            raise RefusedError(*error.problems) from None

    async def _forget(self, installed: Sequence[Installed]) -> None:
        """Not when somebody has installed it again meanwhile: then the rows are its again."""
        name = self.wanted.plugin
        if all(row.name != name for row in installed):
            async with open_owner(self.rt.config) as conn:
                await drop_tables(conn, name)
        async with self.run.finish() as finish:
            finish.result = {"outcome": "done", "path": "/admin/plugins", "title": name}

    async def _retry(self, installed: Sequence[Installed]) -> None:
        if all(row.name != self.wanted.plugin for row in installed):
            raise RefusedError(f"The plugin '{self.wanted.plugin}' is not installed.")
        async with self.run.finish() as finish:
            await delete_stops(finish.conn, self.wanted.plugin)
            await touch_plugin(finish.conn, self.wanted.plugin)
            await advance_generation(finish.conn)
            finish.drop_tags(PLUGINS_TAG, PAGES_TAG)
            finish.result = {
                "outcome": "done",
                "path": f"/admin/plugins/{self.wanted.plugin}",
                "title": self.wanted.plugin,
                "notes": [],
            }
        await self._spread_news()

    async def _load(self, rows: Sequence[Installed]) -> PluginSet:
        return await self.follower.loader.load(rows, self.rt.plugins.generation)

    async def _tell(self, plugins: PluginSet, tap: Tap, *, may_fail: bool = False, **values: Any) -> None:
        """Raises RefusedError for a plugin that fails, unless it may: then it is a note."""
        async with TapScope(plugins, self.ctx, job_id=self.run.job.id, effects=self.run.writes) as scope:
            dispatched = await dispatch(scope, tap, extra=values, plugin=self.wanted.plugin)
        for failure in dispatched.failures:
            if not may_fail:
                raise RefusedError(failure.message) from failure
            self.notes.append(failure.message)

    async def _wait_until_ready(self, sha256: str) -> None:
        """Until every process that is alive has it compiled. One that takes too long uses it a little later."""
        presence = self.follower.presence
        coming = {"plugin": self.wanted.plugin, "sha256": sha256}
        await self.rt.bus.publish(PLUGIN_COMING, coming)
        until = monotonic() + READY_WAIT_S
        with suppress(Unavailable):
            while await presence.count_missing(sha256):
                if monotonic() > until:
                    log.warning("not every process is ready for a plugin", plugin=self.wanted.plugin)
                    return
                await asyncio.sleep(_ASK_EVERY_S)

    async def _finish(self, plan: Plan, after: PluginSet) -> None:
        async with self.run.finish() as finish:
            if not plan.changes_nothing:
                await self._write(finish, plan)
            finish.result = {
                "outcome": "done",
                "path": "/admin/plugins" if plan.is_gone else f"/admin/plugins/{plan.row.name}",
                "title": self.wanted.plugin,
                "notes": self.notes,
                "enabled": self.wanted.plugin in after.names,
            }
        await self._spread_news()

    async def _spread_news(self) -> None:
        """Processes that do not hear of it look for themselves within a second."""
        await self.follower.refresh()
        await self.rt.bus.publish(PLUGINS_CHANGED, {"generation": self.rt.plugins.generation})

    async def _write(self, finish: Finish, plan: Plan) -> None:
        conn, row = finish.conn, plan.row
        # Another version, or the same after a person looked at it, is given another chance.
        await delete_stops(conn, row.name)
        if plan.is_gone:
            await delete_plugin(conn, self.wanted.plugin)
            await release_item_types(conn, self.wanted.plugin)
            if self.wanted.deletes_data:
                gone = await delete_variables(conn, self.wanted.plugin)
                finish.drop_tags(*map(name_variable_tag, gone))
                # In a job of its own: what the plugin wrote just now still holds its tables.
                finish.follow_up(CHANGE_PLUGIN, ChangePlugin("forget", self.wanted.plugin))
        elif self.wanted.operation == "install":
            await upsert_plugin(
                conn,
                name=row.name,
                version=row.version,
                is_enabled=row.is_enabled,
                sha256=row.sha256,
                manifest=row.manifest,
            )
            await delete_offer(conn, row.name)
        else:
            await update_plugin_status(conn, row.name, is_enabled=row.is_enabled)
        await advance_generation(conn)
        finish.drop_tags(PLUGINS_TAG, PAGES_TAG, ITEM_TYPES_TAG)


def _list_problems(plugins: PluginSet, name: str) -> tuple[str, ...]:
    found = next((failure for failure in plugins.failures if failure.plugin == name), None)
    return found.problems if found is not None else ()
