"""Loads plugins and asks each what it declares; one that has a problem is left out, and the site goes on."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from kernel.context import Context
from kernel.errors import PluginError
from kernel.log import get_logger
from kernel.plugin.model import Budgets, LoadFailure, Manifest, PluginSet, Stop
from kernel.plugin.order import order_plugins
from kernel.sandbox.instance import Limits
from kernel.sandbox.sandbox import Component
from kernel.tap.answers import Permission
from kernel.tap.catalogue import (
    ITEM_INFO,
    MENU,
    PAGE,
    PERM,
    QUEUE_INFO,
    QUEUE_WORKER,
    REQUEST_TIMEOUT_S,
    Tap,
    get_tap,
)
from kernel.tap.dispatch import Dispatched, dispatch
from kernel.tap.menu import build_menu
from kernel.tap.registry import TapPlugin, TapRegistry
from kernel.tap.scope import TapScope
from kernel.tap.watch import Watch

log = get_logger(__name__)

_NO_WORKER: Final = (
    f"Plugin '{{}}' declares queues, but does not implement {QUEUE_WORKER.name}. Write"
    f" {QUEUE_WORKER.signature} and list it in the manifest, or leave out {QUEUE_INFO.name}."
)


# Of a plugin that is asked for the first time: a machine that is busy now is less so another time.
_MAY_PASS: Final = frozenset({"cpu-budget", "memory", "timeout"})

OpenComponent: TypeAlias = Callable[[Manifest], Awaitable[Component]]


async def load_plugins(
    open_component: OpenComponent,
    manifests: Iterable[Manifest],
    *,
    failures: Sequence[LoadFailure] = (),
    generation: int = 1,
    stops: Sequence[Stop] = (),
    watch: Watch | None = None,
    installed: Collection[str] = (),
) -> PluginSet:
    """`manifests` are those of enabled plugins; `failures` of reading others are passed on, and so are the names of all
    that are `installed`. `open_component` may
    raise PluginError. Taps in `stops` are not called. What goes wrong with a plugin stands in the set's own
    `failures` and in the log."""
    failed = {failure.plugin: failure.problems for failure in failures}
    passing: set[str] = set()
    loaded: list[tuple[Manifest, Component]] = []
    manifests = list(manifests)
    # Together: most of a load is reading and hashing, which threads do.
    opened = await asyncio.gather(
        *(_open(open_component, manifest) for manifest in manifests), return_exceptions=True
    )
    for manifest, component in zip(manifests, opened, strict=True):
        if isinstance(component, PluginError):
            failed[manifest.name] = (component.message,)
            if component.may_pass or component.reason in _MAY_PASS:
                passing.add(manifest.name)
        elif isinstance(component, BaseException):
            raise component
        else:
            loaded.append((manifest, component))
    components = {manifest.name: component for manifest, component in loaded}
    # Ordered after loading, so that a plugin is also left out when one that it needs did not load.
    order = order_plugins([manifest for manifest, _ in loaded], broken=failed)
    for name, problem in order.problems.items():
        failed[name] = (problem,)
    registry = _build_registry(order.manifests, components, stops, watch or Watch())
    loaded_names = {manifest.name for manifest in order.manifests}
    absent = {manifest.name: manifest.taps for manifest in manifests if manifest.name not in loaded_names}
    registry = replace(registry, absent=absent, installed=frozenset(installed))
    plugins = PluginSet(order.manifests, registry, generation=generation, stops=tuple(stops))
    plugins, problems, busy = await _collect_declarations(plugins)
    passing |= busy
    for name, problem in problems:
        failed[name] = (*failed.get(name, ()), problem)
    found = tuple(LoadFailure(name, sentences, name in passing) for name, sentences in sorted(failed.items()))
    for failure in found:
        log.error("a plugin has a problem", plugin=failure.plugin, problems=list(failure.problems))
    return replace(plugins, failures=found)


async def _open(open_component: OpenComponent, manifest: Manifest) -> Component:
    """Raises PluginError."""
    try:
        component = await open_component(manifest)
    except OSError as error:
        raise PluginError(
            manifest.name, "stale-artefact", f"cannot be loaded now: {error}", may_pass=True
        ) from error
    except PluginError as error:
        if error.reason != "link-error":
            raise
        told = (
            f"{error.message.rstrip('.')}. Its taps cannot be called: {', '.join(manifest.taps) or 'none'}."
        )
        raise PluginError(
            manifest.name, "link-error", told, detail=error.detail, is_whole=True, may_pass=error.may_pass
        ) from error
    check_component(manifest, component)
    return component


def check_component(manifest: Manifest, component: Component) -> None:
    """Raises PluginError when it is not what the manifest says."""
    problem = check_description(manifest, component.description)
    if problem:
        raise PluginError(manifest.name, "stale-artefact", problem, is_whole=True)


def check_description(manifest: Manifest, description: Mapping[str, Any]) -> str:
    """A sentence when the artefact is not what the manifest says, else an empty text. Both are untrusted."""
    said, exported = description.get("name"), description.get("taps")
    if said != manifest.name:
        return f"Plugin '{manifest.name}': its artefact says that it is {said!r}. {_how_to_build(manifest)}"
    if not isinstance(exported, list) or not all(isinstance(tap, str) for tap in exported):
        return f"Plugin '{manifest.name}': its artefact names no taps. {_how_to_build(manifest)}"
    missing = [tap for tap in manifest.taps if tap not in exported]
    if missing:
        expected = ", ".join(get_tap(tap).signature for tap in missing)
        declared = " and ".join(f"'{tap}'" for tap in missing)
        return (
            f"Plugin '{manifest.name}' declares {declared} but doesn't export it."
            f" Check function signature matches WIT: expected {expected};"
            f" it exports {', '.join(sorted(exported)) or 'nothing'}."
        )
    return _check_functions(manifest, description.get("functions", []))


def _check_functions(manifest: Manifest, made: object) -> str:
    """An artefact in another language may leave the list out when it offers none."""
    if not isinstance(made, list) or not all(isinstance(name, str) for name in made):
        return f"Plugin '{manifest.name}': its artefact names no functions. {_how_to_build(manifest)}"
    missing = sorted(manifest.functions - set(made))
    if missing:
        offered = " and ".join(f"'{name}'" for name in missing)
        return (
            f"Plugin '{manifest.name}' offers {offered} in [functions], but has no such function for others."
            f" Write `@offer` above it; with `@offer` are {', '.join(sorted(made)) or 'none'}."
        )
    return ""


def get_limits(budgets: Budgets) -> Limits:
    return Limits(
        memory_mb=budgets.memory_mb,
        cpu_ms=budgets.cpu_ms,
        timeout_s=REQUEST_TIMEOUT_S,
        host_calls=budgets.host_calls,
    )


def _how_to_build(manifest: Manifest) -> str:
    return f"Build it: trovato plugin build {manifest.name}"


def _build_registry(
    manifests: Iterable[Manifest], components: Mapping[str, Component], stops: Iterable[Stop], watch: Watch
) -> TapRegistry:
    stopped: dict[str, set[str]] = {}
    for stop in stops:
        stopped.setdefault(stop.plugin, set()).add(stop.tap)
    return TapRegistry(
        tuple(
            TapPlugin(
                m.name,
                components[m.name],
                m.taps,
                m.may,
                m.functions,
                frozenset(stopped.get(m.name, ())),
                watch,
            )
            for m in manifests
        )
    )


async def _collect_declarations(plugins: PluginSet) -> tuple[PluginSet, list[tuple[str, str]], set[str]]:
    """Asks for item types, permissions, menu entries and queues. A plugin that cannot say is used without them. With
    the problems, each with its plugin, and the plugins that may have an answer another time."""
    async with TapScope(plugins, Context()) as scope:
        types = await dispatch(scope, ITEM_INFO)
        permissions = await dispatch(scope, PERM)
        entries = await dispatch(scope, MENU)
        queues = await dispatch(scope, QUEUE_INFO)
    owners: dict[str, str] = {}
    for plugin, declared in types.answers:
        for item_type in declared:
            owners.setdefault(item_type["type"], plugin)
    page_makers = _list_makers(plugins, PAGE)
    menu = build_menu(entries.answers, page_makers)
    workers = _list_makers(plugins, QUEUE_WORKER)
    idle = [plugin for plugin, declared in queues.answers if declared and plugin not in workers]
    known = {
        (plugin, queue.name): queue
        for plugin, declared in queues.answers
        if plugin in workers
        for queue in declared
    }
    plugins = replace(
        plugins,
        registry=replace(plugins.registry, type_owners=owners, queues=known),
        permissions=_join_permissions(permissions),
        menu=menu,
    )
    failures = [*types.failures, *permissions.failures, *entries.failures, *queues.failures]
    problems = [
        *((f.plugin, f.message) for f in failures),
        *menu.complaints,
        *((plugin, _NO_WORKER.format(plugin)) for plugin in idle),
    ]
    return plugins, problems, {f.plugin for f in failures if f.reason in _MAY_PASS}


def _list_makers(plugins: PluginSet, tap: Tap) -> frozenset[str]:
    """Also those that are stopped there: what they declared stands until they are tried again."""
    return frozenset(plugin.name for plugin in plugins.registry.plugins if tap.name in plugin.taps)


def _join_permissions(dispatched: Dispatched) -> tuple[Permission, ...]:
    """Who declares a name first has it."""
    by_name: dict[str, Permission] = {}
    for plugin, declared in dispatched.answers:
        for permission in declared:
            by_name.setdefault(permission.name, replace(permission, plugin=plugin))
    return tuple(by_name.values())
