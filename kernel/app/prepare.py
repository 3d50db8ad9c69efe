"""Brings a database and the plugins to what this release expects: run before the processes of a site start."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from kernel.app.open import open_kernel
from kernel.config import Config
from kernel.context import Actor, Context
from kernel.cron.key import make_key
from kernel.cron.store import mark_prepared
from kernel.db.migrate import migrate
from kernel.errors import NotFound
from kernel.item_type.register import register_item_types
from kernel.lifecycle.shipped import install_shipped, list_wanted
from kernel.lifecycle.source import read_source
from kernel.names import PAGES_TAG
from kernel.plugin.model import Manifest, get_ceilings
from kernel.plugin.order import order_plugins
from kernel.plugin.scan import Scan, scan_plugins
from kernel.runtime import Runtime
from kernel.sandbox.build import build_plugin
from kernel.user.account import ensure_administrator
from kernel.user.login_link import create_login_link
from kernel.user.model import User
from kernel.user.name import normalise_name
from kernel.user.store import find_user_by_name
from kernel.user.taken_name import fill_skeletons

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """`login_path` logs the administrator in once."""

    login_path: str


async def prepare_site(config: Config, report: Report) -> Prepared:
    """Migrate, build and enable the plugins that the site has or begins with, register their types, make sure of an
    administrator. Safe to run again and by several at once."""
    applied = await migrate(config)
    report(f"Database: {f'{len(applied)} migrations applied' if applied else 'up to date'}")
    async with open_kernel(config, role="worker") as rt:
        async with rt.db.transaction() as tx:
            await mark_prepared(tx.conn, make_key())
        await fill_skeletons(rt.db)
        scan = await asyncio.to_thread(build_wanted, config, report, await list_wanted(rt))
        ctx = await build_administrator_context(rt)
        await rt.cache.drop([PAGES_TAG])
        order = order_plugins(scan.manifests, broken=[failure.plugin for failure in scan.failures])
        for problem in order.problems.values():
            report(f"  {problem}")
        sources = [
            await asyncio.to_thread(read_source, config.plugins_dir, manifest.name, get_ceilings(config))
            for manifest in order.manifests
        ]
        await install_shipped(rt, ctx, sources, report)
        types = await register_item_types(rt, ctx, rt.plugins)
        report(f"Plugins: {', '.join(rt.plugins.names) or 'none'}")
        if types:
            report(f"Item types new or widened: {', '.join(types)}")
        for failure in (*scan.failures, *rt.plugins.failures):
            report(f"  {failure.plugin} is left out: {' '.join(failure.problems)}")
        return Prepared(await create_login_path(rt, (await ensure_administrator(rt.db)).id))


def build_wanted(config: Config, report: Report, wanted: Collection[str]) -> Scan:
    """Those of the folder that are wanted, and what is wrong with any; nobody waits for what is merely on offer."""
    scan = scan_plugins(config.plugins_dir, get_ceilings(config))
    manifests = tuple(manifest for manifest in scan.manifests if manifest.name in wanted)
    _build(config, report, manifests)
    return replace(scan, manifests=manifests)


def build_plugins(config: Config, report: Report, only: Collection[str] = ()) -> None:
    """All of them, or those named. Raises NotFound."""
    scan = scan_plugins(config.plugins_dir, get_ceilings(config))
    unknown = set(only) - {manifest.name for manifest in scan.manifests}
    if unknown:
        known = ", ".join(manifest.name for manifest in scan.manifests)
        raise NotFound(
            f"There is no plugin {', '.join(sorted(unknown))} in {config.plugins_dir}. There are: {known}."
        )
    _build(config, report, [m for m in scan.manifests if not only or m.name in only])


def _build(config: Config, report: Report, manifests: Iterable[Manifest]) -> None:
    """Only what changed is built: an unchanged plugin costs a few milliseconds."""
    for manifest in manifests:
        result = build_plugin(manifest.folder, manifest.name, manifest.wasm, cache_dir=config.var / "native")
        if result.was_built:
            report(f"Plugin {manifest.name}: built in {result.seconds:.1f} s")


async def create_login_path(rt: Runtime, user_id: UUID) -> str:
    """A path that logs somebody in once, until it expires."""
    return f"/user/login-link/{await create_login_link(rt, user_id, rt.config.login_link_ttl_s)}"


async def build_administrator_context(rt: Runtime) -> Context:
    """For what a site does by itself in the administrator's name, such as adding demo content."""
    user = await ensure_administrator(rt.db)
    return Context(actor=Actor(id=user.id, name=user.name, is_admin=True))


async def get_user_by_name(rt: Runtime, name: str) -> User:
    """Raises NotFound."""
    async with rt.db.acquire() as conn:
        user = await find_user_by_name(conn, normalise_name(name))
    if user is None:
        raise NotFound(f"There is no account named {name[:60]!r}.")
    return user
