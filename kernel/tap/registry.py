"""Which plugins implement which tap, in the order in which they are called."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import orjson

from kernel.sandbox.sandbox import Component
from kernel.tap.answers import QueueInfo
from kernel.tap.capability import Capabilities
from kernel.tap.catalogue import Tap
from kernel.tap.watch import Watch

DataMode = Literal["full", "handle"]


@dataclass(frozen=True, slots=True)
class TapOptions:
    """What a manifest says about one tap. `fields` are those that the plugin is shown (None: all fields of
    types that it defines itself, none of others). `types` are the item types that it wants (None: all), `forms` the ids
    of the forms that a tap of forms is for."""

    data_mode: DataMode = "full"
    fields: frozenset[str] | None = None
    types: frozenset[str] | None = None
    weight: int = 0
    forms: frozenset[str] = frozenset()

    def wants(self, item_type: str) -> bool:
        return self.types is None or item_type in self.types


@dataclass(frozen=True, slots=True, eq=False)
class TapPlugin:
    """A loaded plugin, as far as calling it is concerned. `functions` are those that it offers to other plugins,
    `stopped` the taps that are not called, for its failures there; `watch` counts what it does."""

    name: str
    component: Component
    taps: Mapping[str, TapOptions]
    may: Capabilities = field(default_factory=Capabilities)
    functions: frozenset[str] = frozenset()
    stopped: frozenset[str] = frozenset()
    watch: Watch = field(default_factory=Watch)


@dataclass(frozen=True, eq=False)
class Implementor:
    """`missing` are plugins that are enabled and could not be loaded: what it answers without them is not what it
    answers once they are there."""

    plugin: TapPlugin
    options: TapOptions
    missing: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """Another one where the artefact is, or what the manifest says of the tap or of the plugin's capabilities, or
        what is missing."""
        plugin = self.plugin
        parts = [plugin.name, plugin.component.sha256, self.options, plugin.may, self.missing]
        text = orjson.dumps(parts, default=_as_list, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()[:32]

    def wants(self, item_type: str) -> bool:
        return self.options.wants(item_type)


@dataclass(frozen=True, slots=True, eq=False)
class TapRegistry:
    """`plugins` in the order in which they were loaded; `type_owners` maps an item type to the plugin that
    defines it, `queues` a plugin and a name to what the plugin declared, `absent` the names of plugins that are enabled
    and could not be loaded to their taps. `installed` are the names of all that are installed, enabled or not."""

    plugins: tuple[TapPlugin, ...] = ()
    type_owners: Mapping[str, str] = field(default_factory=dict)
    queues: Mapping[tuple[str, str], QueueInfo] = field(default_factory=dict)
    absent: Mapping[str, Mapping[str, TapOptions]] = field(default_factory=dict)
    installed: frozenset[str] = frozenset()
    _implementors: Mapping[str, tuple[Implementor, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_implementors", _sort_implementors(self.plugins, self.missing))

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(sorted(self.absent))

    def get_implementors(self, tap: Tap) -> tuple[Implementor, ...]:
        """Lowest weight first; equal weights in loading order, so after the plugins that they depend on."""
        return self._implementors.get(tap.name, ())

    def list_away(self, tap: Tap) -> list[tuple[str, TapOptions]]:
        """Who would be asked, but is stopped there or could not be loaded."""
        stopped = [
            (plugin.name, plugin.taps[tap.name])
            for plugin in self.plugins
            if tap.name in plugin.stopped and tap.name in plugin.taps
        ]
        return stopped + [(name, taps[tap.name]) for name, taps in self.absent.items() if tap.name in taps]

    def is_wanted(self, tap: Tap, item_type: str) -> bool:
        """Whether any plugin implements the tap for items of that type."""
        return any(implementor.wants(item_type) for implementor in self.get_implementors(tap))

    def has_plugin(self, name: str) -> bool:
        return self.find_plugin(name) is not None

    def find_plugin(self, name: str) -> TapPlugin | None:
        return next((plugin for plugin in self.plugins if plugin.name == name), None)

    def find_queue(self, plugin: str, name: str) -> QueueInfo | None:
        return self.queues.get((plugin, name))

    def get_visible_fields(self, implementor: Implementor, item_type: str) -> frozenset[str] | None:
        """The names of the fields that the plugin may see and change in an item of that type; None: all."""
        if implementor.options.fields is not None:
            return implementor.options.fields
        return None if self.type_owners.get(item_type) == implementor.plugin.name else frozenset()


def _as_list(value: Any) -> list[Any]:
    """Sets in one order; mappings that are no dict as pairs."""
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is no part of a manifest.")


def _sort_implementors(
    plugins: Iterable[TapPlugin], missing: tuple[str, ...]
) -> dict[str, tuple[Implementor, ...]]:
    by_tap: dict[str, list[Implementor]] = {}
    for plugin in plugins:
        for tap, options in plugin.taps.items():
            if tap in plugin.stopped:
                continue
            by_tap.setdefault(tap, []).append(Implementor(plugin, options, missing))
    # The sort is stable, so that equal weights keep their loading order.
    return {tap: tuple(sorted(found, key=lambda i: i.options.weight)) for tap, found in by_tap.items()}
