"""Puts plugins in an order in which each comes after what it depends on."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from kernel.plugin.model import Manifest


@dataclass(frozen=True, slots=True)
class Order:
    """`problems` maps the name of each plugin that cannot be loaded to a sentence saying why."""

    manifests: tuple[Manifest, ...]
    problems: Mapping[str, str]


def order_plugins(manifests: Iterable[Manifest], broken: Collection[str] = ()) -> Order:
    """Where dependencies leave a choice, by name. `broken` are plugins that are enabled and cannot be loaded.
    Who needs a plugin with a problem has one too."""
    by_name = {manifest.name: manifest for manifest in sorted(manifests, key=lambda m: m.name)}
    problems: dict[str, str] = {}
    for name in by_name:
        cycle = _find_cycle(name, by_name)
        if cycle:
            problems[name] = f"Circular dependency detected: {' → '.join(cycle)}"
    ordered: dict[str, Manifest] = {}
    waiting = [manifest for name, manifest in by_name.items() if name not in problems]
    while waiting:
        # Always the first by name that is ready, so that the order of the folders on disk does not matter.
        decided = next(
            m for m in waiting if all(_is_decided(d, by_name, ordered, problems) for d in m.dependencies)
        )
        waiting.remove(decided)
        problem = _find_unmet(decided, by_name, {*broken, *problems})
        if problem:
            problems[decided.name] = problem
        else:
            ordered[decided.name] = decided
    return Order(tuple(ordered.values()), problems)


def _is_decided(
    name: str, by_name: Mapping[str, Manifest], ordered: Mapping[str, Manifest], problems: Mapping[str, str]
) -> bool:
    return name not in by_name or name in ordered or name in problems


def _find_unmet(manifest: Manifest, by_name: Collection[str], broken: Collection[str]) -> str | None:
    for name in manifest.dependencies:
        if name in broken:
            return f"Plugin '{manifest.name}' requires '{name}' which cannot be loaded"
        if name not in by_name:
            return f"Plugin '{manifest.name}' requires '{name}' which is not enabled"
    return None


def _find_cycle(start: str, by_name: Mapping[str, Manifest]) -> list[str] | None:
    """The shortest way from a plugin back to itself, both ends included."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for name in by_name[way[-1]].dependencies:
            if name == start:
                return [*way, start]
            if name in by_name and name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return None
