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


def describe_settings(
    plugin: str,
    variables: Mapping[str, str],
    submitted: Submitted | None = None,
    problems: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """`rows` are what is set, `new` is what is to be set too, each as it was typed, and `problem` what is wrong with
    all. A secret is never shown again, only that there is one."""
    sent, wrong = submitted or {}, dict(problems or {})
    rows = [
        {
            "name": name,
            "value": "" if sounds_secret(name) else _last(sent, f"{_VALUE}{name}", value),
            "is_secret": sounds_secret(name),
            "problem": wrong.pop(name, ""),
        }
        for name, value in variables.items()
    ]
    name = _last(sent, "name")
    full = _full_name(plugin, name.strip())
    value = "" if sounds_secret(full) else _last(sent, "value")
    new = {"name": name, "value": value, "problem": wrong.pop(full, "")}
    first = next((row["name"] for row in rows if row["problem"]), "")
    return {"rows": rows, "new": new, "first": first, "problem": " ".join(wrong.values())}


def read_settings(plugin: str, submitted: Submitted) -> dict[str, str | None]:
    """What a form asks for; a secret that is left empty stays as it is."""
    values: dict[str, str | None] = {}
    for key, found in submitted.items():
        name = key.removeprefix(_VALUE)
        if name != key and (found[-1] or not sounds_secret(name)):
            values[name] = found[-1] or None
    new = (submitted.get("name") or [""])[-1].strip()
    if new:
        values[_full_name(plugin, new)] = (submitted.get("value") or [""])[-1]
    return values


def _full_name(plugin: str, name: str) -> str:
    return name if name.startswith(f"{plugin}_") else f"{plugin}_{name}"


def _last(submitted: Submitted, name: str, otherwise: str = "") -> str:
    """Made fit to be shown."""
    text = (submitted.get(name) or [otherwise])[-1]
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
