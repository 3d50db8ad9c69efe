"""Which other plugins are there."""

from trovato_sdk.kernel import plugin_api


def exists(name: str) -> bool:
    """Whether a plugin of that name is enabled."""
    return plugin_api.plugin_exists(name)
