"""Makes a change of the plugins of the site, as a job: checks it, tells the plugin, and lets every process follow."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final, TypeAlias
from uuid import UUID

from kernel.errors import Unavailable
from kernel.item_type.load import ITEM_TYPES_TAG
from kernel.item_type.model import ItemType
from kernel.item_type.register import list_declared_types, write_item_types
from kernel.item_type.store import release_item_types
from kernel.jobs import CHANGE_PLUGIN, ChangePlugin, PluginOperation
from kernel.ledger.run import Finish, JobRun
from kernel.lifecycle.asked import Asked
from kernel.lifecycle.forget import cancel_forgets, forget_before_install, run_forget
from kernel.lifecycle.offer import run_discard, run_offer
from kernel.lifecycle.plan import Plan, RefusedError, find_broken, make_plan
from kernel.lifecycle.retry import run_retry
from kernel.lifecycle.tables import run_settle, take_back_tables, widen_tables
from kernel.log import get_logger
from kernel.names import PAGES_TAG, PLUGINS_TAG
from kernel.plugin.live import PLUGIN_COMING
from kernel.plugin.model import Installed, PluginSet
from kernel.plugin.store import (
    advance_generation,
    delete_offer,
    delete_plugin,
    delete_stops,
    delete_variables,
    select_installed,
    update_plugin_status,
    upsert_plugin,
)
from kernel.plugin_data.difference import Difference
from kernel.plugin_data.tags import name_variable_tag
from kernel.runtime import Runtime
from kernel.tap.catalogue import DISABLE, ENABLE, INSTALL, UNINSTALL, UPGRADE, Tap
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope
from kernel.user.load import load_again

log = get_logger(__name__)

ADMINISTER_PLUGINS: Final = "administer plugins"
# How long the site waits for processes that compile the plugin on other machines.
READY_WAIT_S: Final = 30.0
_ASK_EVERY_S: Final = 0.1

Work: TypeAlias = Callable[[Asked], Awaitable[None]]


async def run_change_plugin(rt: Runtime, run: JobRun) -> None:
    """The work of a `change_plugin` job. What a person has to mend is its result, and then nothing was changed."""
    actor = await load_again(rt, run.ctx.actor)
    if not actor.may(ADMINISTER_PLUGINS):
        await _finish_refused(run, "forbidden", "You may not change the plugins of this site.")
        return
    follower = rt.live_plugins.follower
    if follower is None:
        raise Unavailable("This process runs without plugins, so it cannot change them.")
    await follower.refresh()
    async with rt.db.acquire() as conn:
        installed = await select_installed(conn)
    asked = Asked(rt, run, run.ctx.acting_as(actor), follower, installed)
    try:
        await _WORK[asked.change.operation](asked)
    except RefusedError as refusal:
        await _finish_refused(run, "invalid", *refusal.problems)
    finally:
        # What was loaded to try it, and is not in use now.
        await follower.keep_current()


async def _finish_refused(run: JobRun, outcome: str, *problems: str) -> None:
    # What the plugin wrote when it was told goes too.
    await run.writes.abandon()
    async with run.finish() as finish:
        finish.result = {
            "outcome": outcome,
            "problems": {str(number): sentence for number, sentence in enumerate(problems)},
            "message": " ".join(problems),
            "title": run.payload.plugin,
        }


async def _run_planned(asked: Asked) -> None:
    await _PlannedChange(asked).make()


_WORK: Final[Mapping[PluginOperation, Work]] = {
    "offer": run_offer,
    "discard": run_discard,
    "install": _run_planned,
    "settle": run_settle,
    "enable": _run_planned,
    "disable": _run_planned,
    "uninstall": _run_planned,
    "forget": run_forget,
    "retry": run_retry,
}


class _PlannedChange:
    """One that makes the set of plugins another: install, enable, disable, uninstall."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.rt = asked.rt
        self.run = asked.run
        self.wanted = asked.change
        self.notes: list[str] = []
        self.tables = Difference()
        self.types: tuple[ItemType, ...] = ()
        self.forgets: Sequence[UUID] = ()

    async def make(self) -> None:
        """Raises RefusedError, and then nothing was changed."""
        name = self.wanted.plugin
        version = self.asked.read_manifest(self.wanted.manifest).version if self.wanted.manifest else ""
        plan = make_plan(self.wanted, self.asked.installed, version)
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
        try:
            await steps[self.wanted.operation](plan)
        except RefusedError:
            # First what was written into them, which holds them.
            await self.run.writes.abandon()
            await take_back_tables(self.rt.config, name, self.tables)
            raise
        if plan.row.is_enabled and not plan.is_gone:
            await self._wait_until_ready(plan.row.sha256)
        await self._finish(plan, after)

    async def _install(self, plan: Plan) -> None:
        """Also to enable what is installed: it is tried as it will run, and told."""
        name, before = self.wanted.plugin, plan.before
        trial = await self._load(plan.trial)
        if name not in trial.names:
            raise RefusedError(*_list_problems(trial, name))
        if before is None:
            self.forgets = await forget_before_install(self.asked)
        manifest = next(m for m in trial.manifests if m.name == name)
        self.tables = await widen_tables(self.rt.config, self.rt.db, manifest)
        self.notes += self.tables.kept
        if before is None:
            await self._tell(trial, INSTALL)
        elif before.version != plan.row.version:
            await self._tell(trial, UPGRADE, from_version=before.version)
        if plan.comes_into_use:
            await self._tell(trial, ENABLE)
        if plan.row.is_enabled:
            self.types = await list_declared_types(self.asked.ctx, trial)
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

    async def _load(self, rows: Sequence[Installed]) -> PluginSet:
        return await self.asked.follower.loader.load(rows, self.rt.plugins.generation)

    async def _tell(self, plugins: PluginSet, tap: Tap, *, may_fail: bool = False, **values: Any) -> None:
        """Raises RefusedError for a plugin that fails, unless it may: then it is a note."""
        async with TapScope(
            plugins, self.asked.ctx, job_id=self.run.job.id, effects=self.run.writes
        ) as scope:
            dispatched = await dispatch(scope, tap, extra=values, plugin=self.wanted.plugin)
        for failure in dispatched.failures:
            if not may_fail:
                raise RefusedError(failure.message) from failure
            self.notes.append(failure.message)

    async def _wait_until_ready(self, sha256: str) -> None:
        """Until every process that is alive has it compiled. One that takes too long uses it a little later."""
        presence = self.asked.follower.presence
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
        await self.asked.spread_news()

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
            await cancel_forgets(finish, row.name, self.forgets)
        else:
            await update_plugin_status(conn, row.name, is_enabled=row.is_enabled)
        await write_item_types(finish, self.types)
        if self.tables.later:
            finish.follow_up(CHANGE_PLUGIN, ChangePlugin("settle", row.name))
        await advance_generation(conn)
        finish.drop_tags(PLUGINS_TAG, PAGES_TAG, ITEM_TYPES_TAG)


def _list_problems(plugins: PluginSet, name: str) -> tuple[str, ...]:
    found = next((failure for failure in plugins.failures if failure.plugin == name), None)
    return found.problems if found is not None else ()
