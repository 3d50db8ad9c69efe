"""Settings of the site, shared by all processes."""

from trovato_sdk.kernel import variables as _variables


def get(name: str, default: str = "") -> str:
    """`default` when nobody has set it, or the manifest does not list it under [capabilities]."""
    return _variables.get(name, default)
