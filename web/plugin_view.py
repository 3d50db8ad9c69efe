"""What the page of a plugin shows of it: its taps and what they use, and what it brings to the site."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kernel.lifecycle.overview import PluginLine
from kernel.plugin.model import PluginSet
from kernel.supervision.recording import sounds_secret
from kernel.supervision.usage import TapUsage
from kernel.tap.catalogue import get_tap
from web.guard import Submitted

_VALUE: Final = "value:"


def describe_plugin(plugins: PluginSet, line: PluginLine, usage: Iterable[TapUsage]) -> dict[str, Any]:
    """Variables of templates/admin/plugin.html. What it declares is known only of one that is enabled."""
    manifest, name = line.manifest, line.name
    used = {one.tap: one for one in usage}
    stopped = {stop.tap: stop for stop in plugins.stops if stop.plugin == name}
    return {
        "taps": [
            {
                "name": tap,
                "summary": get_tap(tap).summary.replace("`", ""),
                "weight": options.weight,
                "mode": options.data_mode,
                "usage": used.get(tap),
                "stop": stopped.get(tap),
            }
            for tap, options in (manifest.taps.items() if manifest else ())
        ],
        "stops": list(stopped.values()),
        "tables": sorted(manifest.may.tables) if manifest else [],
        "dependencies": manifest.dependencies if manifest else (),
        "budgets": manifest.budgets if manifest else None,
        "pages": [entry for entry in plugins.menu.entries if entry.plugin == name],
        "permissions": [permission for permission in plugins.permissions if permission.plugin == name],
        "types": sorted(t for t, owner in plugins.registry.type_owners.items() if owner == name),
        "queues": [queue for (plugin, _), queue in plugins.registry.queues.items() if plugin == name],
        "needed_by": [other.name for other in plugins.manifests if name in other.dependencies],
    }


def describe_settings(variables: Mapping[str, str]) -> list[dict[str, Any]]:
    """A secret is never shown again, only that there is one."""
    return [
        {"name": name, "value": "" if sounds_secret(name) else value, "is_secret": sounds_secret(name)}
        for name, value in variables.items()
    ]


def read_settings(plugin: str, submitted: Submitted) -> dict[str, str | None]:
    """What a form asks for; a secret that is left empty stays as it is."""
    values: dict[str, str | None] = {}
    for key, found in submitted.items():
        name = key.removeprefix(_VALUE)
        if name != key and (found[-1] or not sounds_secret(name)):
            values[name] = found[-1] or None
    new = (submitted.get("name") or [""])[-1].strip()
    if new:
        full = new if new.startswith(f"{plugin}_") else f"{plugin}_{new}"
        values[full] = (submitted.get("value") or [""])[-1]
    return values
