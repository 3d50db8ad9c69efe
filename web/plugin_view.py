"""What the page of a plugin shows of it: its taps, and what it brings to the site."""

from typing import Any

from kernel.lifecycle.overview import PluginLine
from kernel.plugin.model import PluginSet
from kernel.tap.catalogue import get_tap


def describe_plugin(plugins: PluginSet, line: PluginLine) -> dict[str, Any]:
    """Variables of templates/admin/plugin.html. What it declares is known only of one that is enabled."""
    manifest, name = line.manifest, line.name
    return {
        "taps": [
            {
                "name": tap,
                "summary": get_tap(tap).summary,
                "weight": options.weight,
                "mode": options.data_mode,
            }
            for tap, options in (manifest.taps.items() if manifest else ())
        ],
        "tables": sorted(manifest.may.tables) if manifest else [],
        "dependencies": manifest.dependencies if manifest else (),
        "budgets": manifest.budgets if manifest else None,
        "pages": [entry for entry in plugins.menu.entries if entry.plugin == name],
        "permissions": [permission for permission in plugins.permissions if permission.plugin == name],
        "types": sorted(t for t, owner in plugins.registry.type_owners.items() if owner == name),
        "queues": [queue for (plugin, _), queue in plugins.registry.queues.items() if plugin == name],
        "needed_by": [other.name for other in plugins.manifests if name in other.dependencies],
    }
